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
	g, c := echoes(b)
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

// echoes starts a worker that echoes, and a client.
func echoes(t testing.TB) (*fakeGateway, *client) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		worker.OnAck(app.Namespace("/"), "echo", func(_ ctxt, _ socket, text string) (string, error) { return text, nil })
	})
	return g, g.dial(app, "/")
}

// An event and its acknowledgement, with both of NATS's clients and the server between them in this process: of the allocations four are the worker's,
// for the event, its name, its argument and the answer. A pool under the race detector forgets at random, which is what the limit has to spare.
func TestDispatchAllocates(t *testing.T) {
	const window = 100 // so that messages leave together, as under load
	g, c := echoes(t)
	once := func() {
		for range window {
			c.event(g.conn.SocketAck(c.id, "1"), `["echo","hello, world"]`, nil)
		}
		for range window {
			<-c.acks
		}
	}
	once()
	if n := testing.AllocsPerRun(10, once) / window; n > 25 {
		t.Errorf("%v allocations an event and its acknowledgement", n)
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
