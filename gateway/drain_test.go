package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"patchbay/backplane"
)

// quick are drain options for tests: clients do not take their time.
func quick(o *Options) {
	o.Drain = DrainOptions{Rate: 1000, Return: 50 * time.Millisecond}
}

// drains has a node drain. The channel is closed when it has.
func (r *rig) drains() <-chan struct{} {
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		defer close(done)
		r.gw.Drain(ctx)
	}()
	r.Cleanup(func() { cancel(); <-done })
	return done
}

// ended waits for a drain.
func ended(t testing.TB, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the drain does not end")
	}
}

// newReader opens a session on WebSocket and joins the root.
func (r *rig) newReader() *reader {
	r.Helper()
	c := &reader{wsClient: r.ws()}
	c.Send("40")
	for !c.read() {
	}
	next(r, r.app.opens)
	return c
}

// readClose reads events up to the close frame.
func (c *reader) readClose() {
	c.Helper()
	for !c.closed {
		c.read()
	}
}

// A client whose node drains is closed, and what it sends before it closes too reaches the worker, in order, before its socket may
// move; what is emitted meanwhile it has when it is back.
func TestDrainMovesAClient(t *testing.T) {
	nodes := cluster(t, 2, quick, func(o *Options) { o.Drain.Return = time.Minute })
	app := nodes[0].app
	app.onConnect(accept("a", "b"))
	c := nodes[0].newReader()
	born := c.id
	s := &stream{app: app, socket: c.id}
	stop := s.run(t, 500*time.Microsecond)
	c.readTo(20)
	done := nodes[0].drains()
	c.readClose()
	if err := nodes[0].gw.Ready(); !errors.Is(err, ErrDraining) {
		t.Errorf("ready: %v", err)
	}
	for i := range 50 {
		c.Send(fmt.Sprintf(`42["event",%d]`, i))
	}
	app.emitSocket(c.id, app.reply+".late", payload(`["ask"]`))
	if m := next(t, app.replies); m.Header[backplane.HeaderError] == nil {
		t.Error("an acknowledgement that cannot come is not given up")
	}
	if reply := app.control(c.id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"late"}}); reply.Error != "" {
		t.Error(reply.Error)
	}
	// Somebody who comes for the socket waits for the end of that.
	early := nodes[1].ws()
	early.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, c.offset))
	for i := 50; i < 100; i++ {
		c.Send(fmt.Sprintf(`42["event",%d]`, i))
	}
	c.Raw(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))))
	c.ExpectEnd()
	for i := range 100 {
		app.expectEvent(fmt.Sprintf(`["event",%d]`, i))
	}
	app.expectLeave(c.id, reasonServerShutdown)
	c.wsClient, c.closed = early, false
	for !c.read() {
	}
	if c.id != born {
		t.Errorf("a new socket: %v", outcomes(nodes[1].gw.metrics.handoffs))
	}
	c.readTo(c.had + 100)
	stop()
	c.readTo(s.last)
	ended(t, done)
	nodes[0].stopped()
	for range 4 {
		s.next()
	}
	c.readTo(s.last)
	c.Alive(app)
	if got := outcomes(nodes[0].gw.metrics.drained); got["closed"] != 1 || len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// A polling client is given what is queued and the close by its open GET or its next, and POSTs are taken for a short time.
