package gateway

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// halt is a loop that stands still.
type halt struct {
	reached chan struct{}
	release func()
}

// halt has a loop stand still once it has done what it was asked for before.
func (r *rig) halt(l *loop) *halt {
	r.Helper()
	released := make(chan struct{})
	h := &halt{reached: make(chan struct{}), release: sync.OnceFunc(func() { close(released) })}
	if !l.post(call(func(*loop) { close(h.reached); <-released })) {
		r.Fatal("the loop has ended")
	}
	r.Cleanup(h.release)
	return h
}

// asked waits until a loop that stands still is asked for so much.
func (r *rig) asked(l *loop, n int) {
	r.Helper()
	eventually(r, fmt.Sprintf("it is asked for %d", n), func() bool {
		l.box.mu.Lock()
		defer l.box.mu.Unlock()
		return len(l.box.tasks) == n
	})
}

// seeks waits until a loop seeks so many sockets on other loops as on other nodes.
func (r *rig) seeks(l *loop, n int) {
	r.Helper()
	eventually(r, "it is sought", func() (sought bool) {
		r.onLoop(l, func() { sought = len(l.takings) == n })
		return sought
	})
}

// wsOn opens a WebSocket session on a loop.
func (r *rig) wsOn(l *loop) *wsClient {
	r.Helper()
	for {
		c := r.ws()
		if _, at := r.session(c.sid); at == l {
			return c
		}
		c.net.Close()
	}
}

// comes has the client ask for its socket.
func (c *reader) comes() { c.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, c.offset)) }

// expectBack reads until the client has its socket.
func (c *reader) expectBack(id string) {
	c.Helper()
	for !c.read() {
		if c.closed {
			c.Fatal("closed")
		}
	}
	if c.id != id {
		c.Errorf("a new socket %s instead of %s", c.id, id)
	}
}

// parted is a client that has lost its connection, and the loop where its socket waits.
func (r *rig) parted() (c *reader, home *loop) {
	r.Helper()
	c = r.newReader()
	_, home = r.session(c.sid)
	c.net.Close()
	r.app.expectLeave(c.id, reasonTransportClose)
	return c, home
}

// A client comes back to the very loop that its socket is leaving, for a node to which the client went first: it has its socket, whether
// that leaves or stays.
func TestSoughtWhereItLeaves(t *testing.T) {
	for _, leaves := range []bool{true, false} {
		t.Run(fmt.Sprint(leaves), func(t *testing.T) {
			r := newRig(t, clustered, func(o *Options) { o.Handoff.Linger = time.Minute })
			c, home := r.parted()
			c.wsClient = r.wsOn(home)
			p := r.app.play("gx")
			p.tell("g1", &note{Kind: noteGive, Token: "gx.0.a", Unit: wanted{Socket: c.id, Namespace: "/"}})
			grant := p.hear(noteState, "gx.0.a").Grant
			c.comes()
			r.seeks(home, 1)
			if !leaves {
				p.tell("g1", &note{Kind: noteDecline, Token: "gx.0.a"})
				c.expectBack(c.id)
				return
			}
			p.tell("g1", &note{Kind: noteConfirm, Token: "gx.0.a", Grant: grant})
			p.hear(noteConfirmed, "gx.0.a")
			if n := p.hear(noteLook, ""); n.Unit.Socket != c.id {
				t.Errorf("%+v", n.Unit)
			}
		})
	}
}

// crossing is a socket on its way from one loop to another, where its client has come first. What gives it stands still.
type crossing struct {
	*rig
	*reader         // the client
	first   *reader // its connection to there
	still   *halt
}

// crossing begins it.
func (r *rig) crossing(c *reader, from, to *loop) *crossing {
	r.Helper()
	x := &crossing{rig: r, reader: c, first: &reader{wsClient: r.wsOn(to), id: c.id, pid: c.pid, offset: c.offset}}
	still := r.halt(from)
	<-still.reached
	x.first.comes()
	r.asked(from, 1)
	x.still = r.halt(from)
	still.release()
	<-x.still.reached
	r.asked(from, 1)
	return x
}

// after is the loop some places behind another.
func (r *rig) after(l *loop, places int) *loop { return r.gw.loops[(l.index+places)%len(r.gw.loops)] }

func threeLoops(o *Options) { o.Loops = 3 }

// A client comes back twice while its socket is on its way to the loop of the first time: to the same loop, and to a third.
func TestSoughtOnItsWayToALoop(t *testing.T) {
	for _, place := range []int{1, 2} {
		t.Run(fmt.Sprint(place), func(t *testing.T) {
			r := newRig(t, clustered, threeLoops)
			c, home := r.parted()
			second := r.wsOn(r.after(home, place))
			x := r.crossing(c, home, r.after(home, 1))
			c.wsClient = second
			c.comes()
			r.seeks(r.after(home, place), 1)
			x.still.release()
			c.expectBack(c.id)
		})
	}
}

// The same when it goes back to the loop where it was born, of which its id tells.
func TestSoughtOnItsWayHome(t *testing.T) {
	for _, elsewhere := range []bool{false, true} {
		t.Run(fmt.Sprint(elsewhere), func(t *testing.T) {
			nodes := cluster(t, 2, threeLoops)
			r := nodes[0]
			c, home := r.parted()
			away := r.after(home, 1)
			c.wsClient = r.wsOn(away)
			c.comes()
			c.expectBack(c.id)
			next(t, r.app.opens)
			c.net.Close()
			r.app.expectLeave(c.id, reasonTransportClose)
			at, l := r, r.after(home, 2)
			if elsewhere {
				at, l = nodes[1], nodes[1].gw.loops[0]
			}
			second := at.wsOn(l)
			x := r.crossing(c, away, home)
			c.wsClient = second
			c.comes()
			at.seeks(l, 1)
			x.still.release()
			c.expectBack(c.id)
		})
	}
}

// A client comes back to the loop that is just about to give its socket to another, to which the client went first: it is cut off there, and
// has its socket when it comes once more.
func TestSoughtWhereItIsGiven(t *testing.T) {
	r := newRig(t, clustered, threeLoops)
	c, home := r.parted()
	second := r.wsOn(home)
	x := r.crossing(c, home, r.after(home, 1))
	c.wsClient = second
	c.comes()
	x.still.release()
	id := c.id
	for c.id = ""; c.id == "" && !c.closed; {
		c.read()
	}
	if c.closed {
		c.id = id
		c.wsClient = r.ws()
		c.comes()
		for !c.read() {
		}
	}
	if c.id != id {
		t.Errorf("a new socket %s instead of %s", c.id, id)
	}
}

// A socket crosses from one loop to another for a client that is gone when it arrives: it knows there what its client has had.
func TestCrossesForNobody(t *testing.T) {
	r := newRig(t, clustered, threeLoops)
	c := r.newReader()
	s := &stream{app: r.app, socket: c.id}
	s.next()
	c.readTo(1)
	_, home := r.session(c.sid)
	c.net.Close()
	r.app.expectLeave(c.id, reasonTransportClose)
	s.next()
	s.flush()
	to := r.after(home, 1)
	x := r.crossing(c, home, to)
	x.first.net.Close()
	eventually(t, "its client is gone", func() (gone bool) {
		r.onLoop(to, func() { gone = len(to.sessions) == 0 })
		return gone
	})
	x.still.release()
	c.back(r)
	c.readTo(2)
}
