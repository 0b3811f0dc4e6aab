package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

type (
	ctxt   = context.Context
	socket = *worker.Socket
)

func TestConnect(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{ID: "w1"}, func(app *worker.App) {
		io := app.Namespace("/auth")
		io.Use(func(ctx ctxt, s socket) error {
			var auth struct{ Token string }
			if err := s.Handshake().Auth(&auth); err != nil {
				return err
			}
			switch auth.Token {
			case "secret":
			case "panic":
				panic("oh no")
			case "":
				return errors.New("no token")
			default:
				return &worker.Refusal{Message: "not authorized", Data: map[string]any{"code": "E_AUTH", "retry": false}}
			}
			if err := s.Emit("too", "early"); !errors.Is(err, worker.ErrConnecting) {
				t.Errorf("emit in middleware: %v", err)
			}
			return errors.Join(s.Join(ctx, "a", "b", "a"), s.Leave(ctx, "b"), s.Set(ctx, "name", "Ada"))
		})
		io.OnConnect(func(ctx ctxt, s socket) error {
			rooms, err := s.Rooms(ctx)
			if err != nil {
				return err
			}
			name, _ := worker.Get[string](s, "name")
			h := s.Handshake()
			return s.Emit("hello", rooms[1:], name, h.Address, h.Query.Get("a"), h.Headers.Get("User-Agent"), s.Node(), s.Namespace().Name())
		})
	})
	cases := []struct{ auth, message, data string }{
		{``, "no token", ""},
		{`{"token":"x"}`, "not authorized", `{"code":"E_AUTH","retry":false}`},
		{`{"token":"panic"}`, "server error", ""},
		{`{"token":1}`, "", ""}, // whatever the decoder says
	}
	for _, c := range cases {
		answer := g.newClient("/auth").connect(app, c.auth)
		if answer.Error == nil || c.message != "" && answer.Error.Message != c.message || string(answer.Error.Data) != c.data {
			t.Errorf("%s: %+v", c.auth, answer.Error)
		}
	}
	if answer := g.newClient("/nope").connect(app, ""); answer.Error == nil || answer.Error.Message != "Invalid namespace" {
		t.Errorf("unknown namespace: %+v", answer)
	}
	c := g.newClient("/auth")
	answer := c.connect(app, `{"token":"secret"}`)
	if answer.Error != nil || answer.Worker != "w1" || strings.Join(answer.Rooms, ",") != "a" || string(answer.Data) != `{"name":"Ada"}` {
		t.Errorf("%+v", answer)
	}
	c.expect(`["hello",["a"],"Ada","10.0.0.1","1","x","g1","/auth"]`)
	// The same CONNECT again gets the same answer, and the handlers do not run again.
	if again := c.connect(app, `{"token":"secret"}`); again.Worker != "w1" || string(again.Data) != `{"name":"Ada"}` {
		t.Errorf("again: %+v", again)
	}
}

func TestRecoveredSkipsMiddleware(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.Use(func(ctxt, socket) error { return errors.New("no") })
		io.OnConnect(func(_ ctxt, s socket) error {
			n, ok := worker.Get[int](s, "n")
			_, wrong := worker.Get[string](s, "n")
			return s.Emit("back", s.Recovered(), n, ok, wrong)
		})
	})
	c := g.newClient("/")
	answer := c.connect(app, "", func(r *backplane.Connect) {
		r.Recovered, r.Rooms, r.Data = true, []string{"x"}, json.RawMessage(`{"n":5}`)
	})
	if answer.Error != nil || strings.Join(answer.Rooms, ",") != "x" {
		t.Fatalf("%+v", answer)
	}
	c.expect(`["back",true,5,true,false]`)
}

// With Recheck, middleware decides about a client that comes back, but not about one whose worker was lost.
func TestRecheck(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{Recheck: true}, func(app *worker.App) {
		app.Namespace("/").Use(func(ctxt, socket) error { return errors.New("no more") })
	})
	back := g.newClient("/").connect(app, "", func(r *backplane.Connect) { r.Recovered = true })
	if back.Error == nil || back.Error.Message != "no more" {
		t.Errorf("%+v", back)
	}
	rehomed := g.newClient("/").connect(app, "", func(r *backplane.Connect) { r.Recovered, r.Rehomed = true, true })
	if rehomed.Error != nil {
		t.Errorf("%+v", rehomed)
	}
}