func TestDrainClosesPolling(t *testing.T) {
	nodes := cluster(t, 2, quick)
	app := nodes[0].app
	with, id := nodes[0].pollPID()
	without, other := nodes[0].pollPID()
	elsewhere := *without
	elsewhere.rig = nodes[1]
	app.emitSocket(other, "", payload(`["queued"]`))
	eventually(t, "queued", func() (is bool) {
		s, l := nodes[0].session(without.sid)
		nodes[0].onLoop(l, func() { is = len(s.queue) == 1 })
		return is
	})
	get := with.GetSoon(t.Context())
	with.polls()
	done := nodes[0].drains()
	if a := next(t, get); a.status != 200 || a.body != "1" {
		t.Fatalf("%+v", a)
	}
	with.Send(`42["late",1]`, `42["late",2]`)
	app.expectEvent(`["late",1]`)
	app.expectEvent(`["late",2]`)
	app.expectLeave(id, reasonServerShutdown)
	elsewhere.Send(`42["relayed"]`)
	app.expectEvent(`["relayed"]`)
	// First the event, and then the close: in one answer, the stock client would lose count.
	if a := elsewhere.Get(); a.status != 200 || !strings.HasPrefix(a.body, `42["queued"`) || strings.HasSuffix(a.body, "\x1e1") {
		t.Fatalf("%+v", a)
	}
	if a := elsewhere.Get(); a.status != 200 || a.body != "1" {
		t.Fatalf("%+v", a)
	}
	without.Send(`42["still"]`)
	app.expectEvent(`["still"]`)
	app.expectLeave(other, reasonServerShutdown)
	if a := with.Post(`42["too late"]`); a.status != 400 || !strings.Contains(a.body, `"code":1`) {
		t.Errorf("%+v", a)
	}
	ended(t, done)
}

// pollPID opens a session on polling and joins the root, on a rig with recovery.
func (r *rig) pollPID() (*pollClient, string) {
	r.Helper()
	p := r.poll()
	id := p.joinPID().id
	next(r, r.app.opens)
	return p, id
}

// Sockets whose clients do not come back are kept by peers, with all that they miss before, during and after; they are found when
// their node is gone, and when it is there again under its id.
func TestDrainHandsOver(t *testing.T) {
	nodes := cluster(t, 3, quick)
	app := nodes[0].app
	app.onConnect(accept("a", "b"))
	c, fresh := nodes[0].newReader(), nodes[0].newReader()
	s := &stream{app: app, socket: c.id}
	s.next()
	c.readTo(1)
	for _, one := range []*reader{c, fresh} {
		one.net.Close()
		next(t, app.leaves)
	}
	for range 10 {
		s.next()
	}
	fresh.had = 1 // the first of them it had not read
	done := nodes[0].drains()
	stop := s.run(t, 500*time.Microsecond)
	ended(t, done)
	nodes[0].stopped()
	stop()
	again := *nodes[0]
	again.gw = nodes[0].open("g1", clustered, quick)
	nodes[0] = &again
	held := func() (n int) {
		for _, r := range nodes {
			for _, l := range r.gw.loops {
				r.onLoop(l, func() { n += l.gone.count })
			}
		}
		return n
	}
	if held() != 2 {
		t.Errorf("%d detached", held())
	}
	// From one to the next, as in a rolling restart.
	for _, r := range nodes[1:2] {
		done := r.drains()
		s.next()
		ended(t, done)
		r.stopped()
	}
	c.back(nodes[2])
	c.readTo(s.last)
	if c.had != s.last {
		t.Errorf("%d of %d", c.had, s.last)
	}
	c.Alive(app)
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	s.next()
	c.back(nodes[0])
	c.readTo(s.last)
	var taken float64
	for _, r := range nodes {
		taken += value(r.gw.metrics.handoffs.WithLabelValues("drain", "taken"))
	}
	if taken < 2 {
		t.Errorf("%v taken", taken)
	}
}

