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
// Handlers of one event run in this order: those of OnAny, the middleware of UseEvents, those of the event; in each, the
// namespace's before the socket's own, and then as they were added. Each registration returns a function that undoes it.
//
// Emits are published at once and in order, and nobody waits for their delivery.
//
// # Arguments
//
// Arguments follow encoding/json's rules for tags, names and null. In addition a []byte, wherever it
// stands in an argument, travels as a binary attachment, and an attachment becomes []byte
// again where a []byte or an `any` is decoded. Named byte-slice types are base64 text, as in encoding/json.
//
// An event may have ten attachments (Options.MaxAttachments): stock clients close their connections over more, so such an
// emit is refused here. A buffer that stands in several places is one attachment.
//
// # Contexts
//
// The context of middleware, connection and event handlers is [Socket.Context]: it ends when the client is gone, with
// ErrDisconnected as its cause, and when the worker stops without time to finish. So a handler does not go on waiting for
// what nobody wants any more. What a client sent before it left is still handled, with a context that is over: what must be done all the
// same takes context.WithoutCancel(ctx). Disconnection and error handlers have a context that ends with the worker alone.
//
// # When a handler fails
//
// Its error, or what it panicked with, goes to the error handlers, or to the log if there are none. The event counts as handled;
// it is not acknowledged, so a client with a timeout learns of it. The socket and its other events go on.
//
// # When a client is faster than its handlers
//
// Events wait in the socket's queue, 16,384 or 16 MiB of them (Options.QueueLimit, QueueBytes). Past that the socket is
// disconnected, connection and all; its error handlers hear ErrQueueFull, and what was taken is handled. Other sockets, on the
// same worker or not, are not held up by any of that.
package worker