func TestPattern(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		h, err := app.Pattern(`/dynamic-\d+`)
		if err != nil {
			t.Fatal(err)
		}
		h.OnConnect(func(_ ctxt, s socket) error { return s.Namespace().Emit("in", s.Namespace().Name()) })
		if _, err := app.Pattern(`(`); err == nil {
			t.Error("a bad pattern was taken")
		}
	})
	if beat := receive(t, g.beats, "a beat"); len(beat.Namespaces) != 1 || beat.Namespaces[0] != `^(?:/dynamic-\d+)$` {
		t.Errorf("%+v", beat)
	}
	g.dial(app, "/dynamic-12")
	if got := receive(t, g.emits, "an emit"); string(got.JSON) != `["in","/dynamic-12"]` || got.subject != "pb.nsp.dynamic-12" {
		t.Errorf("%+v", got)
	}
	if answer := g.newClient("/dynamic-12x").connect(app, ""); answer.Error == nil {
		t.Error("matched in part")
	}
}

func TestBeats(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{ID: "w9", BeatInterval: patience * 100}, func(app *worker.App) { app.Namespace("/") })
	first := receive(t, g.beats, "the first beat")
	if first.Worker != "w9" || first.Epoch == 0 || first.Leaving || len(first.Namespaces) != 1 {
		t.Errorf("%+v", first)
	}
	g.publish(g.conn.Hello(), "", nil)
	receive(t, g.beats, "a beat for a router's hello")
	app.Namespace("/late")
	if beat := receive(t, g.beats, "a beat for a new namespace"); len(beat.Namespaces) != 2 {
		t.Errorf("%+v", beat)
	}
	if err := app.Ready(); err != nil {
		t.Errorf("not ready: %v", err)
	}
	if err := app.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if beat := receive(t, g.beats, "the last beat"); !beat.Leaving || beat.Epoch != first.Epoch {
		t.Errorf("%+v", beat)
	}
	if err := app.Ready(); !errors.Is(err, worker.ErrNotRunning) {
		t.Errorf("ready: %v", err)
	}
	if err := app.Namespace("/").Emit("x"); !errors.Is(err, worker.ErrNotRunning) {
		t.Errorf("emit after the end: %v", err)
	}
}

func TestBadID(t *testing.T) {
	if _, err := worker.New(worker.Options{ID: "a.b"}); !errors.Is(err, worker.ErrID) {
		t.Errorf("got %v", err)
	}
}

// TestDrain: a handler at work and the events behind it are finished, and CONNECTs that come late go back.
func TestDrain(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	entered, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 2)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		worker.On0(io, "slow", func(_ ctxt, s socket) error {
			s.Go(func(ctx ctxt) {
				<-ctx.Done()
				ended <- context.Cause(ctx)
			})
			close(entered)
			<-release
			return s.Emit("slow done")
		})
		worker.On0(io, "next", func(_ ctxt, s socket) error { return s.Emit("next done") })
		io.OnDisconnect(func(ctxt, socket, string) { t.Error("a drain is no disconnection") })
	})
	c := g.dial(app, "/")
	c.send(`["slow"]`)
	c.send(`["next"]`)
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- app.Stop(context.Background()) }()
	for !receive(t, g.beats, "the leaving beat").Leaving {
	}
	late := g.newClient("/")
	g.publish(g.conn.Worker(app.ID(), "connect", late.id), g.conn.Node("g1", "connected", late.id),
		g.encode(backplane.Connect{Socket: late.id, Namespace: "/"}))
	if nsp := receive(t, g.again, "the CONNECT at the routers"); nsp != "/" {
		t.Errorf("namespace %q", nsp)
	}
	close(release)
	c.expect(`["slow done"]`)
	c.expect(`["next done"]`)
	if err := receive(t, stopped, "the end"); err != nil {
		t.Error(err)
	}
	if err := receive(t, ended, "the socket's context"); !errors.Is(err, worker.ErrNotRunning) {
		t.Errorf("cause %v", err)
	}
}

