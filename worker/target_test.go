package worker_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// TestTargets: the subjects and envelopes of every way to address sockets.
func TestTargets(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	sockets := make(chan socket, 1)
	app := start(t, server, worker.Options{ID: "w1"}, func(app *worker.App) {
		app.Namespace("/chat").OnConnect(func(_ ctxt, s socket) error { sockets <- s; return nil })
	})
	io := app.Namespace("/chat")
	c := g.dial(app, "/chat")
	s := receive(t, sockets, "a connection")
	long := strings.Repeat("x", 200)
	cases := []struct {
		name     string
		target   worker.Target
		subjects string
		want     backplane.Emit // less payload and id
	}{
		{"all", io.All(), "pb.nsp.chat", backplane.Emit{}},
		{"volatile", io.Volatile(), "pb.nsp.chat", backplane.Emit{Volatile: true}},
		{"room", io.To("a"), "pb.room.chat.a", backplane.Emit{}},
		{"one room twice", io.To("a").To("a", "a"), "pb.room.chat.a", backplane.Emit{}},
		{"union", io.To("b", "a").To("b"), "pb.room.chat.a pb.room.chat.b", backplane.Emit{Rooms: []string{"a", "b"}}},
		{"long union", io.To("a", long), "pb.room.chat.a pb.room.chat." + backplane.Token(long), backplane.Emit{Namespace: "/chat", Rooms: []string{"a", long}}},
		{"except", io.Except("a,b", "c"), "pb.nsp.chat", backplane.Emit{Except: []string{"a,b", "c"}}},
		{"nobody", io.To(), "", backplane.Emit{}},
		{"node", io.Local("g1"), "pb.gateway.g1.emit", backplane.Emit{Namespace: "/chat"}},
		{"rooms of a node", io.To("a", "b").Local("g1"), "pb.gateway.g1.emit", backplane.Emit{Namespace: "/chat", Rooms: []string{"a", "b"}}},
		{"broadcast", s.Broadcast(), "pb.nsp.chat", backplane.Emit{Except: []string{s.ID()}}},
		{"to", s.To("a"), "pb.room.chat.a", backplane.Emit{Except: []string{s.ID()}}},
		{"long room", io.To(long), "pb.room.chat." + backplane.Token(long), backplane.Emit{Namespace: "/chat", Rooms: []string{long}}},
		{"long namespace", app.Namespace("/" + long).All(), "pb.nsp." + backplane.Token(long), backplane.Emit{Namespace: "/" + long}},
	}
	publisher, last := "", uint64(0)
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			if err := one.target.Emit("x", 1); err != nil {
				t.Fatal(err)
			}
			id := ""
			for i, subject := range strings.Fields(one.subjects) {
				got := receive(t, g.emits, subject)
				want := one.want
				if got.subject != subject || string(got.JSON) != `["x",1]` || got.Namespace != want.Namespace ||
					!slices.Equal(got.Rooms, want.Rooms) || !slices.Equal(got.Except, want.Except) || got.Volatile != want.Volatile {
					t.Errorf("got %+v", got)
				}
				if i > 0 && got.ID != id {
					t.Errorf("id %q after %q", got.ID, id)
				}
				id = got.ID
			}
			if id == "" {
				return
			}
			name, digits, _ := strings.Cut(id, ".")
			n, err := strconv.ParseUint(digits, 36, 64)
			if err != nil || n != last+1 || publisher != "" && name != publisher {
				t.Errorf("id %q after %s.%d: %v", id, publisher, last, err)
			}
			publisher, last = name, n
		})
	}
	if err := io.To(c.id).Emit("direct"); err != nil {
		t.Fatal(err)
	}
	if e := c.expect(`["direct"]`); e.Namespace != "/chat" || e.ID == "" {
		t.Errorf("%+v", e)
	}
	if err := errors.Join(io.To(c.id, "z").Emit("union"), s.Volatile().Emit("v"), s.Emit("plain")); err != nil {
		t.Fatal(err)
	}
	if e := c.expect(`["union"]`); e.Namespace != "/chat" || len(e.Rooms) != 2 || e.ID == "" {
		t.Errorf("%+v", e)
	}
	if e := c.expect(`["v"]`); !e.Volatile {
		t.Errorf("%+v", e)
	}
	if e := c.expect(`["plain"]`); e.Namespace != "" || e.ID == "" {
		t.Errorf("%+v", e)
	}
	if got := receive(t, g.emits, "the copy for room z"); got.subject != "pb.room.chat.z" {
		t.Errorf("%+v", got)
	}
}

