package worker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// TestRemote: another worker than its home does with a socket what its home can.
func TestRemote(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	sockets := make(chan socket, 1)
	home := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/").OnConnect(func(ctx ctxt, s socket) error {
			err := s.Set(ctx, "mine", 1)
			sockets <- s
			return err
		})
	})
	other := start(t, server, worker.Options{}, func(app *worker.App) { app.Namespace("/") })
	ctx := context.Background()
	c := g.dial(home, "/")
	s := receive(t, sockets, "a connection")
	remote := other.Namespace("/").Socket(c.id)

	if err := errors.Join(remote.Join(ctx, "a", "b"), remote.Leave(ctx, "b"), remote.SetUser(ctx, "ada")); err != nil {
		t.Error(err)
	}
	if err := remote.Set(ctx, "theirs", "x"); err != nil {
		t.Error(err)
	}
	// The home has been told before the other was answered, but on another connection.
	eventually(t, "the home hears of the change", func() bool { text, ok := worker.Get[string](s, "theirs"); return ok && text == "x" })
	if err := s.Set(ctx, "mine", 2); err != nil {
		t.Error(err)
	}
	if n, ok := worker.Get[int](s, "mine"); !ok || n != 2 {
		t.Errorf("%d, %v", n, ok)
	}
	info, err := remote.Info(ctx)
	var data struct {
		Mine   int
		Theirs string
	}
	if err := errors.Join(err, info.Decode(&data)); err != nil || data.Mine != 2 || data.Theirs != "x" {
		t.Errorf("%+v, %v", data, err)
	}
	if want := []string{c.id, "a", "user=ada"}; !slices.Equal(info.Rooms, want) || info.User != "ada" || info.Node != "g1" {
		t.Errorf("%+v", info)
	}
	if user, err := s.User(ctx); user != "ada" || err != nil {
		t.Errorf("%q, %v", user, err)
	}
	h, err := remote.Handshake(ctx)
	var auth struct{ Token string }
	if err != nil || h.Address != "10.0.0.1" || h.Query.Get("a") != "1" || h.Auth(&auth) != nil || auth.Token != "t" {
		t.Errorf("%+v, %v", h, err)
	}
	if err := remote.Emit("hello", 1); err != nil {
		t.Error(err)
	}
	if e := c.expect(`["hello",1]`); e.Namespace != "/" {
		t.Errorf("namespace %q: the id may be of another", e.Namespace)
	}
	c.answering(func(backplane.Payload) *backplane.Msg { return &backplane.Msg{Data: []byte(`["yes"]`)} })
	if args, err := remote.EmitAck(ctx, "sure?"); err != nil || string(args[0].JSON()) != `"yes"` {
		t.Errorf("%v, %v", args, err)
	}
	for name, err := range map[string]error{
		"join": remote.Join(ctx, "user=bob"), "home's join": s.Join(ctx, "user=bob"), "many": other.Namespace("/").All().Join(ctx, "user=bob"),
	} {
		if !errors.Is(err, worker.ErrRefused) {
			t.Errorf("%s: somebody else's room: %v", name, err)
		}
	}
	if err := remote.Disconnect(ctx, true); err != nil || !receive(t, c.ended, "the end") {
		t.Error(err)
	}
	_, infoErr := remote.Info(ctx)
	for name, err := range map[string]error{"join": remote.Join(ctx, "a"), "set": remote.Set(ctx, "a", 1), "info": infoErr} {
		if !errors.Is(err, worker.ErrDisconnected) {
			t.Errorf("%s of one that is gone: %v", name, err)
		}
	}
	if err := remote.Disconnect(ctx, false); err != nil {
		t.Errorf("a second disconnect: %v", err)
	}
}

