package worker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/worker"
)

// never is a time that no test waits for.
const never = 100 * patience

// echo serves a namespace whose event "echo" is acknowledged; gone gets what disconnects.
func echo(gone chan<- string) func(app *worker.App) {
	return func(app *worker.App) {
		io := app.Namespace("/")
		worker.OnAck0(io, "echo", func(ctxt, socket) (string, error) { return "echoed", nil })
		io.OnDisconnect(func(_ ctxt, s socket, reason string) { gone <- s.ID() + " " + reason + " " + s.Node() })
	}
}

// alive has the client's event acknowledged. Nothing else has come to it before: what the worker was sent on this
// gateway's connection until now has had no answer at the client's subject, and did not end the socket.
func (c *client) alive() {
	c.g.Helper()
	if p := c.ask(`["echo"]`); string(p.JSON) != `["echoed"]` {
		c.g.Fatalf("got %q", p.JSON)
	}
}

// moved asks the worker, on behalf of a gateway, about the client's socket. The answer comes to the client's
// acknowledgements.
func (c *client) moved(app *worker.App, token, node string, epoch uint64) {
	c.g.publish(c.g.conn.Worker(app.ID(), "moved", c.id), c.g.conn.SocketAck(c.id, "moved"),
		c.g.encode(backplane.Moved{Token: token, Node: node, Epoch: epoch}))
}

func (c *client) left(app *worker.App, token string) {
	c.g.publish(c.g.conn.Worker(app.ID(), "left", c.id), "", []byte(token))
}

// expectAnswer waits for the answer to moved, which is empty.
func (c *client) expectAnswer() {
	c.g.Helper()
	if p := receive(c.g, c.acks, "the answer to moved"); len(p.JSON) != 0 {
		c.g.Fatalf("got %q", p.JSON)
	}
}

// TestMoved: the new gateway is answered when the former one's last event has come, in whichever order they speak.
func TestMoved(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	gone := make(chan string, 10)
	app := start(t, server, worker.Options{MoveTimeout: never}, echo(gone))
	c, other := g.dial(app, "/"), g.dial(app, "/")
	c.alive()

	c.moved(app, "t1", "g2", 3)
	c.alive()
	c.left(app, "t0")
	other.left(app, "t1")
	c.alive()
	c.left(app, "t1")
	c.expectAnswer()

	c.left(app, "t2")
	c.alive()
	c.moved(app, "t2", "g3", 4)
	c.expectAnswer()
	c.moved(app, "t2", "g3", 4) // the answer was lost
	c.expectAnswer()

	// The socket ends while the new gateway waits: it is told so.
	c.moved(app, "t3", "g4", 5)
	c.leave("transport close")
	if got := receive(t, gone, "a disconnection"); got != c.id+" transport close g4" {
		t.Errorf("got %q", got)
	}
	c.left(app, "t3")
	other.alive()
}

// TestMovedAlone: without the former gateway's word the new one waits for a bounded time.
func TestMovedAlone(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{MoveTimeout: time.Millisecond}, echo(make(chan string, 10)))
	c := g.dial(app, "/")
	for _, token := range []string{"t1", "t2", "t2"} {
		c.moved(app, token, "g2", 3)
		c.expectAnswer()
	}
	c.alive()
}

// TestMovedUnknown: a worker does not answer for sockets that it does not have, and not at all to nonsense.
func TestMovedUnknown(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	gone := make(chan string, 10)
	app := start(t, server, worker.Options{MoveTimeout: never}, echo(gone))
	c := g.dial(app, "/")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ask := func(id, token string) string {
		t.Helper()
		reply, err := g.conn.Request(ctx, &backplane.Msg{
			Subject: g.conn.Worker(app.ID(), "moved", id),
			Data:    g.encode(backplane.Moved{Token: token, Node: "g2", Epoch: 1}),
		})
		if err != nil || len(reply.Data) != 0 {
			t.Fatalf("%+v, %v", reply, err)
		}
		if reason := reply.Header[backplane.HeaderError]; len(reason) == 1 {
			return reason[0]
		}
		return ""
	}
	if reason := ask(backplane.NewSocketID("g1", 0), "t"); reason != backplane.NoSocket {
		t.Errorf("unknown: %q", reason)
	}
	c.left(app, "t1")
	if reason := ask(c.id, "t1"); reason != "" {
		t.Errorf("known: %q", reason)
	}
	long := string(make([]byte, backplane.MaxMoveToken+1))
	for _, bad := range []struct{ token, node string }{{"", "g2"}, {"t", ""}, {"t", "a.b"}, {long, "g2"}} {
		c.moved(app, bad.token, bad.node, 1)
	}
	c.left(app, "")
	c.left(app, long)
	g.publish(g.conn.Worker(app.ID(), "moved", c.id), g.conn.SocketAck(c.id, "moved"), []byte("{"))
	g.publish(g.conn.Worker(app.ID(), "probe", c.id), "", nil)
	c.alive()
	g.publish(g.conn.Lost(), "", g.encode(backplane.Lost{Node: "g2", Epoch: 1}))
	if got := receive(t, gone, "a disconnection"); got != c.id+" transport close g2" {
		t.Errorf("got %q", got)
	}
	if reason := ask(c.id, "t1"); reason != backplane.NoSocket {
		t.Errorf("gone: %q", reason)
	}
}

