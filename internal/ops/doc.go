// Package ops is the operator's side of a Patchbay process, whatever part it runs: its logs,
// its signals, and the internal listener with metrics, health and profiles. Nothing in
// it is for clients: the internal listener must not be reachable from outside.
package ops
