package worker_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// TestRemoval: what adds a handler returns what removes it, for every kind of handler.
func TestRemoval(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	calls := make(chan string, 100)
	says := func(text string) worker.EventHandler {
		return func(ctxt, socket, *worker.Event) error { calls <- text; return nil }
	}
	var remove []func()
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		remove = append(remove,
			io.Use(func(ctxt, socket) error { calls <- "middleware"; return nil }),
			io.OnConnect(func(ctxt, socket) error { calls <- "connect"; return nil }),
			io.OnAny(says("any")), io.PrependAny(says("any before")), io.UseEvents(says("event middleware")),
			io.OnEvent("x", says("x")), worker.On0(io, "x", func(ctxt, socket) error { calls <- "x, typed"; return errors.New("no") }),
			io.OnError(func(ctxt, socket, string, error) { calls <- "error" }),
			io.OnDisconnecting(func(ctxt, socket, string) { calls <- "disconnecting" }),
			io.OnDisconnect(func(ctxt, socket, string) { calls <- "disconnect" }),
			io.OnAnyOutgoing(func(worker.Target, string, []any) { calls <- "outgoing" }),
			io.PrependAnyOutgoing(func(worker.Target, string, []any) { calls <- "outgoing before" }),
		)
		worker.On0(io, "y", func(ctxt, socket) error { calls <- "y"; return nil })
		worker.On0(io, "y", func(ctxt, socket) error { calls <- "y"; return nil })
		worker.OnAck0(io, "end", func(ctxt, socket) (string, error) { return "end", nil })
	})
	life := func() {
		c := g.dial(app, "/")
		c.ask(`["end"]`)
		c.send(`["x"]`)
		c.ask(`["end"]`)
		if err := app.Namespace("/").Emit("hello"); err != nil {
			t.Error(err)
		}
		c.leave("transport close")
		last := g.dial(app, "/") // whose handlers run after those of c, or beside them: it says nothing but its own
		last.ask(`["end"]`)
	}
	life()
	want := []string{"middleware", "connect", "any before", "any", "event middleware", "x", "x, typed", "error", "outgoing before", "outgoing", "disconnecting", "disconnect"}
	seen := map[string]bool{}
	for len(seen) < len(want) {
		seen[receive(t, calls, "a handler; so far "+strings.Join(slices.Collect(maps.Keys(seen)), ", "))] = true
	}
	for _, f := range remove {
		f()
		f() // a second time does nothing
	}
	for len(calls) > 0 {
		<-calls
	}
	life()
	app.Namespace("/").Off("y")
	c := g.dial(app, "/")
	c.send(`["y"]`)
	c.ask(`["end"]`)
	if len(calls) > 0 {
		t.Errorf("%q was called after its removal", <-calls)
	}
}

// TestHandlerOrder: those that hear of every event, middleware, the namespace's own, the socket's own.
func TestHandlerOrder(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	var order []string
	says := func(text string) worker.EventHandler {
		return func(ctxt, socket, *worker.Event) error { order = append(order, text); return nil }
	}
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnConnect(func(_ ctxt, s socket) error {
			s.OnEvent("x", says("own"))
			s.UseEvents(says("own middleware"))
			s.OnAny(says("own any"))
			s.PrependAny(says("own any before"))
			s.OnEvent("off", says("off"))
			s.Off("off")
			return nil
		})
		io.OnEvent("x", says("namespace"))
		io.OnEvent("x", says("namespace, later"))
		io.UseEvents(says("middleware"))
		io.OnAny(says("any"))
		io.PrependAny(says("any before"))
		worker.OnAck0(io, "order", func(ctxt, socket) ([]string, error) { return order[:9], nil })
	})
	c := g.dial(app, "/")
	c.send(`["x"]`)
	const want = `[["any before","any","own any before","own any","middleware","own middleware","namespace","namespace, later","own"]]`
	if got := string(c.ask(`["order"]`).JSON); got != want {
		t.Errorf("got %s", got)
	}
}