// A node that drains takes no new sessions, and goes on serving those that it has, also over connections that are open already, and
// those of others until its own are gone.
func TestDrainTakesNothingNew(t *testing.T) {
	nodes := cluster(t, 2, quick, func(o *Options) { o.Engine.AdmitTimeout = time.Minute })
	app := nodes[0].app
	p, _ := nodes[0].pollPID()
	foreign, foreignID := nodes[1].pollPID()
	through := *foreign
	through.rig, through.http = nodes[0], nodes[0].browser().http
	newcomer := nodes[0].browser()
	for _, one := range []*pollClient{&through, newcomer} { // so that they have connections
		one.Do("GET", "nonsense", "")
	}
	app.onConnect(silent)
	p.Send("40/never,") // a session that is busy is closed last
	request := next(t, app.connects)
	for request.Namespace != "/never" {
		request = next(t, app.connects)
	}
	done := nodes[0].drains()
	eventually(t, "closed", nodes[0].gw.closed)
	if a := newcomer.Do("GET", "EIO=4&transport=polling", ""); a.status != 503 {
		t.Errorf("%+v", a)
	}
	if _, err := nodes[0].browser().try(t.Context(), "GET", nodes[0].url("http", "EIO=4&transport=polling"), ""); err == nil {
		t.Error("a new connection was accepted")
	}
	get := through.GetSoon(t.Context())
	through.polls2(nodes[1])
	app.emitSocket(foreignID, "", payload(`["through"]`))
	if a := next(t, get); a.status != 200 || !strings.HasPrefix(a.body, `42["through"`) {
		t.Errorf("%+v", a)
	}
	get = through.GetSoon(t.Context())
	through.polls2(nodes[1])
	app.answer(app.conn.Node("g1", "connected", request.Socket), &backplane.Connected{Worker: "w1"}) // not busy any more
	got := ""
	for !strings.HasSuffix(got, "\x1e1") {
		a := p.Get()
		if a.status != 200 {
			t.Fatalf("%+v", a)
		}
		got += "\x1e" + a.body
	}
	if !strings.HasPrefix(got, "\x1e40/never,") {
		t.Errorf("%q", got)
	}
	if a := next(t, get); a.status != 200 || a.body != "6" {
		t.Errorf("the GET of another node's session: %+v", a)
	}
	ended(t, done)
	foreign.Send(`42["alive"]`)
	app.expectEvent(`["alive"]`)
}

// polls2 waits until the session, which is on another node, has a GET open.
func (p *pollClient) polls2(owner *rig) {
	p.Helper()
	local := *p
	local.rig = owner
	local.polls()
}

// However many there are to be closed, there are never more in a second than stated.
func TestDrainPace(t *testing.T) {
	nodes := cluster(t, 2, func(o *Options) { o.Drain = DrainOptions{Rate: 80, Return: time.Millisecond} })
	r := nodes[0]
	const clients = 120
	for range clients {
		r.ws().joinPID()
		next(t, r.app.opens)
	}
	d := newDrain(r.gw)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for range clients {
			<-r.app.leaves
		}
		cancel()
	}()
	d.run(ctx)
	if d.closed != clients || d.peak > 80 || d.peak < 2 {
		t.Errorf("%d closed, %d in one second", d.closed, d.peak)
	}
}

// Without recovery, clients are closed likewise, and their sockets end.
func TestDrainWithoutRecovery(t *testing.T) {
	nodes := cluster(t, 2, quick, func(o *Options) { o.Engine.Recovery = Off })
	c, id := nodes[0].join("")
	done := nodes[0].drains()
	c.ExpectClose(0)
	nodes[0].app.expectLeave(id, reasonServerShutdown)
	ended(t, done)
	for _, l := range nodes[0].gw.loops {
		nodes[0].onLoop(l, func() {
			if len(l.sessions)+len(l.sockets) != 0 {
				t.Errorf("%d sessions, %d sockets", len(l.sessions), len(l.sockets))
			}
		})
	}
	c2, other := nodes[1].join("")
	if other == id {
		t.Error("the same socket")
	}
	c2.Alive(nodes[0].app)
}

