// Package worker is the SDK that applications import: the Socket.IO server API, in Go.
//
//	app, err := worker.New(worker.Options{})
//	io := app.Namespace("/")
//	worker.On(io, "chatMessage", func(ctx context.Context, s *worker.Socket, text string) error {
//		return io.Emit("chatMessage", text)
//	})
//	err = app.Run(ctx)
//
// A worker holds no connections. Gateways do; they pass on, over NATS, what clients send, and take
// emits from the same place. Any number of workers may run. Each socket has one of them as
// its home, so what a connection handler keeps in a closure is there for the socket's later events.
//
// # Order and goroutines
//
// What concerns one socket happens one after another, in the order in which it came: middleware,
// connection handler, events, disconnection. Different sockets run in parallel. A socket has a goroutine
// only while something waits for it; an idle one costs memory alone. Handlers may therefore block: they
// delay their own socket and nobody else.
//
// Emits are published at once and in order, and nobody waits for their delivery.
//
// # Arguments
//
// Arguments follow encoding/json's rules for tags, names and null. In addition a []byte, wherever it
// stands in an argument, travels as a binary attachment, and an attachment becomes []byte
// again where a []byte or an `any` is decoded. Named byte-slice types are base64 text, as in encoding/json.
//
// # Contexts
//
// A handler's context ends when the worker stops without time to finish. It does not end with the socket:
// what a client sent before it left is still to be done. Work that is pointless without its client watches
// [Socket.Context].
package worker