// TestDrainTimeout: a handler that does not come to its end is told by its context.
func TestDrainTimeout(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	entered := make(chan struct{})
	app, err := worker.New(worker.Options{Backplane: backplane.Options{Server: server}, Handover: -1})
	if err != nil {
		t.Fatal(err)
	}
	finished := make(chan struct{})
	worker.On0(app.Namespace("/"), "stuck", func(ctx ctxt, _ socket) error {
		defer close(finished)
		close(entered)
		<-ctx.Done()
		return nil
	})
	if err := app.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	g.dial(app, "/").send(`["stuck"]`)
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := app.Stop(ctx); !errors.Is(err, worker.ErrDrain) {
		t.Errorf("got %v", err)
	}
	<-finished
	if err := app.Start(context.Background()); err == nil {
		t.Error("started twice")
	}
}

func TestRun(t *testing.T) {
	server := startServer(t)
	app, err := worker.New(worker.Options{Backplane: backplane.Options{Server: server}})
	if err != nil {
		t.Fatal(err)
	}
	g := newGateway(t, server, "g1")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx) }()
	receive(t, g.beats, "a beat")
	cancel()
	if err := receive(t, ended, "the end"); err != nil {
		t.Error(err)
	}
}

// TestLostNode: the sockets of a gateway that died disconnect, once, and no others.
func TestLostNode(t *testing.T) {
	server := startServer(t)
	g1, g2 := newGateway(t, server, "g1"), newGateway(t, server, "g2")
	gone := make(chan string, 10)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnDisconnect(func(_ ctxt, s socket, reason string) {
			if s.Context().Err() == nil || !errors.Is(context.Cause(s.Context()), worker.ErrDisconnected) {
				t.Error("the context goes on")
			}
			gone <- s.ID() + " " + reason
		})
		worker.On0(io, "ping", func(_ ctxt, s socket) error { return s.Emit("pong") })
	})
	a, b := g1.dial(app, "/"), g2.dial(app, "/")
	for _, c := range []*client{a, b} { // and so they are open
		c.send(`["ping"]`)
		c.expect(`["pong"]`)
	}
	for _, lost := range []backplane.Lost{{Node: "g2", Epoch: 6}, {Node: "g1", Epoch: 7}, {Node: "g1", Epoch: 7}, {Node: "g3", Epoch: 9}} {
		g1.publish(g1.conn.Lost(), "", g1.encode(lost))
	}
	if got := receive(t, gone, "a disconnection"); got != a.id+" transport close" {
		t.Errorf("got %q", got)
	}
	a.leave("transport close")
	g1.publish(g1.conn.Worker(app.ID(), "disconnect", "AAAAAAAAAAAAAAAA_g1"), "", []byte("x"))
	b.leave("ping timeout")
	if got := receive(t, gone, "a disconnection"); got != b.id+" ping timeout" {
		t.Errorf("got %q", got)
	}
}

// TestTakenForDead: a worker whose lease ran out lets go of its sockets without a disconnection.
func TestTakenForDead(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnDisconnect(func(ctxt, socket, string) { t.Error("disconnected") })
		worker.On0(io, "ping", func(_ ctxt, s socket) error {
			s.Go(func(ctx ctxt) { <-ctx.Done() })
			return s.Emit("pong")
		})
	})
	epoch := receive(t, g.beats, "a beat").Epoch
	c := g.dial(app, "/")
	c.send(`["ping"]`)
	c.expect(`["pong"]`)
	g.publish(g.conn.Lost(), "", g.encode(backplane.Lost{Worker: app.ID(), Epoch: epoch}))
	receive(t, g.beats, "a new beat")
	c.connect(app, "", func(r *backplane.Connect) { r.Recovered = true })
	c.send(`["ping"]`)
	c.expect(`["pong"]`)
}