// TestMany: one message to each gateway, whatever the number of sockets; those on their way are asked for one by one; and
// errors name who is missing.
func TestMany(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) { app.Namespace("/") })
	io := app.Namespace("/")
	ctx := context.Background()
	var clients []*client
	for range 5 {
		clients = append(clients, g.dial(app, "/"))
	}
	rooms := func() (list []string) {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, c := range clients {
			list = append(list, strings.Join(c.rooms, "+"))
		}
		return list
	}
	set := func(f func()) {
		g.mu.Lock()
		defer g.mu.Unlock()
		f()
	}
	set(func() { clients[1].moving = true })
	if err := io.Except(clients[0].id).Join(ctx, "x", "y"); err != nil {
		t.Error(err)
	}
	if got := rooms(); !slices.Equal(got, []string{"", "x+y", "x+y", "x+y", "x+y"}) {
		t.Errorf("%q", got)
	}
	if err := io.To("x").Except(clients[2].id).Leave(ctx, "x"); err != nil {
		t.Error(err)
	}
	if got := rooms(); !slices.Equal(got, []string{"", "y", "x+y", "y", "y"}) {
		t.Errorf("%q", got)
	}
	set(func() {
		if g.many.asked != 2 {
			t.Errorf("%d messages to the gateway for two requests", g.many.asked)
		}
		clients[1].moving = false
		g.others = []backplane.NodeInfo{{ID: "g7", Sockets: 1}}
	})
	err := io.To("x").Join(ctx, "z")
	var incomplete *worker.IncompleteError
	if !errors.As(err, &incomplete) || !slices.Equal(incomplete.Missing, []string{"g7"}) || !errors.Is(err, worker.ErrIncomplete) {
		t.Errorf("without a gateway that is not there: %v", err)
	}
	if got := rooms()[2]; got != "x+y+z" {
		t.Errorf("the others have not joined: %q", got)
	}
	set(func() { g.others = nil })
	if err := io.All().Join(ctx, "refused"); !errors.Is(err, worker.ErrRefused) || !strings.Contains(err.Error(), clients[0].id) {
		t.Errorf("%v", err)
	}
	set(func() { g.missing = []string{"g8"} })
	if err := io.All().Join(ctx, "again"); !errors.As(err, &incomplete) || !slices.Equal(incomplete.Missing, []string{"g8"}) {
		t.Errorf("without what the router misses: %v", err)
	}
	set(func() { g.missing, g.many.mute = nil, true })
	short, cancel := context.WithCancel(ctx)
	go func() { // the gateway has been asked and says nothing
		defer cancel()
		eventually(t, "the question", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.many.asked == 6 })
	}()
	if err := io.All().Leave(short, "y"); !errors.As(err, &incomplete) || !slices.Equal(incomplete.Missing, []string{"g1"}) || !errors.Is(err, context.Canceled) {
		t.Errorf("a silent gateway: %v", err)
	}
	set(func() { g.many.mute = false })
	if err := io.All().Disconnect(ctx, false); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		receive(t, c.ended, "the end")
	}
	if err := errors.Join(io.To().Join(ctx, "x"), io.To().Disconnect(ctx, true)); err != nil {
		t.Errorf("nobody: %v", err)
	}
}

// TestFetch: page by page, and no further than it is gone through.
func TestFetch(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/").Use(func(ctx ctxt, s socket) error {
			var name string
			if err := s.Handshake().Auth(&name); err != nil || name == "" {
				return err
			}
			return errors.Join(s.SetUser(ctx, "nobody"), s.SetUser(ctx, name), s.Set(ctx, "name", name))
		})
	})
	io := app.Namespace("/")
	ctx := context.Background()
	for _, name := range []string{"ada", "bob", "ada", ""} {
		c := g.newClient("/")
		c.connect(app, string(g.encode(name)))
	}
	users := map[string]int{}
	for one, err := range io.All().Fetch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		var data struct{ Name string }
		if err := one.Decode(&data); err != nil || data.Name != one.User {
			t.Errorf("%+v, %+v, %v", one, data, err)
		}
		if info, err := one.Info(ctx); err != nil || info.User != one.User {
			t.Errorf("%+v, %v", info, err)
		}
		users[one.User]++
	}
	if fmt.Sprint(users) != "map[:1 ada:2 bob:1]" {
		t.Error(users)
	}
	for len(g.asked) > 0 {
		<-g.asked
	}
	for range io.All().Fetch(ctx) {
		break
	}
	if len(g.asked) != 1 {
		t.Errorf("%d pages for one socket", len(g.asked))
	}
	if h, err := io.All().Headcount(ctx); err != nil || h != (worker.Headcount{Sockets: 4, Users: 2, Anonymous: 1}) {
		t.Errorf("%+v, %v", h, err)
	}
	if n, err := io.User("ada").Count(ctx); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := io.All().ExceptUser("ada").Count(ctx); err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	var list []worker.UserCount
	for one, err := range io.All().Users(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	if fmt.Sprint(list) != "[{ada 2} {bob 1}]" {
		t.Error(list)
	}
	g.mu.Lock()
	g.missing = []string{"g9"}
	g.mu.Unlock()
	seen, last := 0, error(nil)
	for _, err := range io.All().Fetch(ctx) {
		if err == nil {
			seen++
		}
		last = err
	}
	if seen != 4 || !errors.Is(last, worker.ErrIncomplete) {
		t.Errorf("%d, %v", seen, last)
	}
}

