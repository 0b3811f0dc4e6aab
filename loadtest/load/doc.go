// Package load is a client of Socket.IO servers that holds tens of thousands of connections: epoll loops, and on them clients
// that speak Engine.IO 4 and Socket.IO 5 over WebSocket, polling or both, as the stock client does.
//
// It knows nothing of what the clients are for: package scenario decides when they connect, what they send and
// what they should have received.
package load