// TestControl: rooms and data of a socket are the gateway's; calls return when it has done what was asked.
func TestControl(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	sockets := make(chan socket, 1)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/").OnConnect(func(_ ctxt, s socket) error { sockets <- s; return nil })
	})
	c := g.dial(app, "/")
	s := receive(t, sockets, "a connection")
	ctx := context.Background()

	g.mu.Lock()
	g.held = make(chan struct{})
	g.mu.Unlock()
	joined := make(chan error, 1)
	go func() { joined <- s.Join(ctx, "a", "b") }()
	select {
	case err := <-joined:
		t.Fatalf("join returned (%v) before the gateway answered", err)
	case g.held <- struct{}{}: // the request is there, and goes on
	}
	if err := receive(t, joined, "the join"); err != nil {
		t.Fatal(err)
	}
	g.mu.Lock()
	close(g.held)
	g.held = nil
	g.mu.Unlock()

	if err := s.Leave(ctx, "b"); err != nil {
		t.Fatal(err)
	}
	if rooms, err := s.Rooms(ctx); err != nil || !slices.Equal(rooms, []string{c.id, "a"}) {
		t.Errorf("%q, %v", rooms, err)
	}
	if transport, err := s.Transport(ctx); err != nil || transport != "websocket" {
		t.Errorf("%q, %v", transport, err)
	}
	if info, err := s.Info(ctx); err != nil || info.Node != "g1" {
		t.Errorf("%+v, %v", info, err)
	}
	if got := string(s.Data()); got != `{}` {
		t.Errorf("data %s", got)
	}
	if err := errors.Join(s.Set(ctx, "b", []int{1}), s.Set(ctx, "a", "x"), s.Set(ctx, "raw", []byte("abc"))); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(ctx, "f", func() {}); err == nil {
		t.Error("a function was stored")
	}
	if got := string(c.data); got != `{"a":"x","b":[1],"raw":"YWJj"}` || got != string(s.Data()) {
		t.Errorf("data %s", got)
	}
	if err := s.Disconnect(ctx, true); err != nil || !receive(t, c.ended, "the end") {
		t.Error(err)
	}
	<-s.Context().Done()
	for name, err := range map[string]error{
		"join": s.Join(ctx, "a"), "leave": s.Leave(ctx, "a"), "set": s.Set(ctx, "a", 1), "emit": s.Emit("x"),
	} {
		if !errors.Is(err, worker.ErrDisconnected) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Disconnect(ctx, false); err != nil {
		t.Errorf("a second disconnect: %v", err)
	}
	if _, err := s.EmitAck(ctx, "x"); !errors.Is(err, worker.ErrDisconnected) {
		t.Errorf("emit with ack: %v", err)
	}
}

// TestGatewayGone: a request to a gateway that is no more fails at once, not by timeout.
func TestGatewayGone(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	sockets := make(chan socket, 1)
	app := start(t, server, worker.Options{RequestTimeout: patience, AckTimeout: patience}, func(app *worker.App) {
		app.Namespace("/").OnConnect(func(_ ctxt, s socket) error { sockets <- s; return nil })
	})
	g.dial(app, "/")
	s := receive(t, sockets, "a connection")
	g.conn.Close()
	eventually(t, "the server notices", func() bool { return server.Clients() == 1 })
	if err := s.Join(context.Background(), "a"); !errors.Is(err, worker.ErrDisconnected) {
		t.Errorf("join: %v", err)
	}
	if _, err := s.EmitAck(context.Background(), "x"); !errors.Is(err, worker.ErrDisconnected) {
		t.Errorf("emit with ack: %v", err)
	}
	if _, err := app.Namespace("/").Count(context.Background()); !errors.Is(err, worker.ErrNoRouter) {
		t.Errorf("count: %v", err)
	}
}