// At the deadline, and at a second signal, a drain ends as it is.
func TestDrainDeadline(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"deadline": func(o *Options) { o.Drain.Timeout = Window(200 * time.Millisecond) },
		"signal":   func(o *Options) { o.Drain.Timeout = Window(time.Minute) },
		"delay":    func(o *Options) { o.Drain.Delay = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			nodes := cluster(t, 2, quick, func(o *Options) { o.Engine.AdmitTimeout = time.Minute }, change)
			app := nodes[0].app
			app.onConnect(silent)
			c := nodes[0].ws()
			c.Send("40")
			next(t, app.connects)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan struct{})
			go func() {
				defer close(done)
				nodes[0].gw.Drain(ctx)
			}()
			eventually(t, "not ready", func() bool { return nodes[0].gw.Ready() != nil })
			if name == "delay" && nodes[0].gw.closed() {
				t.Error("closed before the delay is over")
			}
			if name != "deadline" {
				cancel()
			}
			ended(t, done)
			if got := outcomes(nodes[0].gw.metrics.drained); name == "deadline" && got["cut off"] != 1 {
				t.Errorf("%v", got)
			}
			nodes[0].stopped()
			c.ExpectClose(0)
		})
	}
}

// Where there is no other gateway, or draining is off, it is over at once.
func TestDrainAlone(t *testing.T) {
	r := recovering(t)
	c := r.ws()
	id, _ := c.joinPID()
	r.gw.Drain(t.Context())
	c.Alive(r.app)
	off := r.open("g2", func(o *Options) { o.Drain.Timeout = Off })
	off.Drain(t.Context())
	if err := off.Ready(); err != nil {
		t.Error(err)
	}
	r.stopped()
	r.app.expectLeave(id, reasonServerShutdown)
}

// A peer that keeps no sockets declines, and if all have gone meanwhile the socket is lost, and counted.
func TestDrainWithoutPeers(t *testing.T) {
	nodes := cluster(t, 1, quick)
	peer := *nodes[0]
	peer.gw = nodes[0].open("g2", clustered, quick, func(o *Options) { o.Engine.Recovery = Off })
	c := nodes[0].newReader()
	c.net.Close()
	nodes[0].app.expectLeave(c.id, reasonTransportClose)
	done := nodes[0].drains()
	l := nodes[0].gw.loops[0]
	for _, one := range nodes[0].gw.loops {
		nodes[0].onLoop(one, func() {
			if one.sockets[c.id] != nil {
				l = one
			}
		})
	}
	eventually(t, "offered and declined", func() (offered bool) {
		nodes[0].onLoop(l, func() { offered = len(l.offers) == 1 })
		return offered
	})
	peer.stopped()
	ended(t, done)
	if got := outcomes(nodes[0].gw.metrics.drained); got["no peer"] != 1 {
		t.Errorf("%v", got)
	}
}

// What detached sockets take is bounded in bytes as well: the one that ends first is forgotten.
func TestDetachedBytes(t *testing.T) {
	r := recovering(t, func(o *Options) { o.Loops, o.Limits.DetachedBytes = 1, 10_000 })
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		data, err := json.Marshal(map[string]string{"x": strings.Repeat("x", 3000)})
		if err != nil {
			t.Error(err)
		}
		return &backplane.Connected{Worker: "w1", Data: data}
	})
	l := r.gw.loops[0]
	var first string
	for i := range 3 {
		c := r.ws()
		id, _ := c.joinPID()
		if i == 0 {
			first = id
		}
		r.detach(c, id)
	}
	eventually(t, "the first is forgotten", func() (gone bool) {
		r.onLoop(l, func() {
			gone = l.sockets[first] == nil && l.gone.count == 2 && l.gone.bytes <= 10_000 && l.gone.bytes > 6000
		})
		return gone
	})
	if n := outcomes(r.gw.metrics.recoveries)["evicted"]; n != 1 {
		t.Errorf("%v evicted", n)
	}
}

// A session that the server has closed, and whose client never fetches the rest, does not hold up a drain.
func TestDrainForgetsTheClosed(t *testing.T) {
	nodes := cluster(t, 2, quick)
	app := nodes[0].app
	p, id := nodes[0].pollPID()
	app.control(id, backplane.Control{Op: backplane.OpDisconnect, Close: true})
	app.expectLeave(id, reasonServerLeft)
	done := nodes[0].drains()
	ended(t, done)
	if s, l := nodes[0].session(p.sid); s != nil {
		nodes[0].onLoop(l, func() { t.Errorf("the session is left, in state %d", s.state) })
	}
}
