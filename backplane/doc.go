// Package backplane is what gateways, routers and workers have in common: the
// subject grammar, the envelopes that travel on it, and the NATS connection that
// carries them. It is the only importer of the NATS client and server.
//
// Nothing here knows what a session, a lease or a handler is. docs/subjects.md
// lists every subject with its publisher, subscribers, payload and guarantee.
package backplane