// TestQueries: what is asked of routers, and that it includes what this worker has done.
func TestQueries(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		worker.OnAck(io, "join", func(ctx ctxt, s socket, rooms []string) (string, error) {
			return "ok", errors.Join(s.Set(ctx, "n", len(rooms)), s.Join(ctx, rooms...))
		})
	})
	io := app.Namespace("/")
	ctx := context.Background()
	ids := []string{}
	for _, rooms := range []string{`["a"]`, `["a","b"]`, `["b","c"]`, `[]`} {
		c := g.dial(app, "/")
		c.ask(`["join",` + rooms + `]`)
		ids = append(ids, c.id)
	}
	count := func(want int, t2 worker.Target) {
		t.Helper()
		if n, err := t2.Count(ctx); err != nil || n != want {
			t.Errorf("got %d, %v; want %d", n, err, want)
		}
	}
	count(4, io.All())
	q := receive(t, g.asked, "a query")
	if len(q.Seen) != 1 || q.Seen[0].Node != "g1" || q.Seen[0].Version != 12 {
		t.Errorf("the router is not told what was seen: %+v", q.Seen)
	}
	count(2, io.To("a"))
	count(3, io.To("a", "b"))
	count(0, io.To())
	count(2, io.Except("b"))
	count(3, io.Except(ids[0]))
	count(0, io.Local("g2"))
	count(1, io.To(ids[3]))
	count(1, io.To("a").Except("b"))
	if n, err := io.Count(ctx, "c", "zz"); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	list, err := io.To("b", "c").Sockets(ctx)
	if err != nil || len(list) != 2 || list[0].ID > list[1].ID || list[0].Worker != app.ID() {
		t.Fatalf("%+v, %v", list, err)
	}
	var data struct{ N int }
	if err := list[0].Decode(&data); err != nil || data.N != 2 {
		t.Errorf("%+v, %v", data, err)
	}
	if sizes, err := io.RoomSizes(ctx); err != nil || sizes["a"] != 2 || sizes["c"] != 1 {
		t.Errorf("%v, %v", sizes, err)
	}
	if err := errors.Join(io.To("a").Join(ctx, "new"), io.To("b").Leave(ctx, "b")); err != nil {
		t.Error(err)
	}
	count(2, io.To("new"))
	count(0, io.To("b"))
	if err := io.To("c").Disconnect(ctx, false); err != nil {
		t.Error(err)
	}
	count(3, io.All())
	g.mu.Lock()
	g.missing = []string{"g9"}
	g.mu.Unlock()
	if n, err := io.Count(ctx); n != 3 || !errors.Is(err, worker.ErrIncomplete) {
		t.Errorf("%d, %v", n, err)
	}
	if list, err := io.Sockets(ctx); len(list) != 3 || !errors.Is(err, worker.ErrIncomplete) {
		t.Errorf("%d, %v", len(list), err)
	}
}

// TestPeers: workers that serve the namespace answer each other.
func TestPeers(t *testing.T) {
	const nsp = "/é, 1" // a name that headers escape
	server := startServer(t)
	g := newGateway(t, server, "g1")
	serve := func(id string) *worker.App {
		return start(t, server, worker.Options{ID: id}, func(app *worker.App) {
			app.Namespace(nsp).OnPeer("who", func(_ ctxt, e *worker.Event) error {
				var argument string
				return errors.Join(e.Args.Decode(&argument), e.Ack(app.ID()+":"+argument))
			})
			app.Namespace(nsp).OnPeer("panic", func(ctxt, *worker.Event) error { panic("peer") })
		})
	}
	asker := serve("w1")
	serve("w2")
	serve("w3")
	for _, id := range []string{"w1", "w2", "w3", "w4"} { // w4 is dead, and the router does not know yet
		g.workers = append(g.workers, backplane.WorkerInfo{ID: id, Namespaces: []string{nsp}})
	}
	g.workers = append(g.workers, backplane.WorkerInfo{ID: "w5", Namespaces: []string{"/other"}})
	list, err := asker.Namespace(nsp).AskPeers(context.Background(), "who", "x")
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for i, want := range []string{"w2:x", "w3:x", ""} {
		var got string
		err := list[i].Err
		if err == nil {
			err = list[i].Args.Decode(&got)
		}
		if got != want || (want == "") != errors.Is(err, worker.ErrDisconnected) {
			t.Errorf("%d: %q, %v", i, got, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 1)
	defer cancel()
	if _, err := asker.Namespace(nsp).AskPeers(ctx, "panic"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
