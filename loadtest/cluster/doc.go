// Package cluster runs whole Patchbay clusters in one process, for tests and measurements: embedded NATS servers linked to
// each other, routers, gateways and workers, all on free ports of 127.0.0.1.
package cluster
