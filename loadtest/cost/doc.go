// Package cost reads what servers use: CPU time and resident memory, of a process of this machine by its id, or of any that
// shows Prometheus's process metrics.
package cost