// TestMovedThenLost: a socket shares the fate of the gateway that has it, as soon as that has said so.
func TestMovedThenLost(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	gone := make(chan string, 10)
	app := start(t, server, worker.Options{MoveTimeout: never}, echo(gone))
	c, stays := g.dial(app, "/"), g.dial(app, "/")
	c.alive()
	stays.alive()
	c.moved(app, "t1", "g2", 3)
	for _, lost := range []backplane.Lost{{Node: "g2", Epoch: 2}, {Node: "g1", Epoch: g.epoch}} {
		g.publish(g.conn.Lost(), "", g.encode(lost))
	}
	if got := receive(t, gone, "the other's disconnection"); got != stays.id+" transport close g1" {
		t.Errorf("got %q", got)
	}
	c.alive()
	g.publish(g.conn.Lost(), "", g.encode(backplane.Lost{Node: "g2", Epoch: 3}))
	if got := receive(t, gone, "the disconnection"); got != c.id+" transport close g2" {
		t.Errorf("got %q", got)
	}
}

// TestOpenTwice: a second `open`, and one for a socket that is not there, change nothing.
func TestOpenTwice(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	opened := make(chan string, 10)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		echo(make(chan string, 10))(app)
		app.Namespace("/").OnConnect(func(_ ctxt, s socket) error {
			opened <- s.ID()
			return nil
		})
	})
	c := g.dial(app, "/")
	for range 3 {
		g.publish(g.conn.Worker(app.ID(), "open", c.id), "", nil)
		g.publish(g.conn.Worker(app.ID(), "open", backplane.NewSocketID("g1", 0)), "", nil)
	}
	c.alive()
	if id := receive(t, opened, "a connection"); id != c.id || len(opened) != 0 {
		t.Errorf("opened %s and %d more", id, len(opened))
	}
}

// elsewhere is the same client at another gateway.
func (c *client) elsewhere(g *fakeGateway) *client {
	there := g.newClient(c.nsp)
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.clients, there.id)
	there.id = c.id
	g.clients[c.id] = there
	return there
}

// recover asks the worker to take the client's socket back, and returns when the worker has got that.
func (c *client) recover(app *worker.App) {
	c.g.Helper()
	c.g.publish(c.g.conn.Worker(app.ID(), "connect", c.id), c.g.conn.Node(c.g.node, "connected", c.id), c.g.encode(
		backplane.Connect{Socket: c.id, Namespace: c.nsp, Node: c.g.node, Epoch: c.g.epoch, Recovered: true}))
	c.g.dial(app, "/").alive()
}

// TestRecoveredElsewhere: a socket that comes back at another gateway has been away, even if nobody said so. The
// application hears of that first, though the handlers of the former are still at work.
func TestRecoveredElsewhere(t *testing.T) {
	server := startServer(t)
	g1, g2 := newGateway(t, server, "g1"), newGateway(t, server, "g2")
	entered, release := make(chan struct{}), make(chan struct{})
	story := make(chan string, 10)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		worker.OnAck0(app.Namespace("/"), "echo", func(ctxt, socket) (string, error) { return "echoed", nil })
		io := app.Namespace("/story")
		io.OnConnect(func(_ ctxt, s socket) error {
			if s.Recovered() {
				story <- "back at " + s.Node()
			}
			return nil
		})
		io.OnDisconnect(func(_ ctxt, s socket, reason string) { story <- reason + " at " + s.Node() })
		worker.On0(io, "slow", func(ctxt, socket) error {
			close(entered)
			<-release
			story <- "slow"
			return nil
		})
		worker.OnAck0(io, "echo", func(ctxt, socket) (string, error) { return "echoed", nil })
	})
	c := g1.dial(app, "/story")
	c.send(`["slow"]`)
	<-entered
	there := c.elsewhere(g2)
	there.recover(app)
	there.recover(app) // asked again: there is one answer
	if len(there.got) != 0 || len(story) != 0 {
		t.Error("the worker did not wait for the former socket")
	}
	close(release)
	for _, want := range []string{"slow", "transport close at g1", "back at g2"} {
		if got := receive(t, story, want); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	receive(t, there.got, "an answer to CONNECT")
	g1.publish(g1.conn.Lost(), "", g1.encode(backplane.Lost{Node: "g1", Epoch: 7}))
	c.alive()
	if len(there.got) != 0 || len(story) != 0 {
		t.Error("more than one answer, or another end")
	}
}

// TestRecoveredWhileConnecting: the former CONNECT's refusal is not the new one's.
func TestRecoveredWhileConnecting(t *testing.T) {
	server := startServer(t)
	g1, g2 := newGateway(t, server, "g1"), newGateway(t, server, "g2")
	entered, release := make(chan struct{}), make(chan struct{})
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		worker.OnAck0(app.Namespace("/"), "echo", func(ctxt, socket) (string, error) { return "echoed", nil })
		io := app.Namespace("/slow")
		io.Use(func(ctxt, socket) error {
			close(entered)
			<-release
			return errors.New("no")
		})
		io.OnDisconnect(func(ctxt, socket, string) { t.Error("disconnected without having connected") })
		worker.OnAck0(io, "echo", func(ctxt, socket) (string, error) { return "echoed", nil })
	})
	c := g1.newClient("/slow")
	g1.publish(g1.conn.Worker(app.ID(), "connect", c.id), g1.conn.Node("g1", "connected", c.id),
		g1.encode(backplane.Connect{Socket: c.id, Namespace: "/slow", Node: "g1", Epoch: 7}))
	<-entered
	there := c.elsewhere(g2)
	there.recover(app)
	close(release)
	var answer backplane.Connected
	g2.decode(receive(t, there.got, "an answer to CONNECT").JSON, &answer)
	if answer.Error != nil || answer.Worker != app.ID() {
		t.Errorf("%+v", answer)
	}
	c.worker = app.ID()
	c.alive()
	if len(c.got) != 0 {
		t.Error("the former CONNECT was answered")
	}
}