// TestOnce: the first event alone, of one socket or of a namespace, however quick the second is.
func TestOnce(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnConnect(func(_ ctxt, s socket) error {
			worker.OnAck(worker.Once(s), "name", func(_ ctxt, _ socket, name string) (string, error) { return name, nil })
			removed := worker.On0(worker.Once(s), "removed", func(_ ctxt, s socket) error { return s.Emit("removed") })
			removed()
			return nil
		})
		worker.On0(worker.Once(io), "first", func(_ ctxt, s socket) error { return s.Emit("first", s.ID()) })
		worker.OnAck0(io, "end", func(ctxt, socket) (string, error) { return "end", nil })
	})
	a, b := g.dial(app, "/"), g.dial(app, "/")
	for _, c := range []*client{a, b} {
		if got := string(c.ask(`["name","Ada"]`).JSON); got != `["Ada"]` {
			t.Errorf("got %s", got)
		}
		c.event(g.conn.SocketAck(c.id, "2"), `["name","Bob"]`, nil) // nobody acknowledges
		c.send(`["removed"]`)
		c.send(`["first"]`)
		if got := string(c.ask(`["end"]`).JSON); got != `["end"]` {
			t.Errorf("got %s", got)
		}
	}
	if n := len(a.got) + len(b.got); n != 1 {
		t.Errorf("%d sockets were the first", n)
	}
}

// TestEventMiddleware: it may refuse an event, tell the client why, and change what the handlers get.
func TestEventMiddleware(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnConnect(func(_ ctxt, s socket) error {
			s.UseEvents(func(_ ctxt, _ socket, e *worker.Event) error {
				switch e.Name {
				case "forbidden":
					return errors.Join(errors.New("unauthorized"), e.Ack("no"))
				case "broken":
					panic("oh no")
				case "add":
					e.Args = append(e.Args, e.Args[0])
				}
				return nil
			})
			s.UseEvents(func(_ ctxt, s socket, e *worker.Event) error { return s.Emit("passed", e.Name) })
			s.OnError(func(_ ctxt, s socket, event string, err error) {
				if err := s.Emit("failed", event, err.Error()); err != nil {
					t.Error(err)
				}
			})
			return nil
		})
		for _, event := range []string{"forbidden", "broken"} {
			io.OnEvent(event, func(ctxt, socket, *worker.Event) error { t.Errorf("%s came through", event); return nil })
		}
		worker.OnAck2(io, "add", func(_ ctxt, _ socket, a, b int) (int, error) { return a + b, nil })
	})
	c := g.dial(app, "/")
	if got := string(c.ask(`["forbidden"]`).JSON); got != `["no"]` {
		t.Errorf("got %s", got)
	}
	c.expect(`["failed","forbidden","unauthorized"]`)
	c.send(`["broken"]`)
	c.expect(`["failed","broken","worker: handler panicked: oh no"]`)
	if got := string(c.ask(`["add",4]`).JSON); got != `[8]` {
		t.Errorf("got %s", got)
	}
	c.expect(`["passed","add"]`)
}

// TestDisconnecting: the rooms that the socket was in are known until it is gone, its own handlers hear of that first, and
// its context has ended, but not theirs.
func TestDisconnecting(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	calls := make(chan string, 10)
	tell := func(kind string) worker.DisconnectHandler {
		return func(ctx ctxt, s socket, reason string) {
			rooms, err := s.Rooms(ctx)
			if errors.Is(err, worker.ErrDisconnected) {
				err = nil
			}
			if err != nil || ctx.Err() != nil || s.Context().Err() == nil || s.Connected() {
				t.Errorf("%v, %v, %v", err, ctx.Err(), s.Context().Err())
			}
			for i := range rooms {
				rooms[i] = strings.Replace(rooms[i], s.ID(), "own", 1)
			}
			slices.Sort(rooms)
			calls <- kind + ": " + reason + ": " + strings.Join(rooms, " ")
		}
	}
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.Use(func(ctx ctxt, s socket) error { return s.Join(ctx, "a") })
		io.OnConnect(func(ctx ctxt, s socket) error {
			s.OnDisconnecting(tell("own disconnecting"))
			s.OnDisconnect(tell("own disconnect"))
			if !s.Connected() {
				t.Error("not connected")
			}
			return s.Join(ctx, "b")
		})
		io.OnDisconnecting(tell("disconnecting"))
		io.OnDisconnect(tell("disconnect"))
		worker.OnAck0(io, "ready", func(ctxt, socket) (bool, error) { return true, nil })
	})
	expect := func(reason, rooms string) {
		t.Helper()
		for _, kind := range []string{"own disconnecting", "disconnecting", "own disconnect", "disconnect"} {
			want := kind + ": " + reason + ": "
			if strings.HasSuffix(kind, "ing") {
				want += rooms
			}
			if got := receive(t, calls, want); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	}
	for _, rooms := range [][]string{{"b", "another worker's"}, nil} {
		c := g.dial(app, "/")
		c.ask(`["ready"]`)
		g.publishMsg(backplane.EncodeDisconnect(g.conn.Worker(c.worker, "disconnect", c.id), "ping timeout", rooms))
		expect("ping timeout", strings.Join(append(slices.Sorted(slices.Values(rooms)), "own"), " "))
	}
	// A gateway that dies tells nothing.
	g.dial(app, "/").ask(`["ready"]`)
	g.publish(g.conn.Lost(), "", g.encode(backplane.Lost{Node: "g1", Epoch: 7}))
	expect("transport close", "a b own")
}

