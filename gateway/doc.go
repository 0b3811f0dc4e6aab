// Package gateway is the node that holds clients' connections: it speaks
// Engine.IO v4 and Socket.IO v5 to stock clients on one side and the backplane's
// subjects on the other.
//
// A packet enters in conn.go (WebSocket, on an epoll loop) or http.go
// (long-polling, through net/http), is taken apart by session.go (Engine.IO) and
// inbound.go (Socket.IO), and leaves for its worker through the backplane. An emit
// enters in intake.go, is encoded once, and leaves from each loop that has
// recipients, in broadcast.go. In between, everything belongs to a loop: a conn, its session and
// its sockets are touched by their loop's goroutine alone, and everybody else posts a
// task to the loop's mailbox. docs/ownership.md has the whole list.
package gateway
