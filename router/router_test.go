package router

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"patchbay/backplane"
)

// patience is how long a test waits for what must come; nothing is asserted about times.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster is a NATS server in this process and what a test connects to it.
type cluster struct {
	t      *testing.T
	server *backplane.Server
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	server, err := backplane.StartServer(backplane.ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return &cluster{t, server}
}

func (c *cluster) context() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	c.t.Cleanup(cancel)
	return ctx
}

// router opens a router with quick leases, and stops it at the end.
func (c *cluster) router(change func(*Options)) *Router {
	c.t.Helper()
	o := Options{
		Backplane: backplane.Options{URL: c.server.URL()},
		Beat:      50 * time.Millisecond, Lease: 500 * time.Millisecond, Hold: patience, QueryWait: patience,
		Metrics: prometheus.NewRegistry(),
	}
	if change != nil {
		change(&o)
	}
	r, err := Open(c.context(), o)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.stop(r) })
	return r
}

func (c *cluster) stop(r *Router) {
	c.t.Helper()
	if err := r.Stop(c.context()); err != nil {
		c.t.Error(err)
	}
	if err := r.Ready(); !errors.Is(err, ErrStopped) {
		c.t.Errorf("ready after stop: %v", err)
	}
}

func (c *cluster) ready(r *Router) {
	c.t.Helper()
	c.until("router ready", func() bool { return r.Ready() == nil })
}

// until waits for a condition.
func (c *cluster) until(what string, ok func() bool) {
	c.t.Helper()
	ctx := c.context()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("still not: %s", what)
		}
	}
}

// fake is a gateway or a worker, played by the test. What it sends may be sent from any goroutine; what
// it waits for only by the test's.
type fake struct {
	*backplane.Conn
	c     *cluster
	id    string
	inbox *backplane.Inbox
}

func (c *cluster) fake(id string, subjects func(*backplane.Conn) []string) *fake {
	c.t.Helper()
	conn, err := backplane.Open(c.context(), backplane.Options{URL: c.server.URL()})
	if err != nil {
		c.t.Fatal(err)
	}
	f := &fake{Conn: conn, c: c, id: id, inbox: backplane.NewInbox(conn, 0)}
	for _, subject := range subjects(conn) {
		if _, err := f.inbox.Subscribe(subject); err != nil {
			c.t.Fatal(err)
		}
	}
	f.flush()
	c.t.Cleanup(conn.Close)
	return f
}

func (c *cluster) gateway(id string) *fake {
	return c.fake(id, func(conn *backplane.Conn) []string { return []string{conn.NodeAll(id), conn.Lost()} })
}

func (c *cluster) worker(id string, namespaces ...string) *fake {
	f := c.fake(id, func(conn *backplane.Conn) []string { return []string{conn.WorkerAll(id)} })
	f.beat(1, false, namespaces...)
	return f
}

func (f *fake) flush() {
	f.c.t.Helper()
	if err := f.Flush(f.c.context()); err != nil {
		f.c.t.Error(err)
	}
}

func (f *fake) send(m *backplane.Msg) {
	f.c.t.Helper()
	if err := f.PublishMsg(m); err != nil {
		f.c.t.Error(err)
		return
	}
	f.flush()
}

func (f *fake) beat(epoch uint64, leaving bool, namespaces ...string) {
	f.c.t.Helper()
	data, err := json.Marshal(backplane.WorkerBeat{Worker: f.id, Epoch: epoch, Namespaces: namespaces, Leaving: leaving})
	if err != nil {
		f.c.t.Error(err)
		return
	}
	f.send(&backplane.Msg{Subject: f.Beat(), Data: data})
}

// feed publishes a batch of the fake gateway's.
func (f *fake) feed(b *backplane.Batch) {
	f.c.t.Helper()
	f.send(&backplane.Msg{Subject: f.Feed(f.id), Data: backplane.AppendBatch(nil, b)})
}

// keep publishes a beat again and again until the function that it returns is called, or the test ends.
func (f *fake) keep(send func()) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	// The fake's heart: ends when quit is closed; stop waits for it.
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			send()
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(quit); <-done })
	f.c.t.Cleanup(stop) // a test that fails must not fail those after it
	return stop
}

// next waits for the next message with a verb on the fake's subjects, passing over others.
func (f *fake) next(verb string) *backplane.Msg {
	f.c.t.Helper()
	ctx := f.c.context()
	for {
		select {
		case m := <-f.inbox.C:
			got, _, _ := f.ParseOwned(m.Subject)
			if got == verb || m.Subject == verb {
				return m
			}
		case <-ctx.Done():
			f.c.t.Fatalf("%s: no %s came", f.id, verb)
		}
	}
}