// TestPeersEnd: a question to other workers ends when all that can answer have, and an event to them needs no answer.
func TestPeersEnd(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	heard := make(chan string, 10)
	serve := func(id string, f func(*worker.Namespace)) *worker.App {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.workers = append(g.workers, backplane.WorkerInfo{ID: id, Namespaces: []string{"/"}})
		return start(t, server, worker.Options{ID: id}, func(app *worker.App) { f(app.Namespace("/")) })
	}
	listen := func(id string) func(*worker.Namespace) {
		return func(io *worker.Namespace) {
			io.OnPeer("news", func(_ ctxt, e *worker.Event) error { heard <- id + string(e.Args[0].JSON()); return nil })
		}
	}
	asker := serve("w1", listen("w1"))
	serve("w2", func(io *worker.Namespace) {
		listen("w2")(io)
		io.OnPeer("who", func(_ ctxt, e *worker.Event) error { return e.Ack("me") })
	})
	serve("w3", func(io *worker.Namespace) {
		listen("w3")(io)
		io.OnPeer("who", func(ctxt, *worker.Event) error { return errors.New("no\r\nPb-Id: 1") })
	})
	serve("w4", func(*worker.Namespace) {})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := asker.Namespace("/").AskPeers(ctx, "who")
	if err != nil || len(list) != 3 || list[0].Err != nil || string(list[0].Args[0].JSON()) != `"me"` {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, r := range list[1:] {
		if !errors.Is(r.Err, worker.ErrAckRefused) {
			t.Errorf("%s: %v", r.From, r.Err)
		}
	}
	if ctx.Err() != nil {
		t.Error("it waited although everybody had answered")
	}
	if err := asker.Namespace("/").EmitPeers("news", 1); err != nil {
		t.Error(err)
	}
	got := []string{receive(t, heard, "the news"), receive(t, heard, "the news")}
	slices.Sort(got)
	if !slices.Equal(got, []string{"w21", "w31"}) {
		t.Errorf("%q", got)
	}
}

// TestEmitter: it reaches sockets, and no router or worker takes it for a worker.
func TestEmitter(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	peers := make(chan string, 1)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/chat").OnPeer("tick", func(_ ctxt, e *worker.Event) error { peers <- string(e.Args[0].JSON()); return nil })
	})
	c := g.dial(app, "/chat")
	for len(g.beats) > 0 {
		<-g.beats
	}
	ctx := context.Background()
	root, err := worker.OpenEmitter(ctx, worker.EmitterOptions{Options: worker.Options{Backplane: backplane.Options{Server: server}}})
	if err != nil {
		t.Fatal(err)
	}
	e := root.Of("/chat")
	if err := errors.Join(e.Socket(c.id).SetUser(ctx, "ada"), e.To(c.id).Join(ctx, "a"), e.To("a").Emit("x"), e.Emit("y"),
		e.User("ada").Emit("z"), e.To("a", "b").Except("c").Volatile().Emit("bin", []byte{1}), e.EmitPeers("tick", 1)); err != nil {
		t.Error(err)
	}
	for _, want := range []string{`pb.room.chat.a ["x"]`, `pb.nsp.chat ["y"]`, `pb.room.chat.user=ada ["z"]`} {
		if got := receive(t, g.emits, want); got.subject+" "+string(got.JSON) != want {
			t.Errorf("got %s %s, want %s", got.subject, got.JSON, want)
		}
	}
	bin := receive(t, g.emits, "binary")
	if len(bin.Attachments) != 1 || !bin.Volatile || !slices.Equal(bin.Rooms, []string{"a", "b"}) || !slices.Equal(bin.Except, []string{"c"}) {
		t.Errorf("%+v", bin)
	}
	if got := receive(t, peers, "an event to the workers"); got != "1" {
		t.Error(got)
	}
	list, err := e.To("a").Sockets(ctx)
	if err != nil || len(list) != 1 || list[0].User != "ada" || list[0].Worker != app.ID() {
		t.Errorf("%+v, %v", list, err)
	}
	if n, err := e.All().Count(ctx); err != nil || n != 1 {
		t.Errorf("%d, %v", n, err)
	}
	if err := root.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := e.Emit("late"); !errors.Is(err, worker.ErrNotRunning) {
		t.Error(err)
	}
	app.Namespace("/other") // a beat, and so the last of those that came
	for beat := range g.beats {
		if beat.Worker != app.ID() {
			t.Errorf("%s gives a sign of life", beat.Worker)
		}
		if len(beat.Namespaces) > 1 {
			break
		}
	}
}

// TestSeenByNext: what a worker has done from afar, its next query asks to be included.
func TestSeenByNext(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) { app.Namespace("/") })
	other := start(t, server, worker.Options{}, func(app *worker.App) { app.Namespace("/") })
	c := g.dial(app, "/")
	ctx := context.Background()
	io := other.Namespace("/")
	steps := map[string]func() error{
		"a join of another's socket":   func() error { return io.Socket(c.id).Join(ctx, "a") },
		"data of another's socket":     func() error { return io.Socket(c.id).Set(ctx, "a", 1) },
		"a user of another's socket":   func() error { return io.Socket(c.id).SetUser(ctx, "u") },
		"a join of all":                func() error { return io.All().Join(ctx, "b") },
		"a leave of all in a room":     func() error { return io.To("b").Leave(ctx, "b") },
		"a disconnection of all there": func() error { return io.All().Disconnect(ctx, false) },
	}
	for _, name := range []string{"a join of another's socket", "data of another's socket", "a user of another's socket", "a join of all", "a leave of all in a room", "a disconnection of all there"} {
		if err := steps[name](); err != nil {
			t.Fatal(name, err)
		}
		g.mu.Lock()
		want := backplane.Seen{Node: "g1", Epoch: 7, Version: g.version}
		g.mu.Unlock()
		for len(g.asked) > 0 {
			<-g.asked
		}
		if _, err := io.Count(ctx); err != nil {
			t.Fatal(err)
		}
		if q := receive(t, g.asked, "a query"); !slices.Equal(q.Seen, []backplane.Seen{want}) {
			t.Errorf("%s: the router is told %+v, want %+v", name, q.Seen, want)
		}
	}
}
