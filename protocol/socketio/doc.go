// Package socketio reads and writes Socket.IO v5 packets as they travel inside
// Engine.IO messages, without the Engine.IO message type '4'.
//
// It is bytes in, values out: no I/O, no goroutines, no clock. Every function is
// safe for concurrent use. JSON is checked in one pass and never decoded into
// values: arguments stay the bytes that the client sent, so that a server can
// frame and forward them. Decoders never panic and never keep their input.
package socketio