// connect asks for a socket.
func (f *fake) connect(socket, nsp string) {
	f.c.t.Helper()
	m := &backplane.Msg{Subject: f.Connect(nsp), Reply: f.Node(f.id, "connected", socket), Data: []byte(`{"socket":"` + socket + `"}`)}
	backplane.SetNamespace(m, nsp)
	f.send(m)
}

// refused expects the refusal of a socket.
func (f *fake) refused(socket, message string) {
	f.c.t.Helper()
	m := f.next("connected")
	var got backplane.Connected
	if err := json.Unmarshal(m.Data, &got); err != nil || got.Error == nil || got.Error.Message != message || m.Subject != f.Node(f.id, "connected", socket) {
		f.c.t.Fatalf("%s: %s, want %q for %s", m.Subject, m.Data, message, socket)
	}
}

func (f *fake) ask(q backplane.Query) (a backplane.Answer) {
	f.c.t.Helper()
	data, err := json.Marshal(q)
	if err != nil {
		f.c.t.Error(err)
		return a
	}
	m, err := f.Request(f.c.context(), &backplane.Msg{Subject: f.Query(), Data: data})
	if err != nil {
		f.c.t.Error(err)
		return a
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		f.c.t.Error(err)
		return a
	}
	return a
}

// A namespace whose token is hashed is named by a header alone. NATS trims header values and ends them at a line's end, and
// such names must survive it.
func TestConnectForwarded(t *testing.T) {
	c := newCluster(t)
	c.router(nil)
	g, w := c.gateway("na"), c.worker("wa")
	long := strings.Repeat("x", 2*backplane.MaxToken)
	names := []string{
		"/", "/chat",
		"/" + long, "/" + string(make([]byte, 300)),
		"/ " + long, "/" + long + " ", "/\t" + long + "\t", "/" + long + "\r\n", "/\r\nPb-Id: 1\r\n\r\n" + long,
	}
	w.beat(1, false, names...)
	for i, nsp := range names {
		socket := sid(i, "na")
		g.connect(socket, nsp)
		m := w.next("connect")
		if m.Subject != w.Worker("wa", "connect", socket) || m.Reply != g.Node("na", "connected", socket) ||
			string(m.Data) != `{"socket":"`+socket+`"}` || len(m.Header) != 1 {
			t.Errorf("%+v", m)
		}
		if got, err := backplane.NamespaceOf(m); err != nil || got != nsp {
			t.Errorf("namespace %q, %v, want %q", got, err, nsp)
		}
	}
}

// A socket that has come to the index is not counted a second time as on its way.
func TestConnectCountsOnce(t *testing.T) {
	c := newCluster(t)
	c.router(func(o *Options) { o.Beat, o.Lease = time.Minute, time.Hour })
	g, a, b := c.gateway("na"), c.worker("wa", "/"), c.worker("wb", "/")
	g.connect(sid(1, "na"), "/")
	a.next("connect")
	g.connect(sid(2, "na"), "/")
	b.next("connect")
	g.feed(batch("na", 1, 1, added(sid(1, "na"), "/", "wa")))
	g.connect(sid(3, "na"), "/") // one each: it is wa's turn
	a.next("connect")
}

func TestConnectHeldThenReleased(t *testing.T) {
	c := newCluster(t)
	c.router(nil)
	g := c.gateway("na")
	g.connect(sid(1, "na"), "/")
	w := c.worker("wa", "/")
	if m := w.next("connect"); m.Subject != w.Worker("wa", "connect", sid(1, "na")) {
		t.Errorf("%s", m.Subject)
	}
}

