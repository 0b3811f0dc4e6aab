// Package engineio reads and writes Engine.IO v4: packets as they travel in one
// WebSocket message or in an HTTP long-polling payload, the handshake, and the
// errors of refused requests.
//
// It is bytes in, values out: no I/O, no goroutines, no clock. Every function is
// safe for concurrent use. Decoders never panic and never keep their input; what
// aliases the input says so.
package engineio
