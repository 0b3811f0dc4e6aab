// Package router is the service that owns membership: who is connected, in which rooms, on
// which node, served by which worker. It admits sockets, watches leases and answers queries.
package router