func TestConnectRefused(t *testing.T) {
	c := newCluster(t)
	c.router(func(o *Options) { o.Hold = 50 * time.Millisecond })
	g := c.gateway("na")
	g.connect(sid(1, "na"), "/")
	g.refused(sid(1, "na"), "no worker available")
	w := c.worker("wa", "/")
	defer w.keep(func() { w.beat(1, false, "/") })()
	// Until the router has learnt, an unknown namespace is one that may come.
	c.until("the namespace is known not to exist", func() bool {
		g.connect(sid(2, "na"), "/none")
		var got backplane.Connected
		if err := json.Unmarshal(g.next("connected").Data, &got); err != nil || got.Error == nil {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.Error.Message == "Invalid namespace"
	})
}

// A worker that was killed is chosen once and found out at once, long before its lease ends.
func TestConnectWorkerKilled(t *testing.T) {
	c := newCluster(t)
	c.router(func(o *Options) { o.Beat, o.Lease = time.Second, time.Minute })
	g, dead := c.gateway("na"), c.worker("wa", "/")
	g.connect(sid(1, "na"), "/")
	dead.next("connect")
	dead.Close()
	c.until("NATS knows that it is gone", func() bool { // what comes to it before that is lost, and nobody told
		ctx, cancel := context.WithTimeout(c.context(), 100*time.Millisecond)
		defer cancel()
		_, err := g.Request(ctx, &backplane.Msg{Subject: g.Worker("wa", "probe", "-")})
		return errors.Is(err, backplane.ErrNoResponders)
	})
	g.connect(sid(2, "na"), "/")
	w := c.worker("wb", "/")
	sockets := map[string]bool{}
	for len(sockets) < 2 {
		_, socket, _ := w.ParseOwned(w.next("connect").Subject)
		sockets[socket] = true
	}
}

func TestStopRefusesHeld(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	g := c.gateway("na")
	g.connect(sid(1, "na"), "/")
	// A CONNECT that is malformed is read after the first, and a query's answer says so much.
	g.ask(backplane.Query{Op: backplane.QueryNodes})
	c.stop(r)
	g.refused(sid(1, "na"), "server stopping")
}

func TestSnapshotAtGap(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	g := c.gateway("na")
	g.feed(batch("na", 1, 7, removed(sid(9, "na")))) // first seen at version 7
	m := g.next("snapshot")
	g.feed(batch("na", 1, 8, added(sid(3, "na"), "/", "wa", "r")))
	g.send(&backplane.Msg{Subject: m.Reply, Data: backplane.AppendBatch(nil, snap("na", 1, 7, true, added(sid(1, "na"), "/", "wa", "r")))})
	g.send(&backplane.Msg{Subject: m.Reply, Data: backplane.AppendBatch(nil, part(1, snap("na", 1, 7, false, added(sid(2, "na"), "/", "wa", "r"))))})
	defer g.keep(func() { g.feed(batch("na", 1, 8)) })()
	c.ready(r)
	room := "r"
	a := g.ask(backplane.Query{Op: backplane.QuerySockets, Namespace: "/", Room: &room, Seen: []backplane.Seen{{Node: "na", Epoch: 1, Version: 8}}})
	if len(a.Sockets) != 3 || !a.Complete || a.Sockets[2].ID != sid(3, "na") {
		t.Errorf("%+v", a)
	}
}

// The router answers a query that names a version only once it has it: the answer has the change.
func TestQuerySeesOwnWrites(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	g, asker := c.gateway("na"), c.gateway("nb")
	defer g.keep(func() { g.feed(batch("na", 1, 0)) })()
	c.ready(r)
	answers := make(chan backplane.Answer)
	// Ends with its one answer, which the test reads.
	go func() {
		answers <- asker.ask(backplane.Query{Op: backplane.QueryCount, Namespace: "/", Seen: []backplane.Seen{{Node: "na", Epoch: 1, Version: 1}}})
	}()
	if a := g.ask(backplane.Query{Op: backplane.QueryCount, Namespace: "/"}); a.Count != 0 || !a.Complete {
		t.Errorf("before: %+v", a)
	}
	g.feed(batch("na", 1, 1, added(sid(1, "na"), "/", "wa")))
	if a := <-answers; a.Count != 1 || !a.Complete {
		t.Errorf("after: %+v", a)
	}
}

func TestLostAnnounced(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	observer, g, w := c.gateway("nb"), c.gateway("na"), c.worker("wa", "/")
	defer observer.keep(func() { observer.feed(batch("nb", 1, 0)) })()
	stop := w.keep(func() { w.beat(1, false, "/") })
	g.feed(batch("na", 5, 1, added(sid(1, "na"), "/", "wa")))
	g.feed(batch("na", 5, 1)) // and then silence
	expectLost(t, observer, backplane.Lost{Node: "na", Epoch: 5})
	c.ready(r)
	if a := g.ask(backplane.Query{Op: backplane.QueryCount, Namespace: "/"}); a.Count != 0 {
		t.Errorf("the dead node's sockets are still there: %+v", a)
	}
	stop()
	expectLost(t, observer, backplane.Lost{Worker: "wa", Epoch: 1})
	w.beat(2, false, "/")
	w.beat(2, true, "/")
	expectLost(t, observer, backplane.Lost{Worker: "wa", Epoch: 2, Leaving: true})
}

// A gateway that stops is gone from answers at once; its silence is not a death.
func TestLeft(t *testing.T) {
	c := newCluster(t)
	r := c.router(func(o *Options) { o.Lease = time.Minute })
	observer, g := c.gateway("nb"), c.gateway("na")
	defer observer.keep(func() { observer.feed(batch("nb", 1, 0)) })()
	g.feed(batch("na", 5, 1, added(sid(1, "na"), "/", "wa")))
	c.ready(r)
	nodes := backplane.Query{Op: backplane.QueryNodes, Seen: []backplane.Seen{{Node: "na", Epoch: 5, Version: 2}}}
	g.feed(batch("na", 5, 2, removed(sid(1, "na"))))
	g.feed(leaving("na", 5, 2))
	g.feed(batch("na", 5, 2)) // too late
	if a := g.ask(nodes); !a.Complete || len(a.Missing) != 0 || len(a.Nodes) != 1 || a.Nodes[0].ID != "nb" {
		t.Errorf("after leaving: %+v", a)
	}
	// This one leaves a socket behind and is lost. It is the first: of epoch 5 there was nothing to say.
	g.feed(batch("na", 6, 1, added(sid(1, "na"), "/", "wa")))
	g.feed(leaving("na", 6, 1))
	expectLost(t, observer, backplane.Lost{Node: "na", Epoch: 6})
}

func expectLost(t *testing.T, f *fake, want backplane.Lost) {
	t.Helper()
	m := f.next(f.Lost())
	var got backplane.Lost
	if err := json.Unmarshal(m.Data, &got); err != nil || got != want {
		t.Fatalf("lost %s, want %+v", m.Data, want)
	}
}

// Of two routers one ends, and the other goes on with all it had heard.
func TestTwoRouters(t *testing.T) {
	c := newCluster(t)
	first := c.router(nil)
	second := c.router(nil)
	g, w := c.gateway("na"), c.worker("wa", "/")
	defer w.keep(func() { w.beat(1, false, "/") })()
	g.feed(batch("na", 1, 1, added(sid(1, "na"), "/", "wa")))
	defer g.keep(func() { g.feed(batch("na", 1, 1)) })()
	c.ready(first)
	c.ready(second)
	c.stop(first)
	g.connect(sid(2, "na"), "/")
	w.next("connect")
	if a := g.ask(backplane.Query{Op: backplane.QueryCount, Namespace: "/"}); a.Count != 1 || !a.Complete {
		t.Errorf("%+v", a)
	}
}

// Garbage on any subject is counted, and the router goes on.
func TestGarbage(t *testing.T) {
	c := newCluster(t)
	c.router(nil)
	g := c.gateway("na")
	for _, subject := range []string{g.Feed("na"), g.Beat(), g.Connect("/"), g.Query(), g.Connect("/" + string(make([]byte, 300)))} {
		for _, data := range []string{"", "{", "\x01\x00\x02na\x01\x01\x01\x01", `{"worker":"..."}`} {
			g.send(&backplane.Msg{Subject: subject, Data: []byte(data)})
			g.send(&backplane.Msg{Subject: subject, Reply: "some.reply", Data: []byte(data)})
		}
	}
	if a := g.ask(backplane.Query{Op: "nonsense"}); a.Error != queryUnknown {
		t.Errorf("%+v", a)
	}
}

// What another router has declared lost is lost here, too, long before the own lease would end; an earlier epoch is nothing to it.
func TestAnothersWord(t *testing.T) {
	c := newCluster(t)
	r := c.router(func(o *Options) { o.Lease = time.Hour })
	g := c.gateway("na")
	observer := c.gateway("nb")
	observer.feed(batch("nb", 1, 0))
	g.feed(batch("na", 2, 1, added(sid(1, "na"), "/", "wa")))
	c.ready(r)
	say := func(lost backplane.Lost) {
		data, err := json.Marshal(lost)
		if err != nil {
			t.Fatal(err)
		}
		observer.send(&backplane.Msg{Subject: observer.Lost(), Data: data})
		observer.flush()
	}
	count := func() int { return observer.ask(backplane.Query{Op: backplane.QueryCount, Namespace: "/"}).Count }
	say(backplane.Lost{Node: "na", Epoch: 1})
	if n := count(); n != 1 {
		t.Errorf("an earlier epoch was declared lost, and %d sockets are left", n)
	}
	say(backplane.Lost{Node: "na", Epoch: 2})
	c.until("it is forgotten", func() bool { return count() == 0 })
	if a := observer.ask(backplane.Query{Op: backplane.QueryNodes}); len(a.Nodes) != 1 {
		t.Errorf("%+v", a.Nodes)
	}
}