// TestHandlerContext: what a handler does for a client that is gone ends, and so does what it waits for.
func TestHandlerContext(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	entered, ended := make(chan struct{}), make(chan error, 2)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		worker.On0(app.Namespace("/"), "work", func(ctx ctxt, s socket) error {
			if ctx.Err() != nil || ctx.Value("none") != nil {
				t.Error("over before it began")
			}
			if _, ok := ctx.Deadline(); ok {
				t.Error("a deadline that nobody set")
			}
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			close(entered)
			<-child.Done()
			ended <- context.Cause(child)
			ended <- context.WithoutCancel(ctx).Err()
			return nil
		})
	})
	c := g.dial(app, "/")
	c.send(`["work"]`)
	<-entered
	c.leave("transport close")
	if err := receive(t, ended, "the end"); !errors.Is(err, worker.ErrDisconnected) {
		t.Errorf("cause %v", err)
	}
	if err := receive(t, ended, "the rest"); err != nil {
		t.Errorf("without cancel: %v", err)
	}
}

// TestOutgoing: the worker's own emits are seen before they are sent, those to one socket by its own handlers too.
func TestOutgoing(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	var seen []string
	see := func(who string) worker.OutgoingHandler {
		return func(to worker.Target, event string, args []any) {
			text := who + " " + to.String() + ": " + event
			for _, a := range args {
				text += " " + a.(string)
			}
			seen = append(seen, text)
		}
	}
	sockets := make(chan socket, 1)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/chat")
		io.OnConnect(func(_ ctxt, s socket) error { sockets <- s; return nil })
		io.OnAnyOutgoing(see("all"))
		io.PrependAnyOutgoing(see("first"))
	})
	c := g.dial(app, "/chat")
	s := receive(t, sockets, "a connection")
	s.OnAnyOutgoing(see("own"))
	c.answering(acks(`["yes"]`))
	_, err := s.EmitAck(context.Background(), "question", "why")
	err = errors.Join(err, s.Emit("hello", "you"), s.To("a", "b").Except("c").Emit("hello", "room"),
		app.Namespace("/chat").Local("g1").Send("all"), app.Namespace("/").Emit("elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Emit("bad", make(chan int)); err == nil {
		t.Error("a channel was sent")
	}
	want := []string{}
	for _, one := range []string{"/chat to ID: question why", "/chat to ID: hello you"} {
		want = append(want, "first "+one, "all "+one, "own "+one)
	}
	for _, one := range []string{"/chat to a, b except ID, c: hello room", "/chat on g1: message all"} {
		want = append(want, "first "+one, "all "+one)
	}
	for i := range want {
		want[i] = strings.Replace(want[i], "ID", c.id, 1)
	}
	if !slices.Equal(seen, want) {
		t.Errorf("got %q\nwant %q", seen, want)
	}
}

// TestFlags: what is said of a message travels with it.
func TestFlags(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	sockets := make(chan socket, 1)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/").OnConnect(func(_ ctxt, s socket) error { sockets <- s; return nil })
	})
	c := g.dial(app, "/")
	s := receive(t, sockets, "a connection")
	io := app.Namespace("/")
	err := errors.Join(io.Compress(false).Emit("a"), io.Volatile().Compress(true).Emit("b"), s.Compress(false).Volatile().Emit("c"), s.Send("d", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ volatile, uncompressed bool }{{false, true}, {true, false}} {
		if e := receive(t, g.emits, "an emit"); e.Volatile != want.volatile || e.Uncompressed != want.uncompressed {
			t.Errorf("%+v", e)
		}
	}
	if e := c.expect(`["c"]`); !e.Volatile || !e.Uncompressed {
		t.Errorf("%+v", e)
	}
	if e := c.expect(`["message","d",1]`); e.Volatile || e.Uncompressed {
		t.Errorf("%+v", e)
	}
	if e := io.All().String() + io.To("b", "a").String(); e != "// to a, b" {
		t.Errorf("%q", e)
	}
}
