package worker_test

import (
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// BenchmarkDispatch is an event's way from NATS through a typed handler and back as an acknowledgement, both ends
// and the server between them included. Events are sent in windows, so that it is throughput.
func BenchmarkDispatch(b *testing.B) {
	const window = 256
	server := startServer(b)
	g := newGateway(b, server, "g1")
	app := start(b, server, worker.Options{}, func(app *worker.App) {
		worker.OnAck(app.Namespace("/"), "echo", func(_ ctxt, _ socket, text string) (string, error) { return text, nil })
	})
	c := g.dial(app, "/")
	b.ReportAllocs()
	sent, got := 0, 0
	for b.Loop() {
		c.event(g.conn.SocketAck(c.id, "1"), `["echo","hello, world"]`, nil)
		if sent++; sent-got == window {
			for ; got < sent-window/2; got++ {
				<-c.acks
			}
		}
	}
	for ; got < sent; got++ {
		<-c.acks
	}
}

// BenchmarkEmit is an emit to a room, up to NATS's buffer.
func BenchmarkEmit(b *testing.B) {
	app := start(b, startServer(b), worker.Options{}, func(*worker.App) {})
	target := app.Namespace("/chat").To("lobby")
	b.ReportAllocs()
	for b.Loop() {
		if err := target.Emit("chatMessage", "hello, world"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEmitExcept is an emit with headers: to a room, less the sender.
func BenchmarkEmitExcept(b *testing.B) {
	app := start(b, startServer(b), worker.Options{}, func(*worker.App) {})
	target := app.Namespace("/chat").To("lobby").Except(backplane.NewSocketID("g1", 0))
	b.ReportAllocs()
	for b.Loop() {
		if err := target.Emit("chatMessage", "hello, world"); err != nil {
			b.Fatal(err)
		}
	}
}
