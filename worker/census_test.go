package worker_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/worker"
)

// soon is the time between two questions about a socket in these tests.
const soon = 10 * time.Millisecond

// counted changes, by socket, how a question whether it is still connected is answered. It runs before the
// answer goes out, on the gateway's connection.
type counted map[string]func(reply *backplane.ControlReply) counting

// counting says whether there is an answer.
type counting bool

const (
	answers counting = true
	mute    counting = false
)

// ask lets it.
func (l counted) ask(m *backplane.Msg, id string, reply *backplane.ControlReply) {
	if f := l[id]; f != nil && f(reply) == mute {
		m.Reply = ""
	}
}

// counts has f answer for a client from now on; it is told how often that was asked.
func (c *client) counts(f func(time int, reply *backplane.ControlReply) counting) {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	if c.g.counted == nil {
		c.g.counted = counted{}
	}
	times := 0
	c.g.counted[c.id] = func(reply *backplane.ControlReply) counting {
		times++
		return f(times, reply)
	}
}

// vanish is the client's end of which the worker is not told.
func (c *client) vanish() {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	delete(c.g.clients, c.id)
}

// appear undoes it.
func (c *client) appear() {
	c.g.mu.Lock()
	defer c.g.mu.Unlock()
	c.g.clients[c.id] = c
}

// gap is the gateway's word that it had lost NATS.
func (g *fakeGateway) gap() { g.publish(g.conn.Gap(g.node), "", nil) }

// hall is a worker with clients, some of which go unheard.
type hall struct {
	*fakeGateway
	app  *worker.App
	gone chan string // as echo has it
	come chan string // ids of sockets that are connected
}

func newHall(t *testing.T, every time.Duration, o worker.Options) *hall {
	server := startServer(t)
	h := &hall{fakeGateway: newGateway(t, server, "g1"), gone: make(chan string, 100), come: make(chan string, 100)}
	h.app = start(t, server, o, func(app *worker.App) {
		app.CountEvery(every)
		echo(h.gone)(app)
		app.Namespace("/").OnConnect(func(_ ctxt, s socket) error {
			h.come <- s.ID() + " " + strconv.FormatBool(s.Recovered())
			return nil
		})
	})
	return h
}

// enter connects a client, and returns when the worker has its socket open.
func (h *hall) enter() *client {
	h.Helper()
	c := h.dial(h.app, "/")
	if got := receive(h, h.come, "a connection"); got != c.id+" false" {
		h.Fatalf("%s is connected", got)
	}
	return c
}

// expectGone waits for one socket's disconnection handlers, which must be the next to run.
func (h *hall) expectGone(c *client, reason string) {
	h.Helper()
	if got, want := receive(h, h.gone, "a disconnection"), c.id+" "+reason+" g1"; got != want {
		h.Fatalf("got %q, want %q", got, want)
	}
}

// count has the worker count twice, and so returns when it has done what it had begun before: a client that has gone may end with that the first time, and
// the second time only after it.
func (h *hall) count() {
	h.Helper()
	for range 2 {
		c := h.enter()
		c.vanish()
		h.gap()
		h.expectGone(c, "transport close")
	}
}

// TestCensus: after a gateway's loss of NATS those of its sockets end that are not connected any more, and those are let go that another worker has.
func TestCensus(t *testing.T) {
	h := newHall(t, soon, worker.Options{})
	here, ghost, lost := h.enter(), h.enter(), h.enter()
	lost.counts(func(_ int, reply *backplane.ControlReply) counting {
		reply.Worker = "w2"
		return answers
	})
	here.counts(func(_ int, reply *backplane.ControlReply) counting {
		reply.Worker = h.app.ID()
		return answers
	})
	ghost.vanish()
	h.gap()
	h.expectGone(ghost, "transport close")
	h.count()
	lost.leave("transport close") // of no socket of this worker's
	ghost.leave("transport close")
	here.leave("bye")
	h.expectGone(here, "bye")
}

// TestCensusElsewhere: sockets on other gateways than that which has lost NATS are not asked about.
func TestCensusElsewhere(t *testing.T) {
	h := newHall(t, soon, worker.Options{})
	c := h.enter()
	c.counts(func(int, *backplane.ControlReply) counting {
		t.Error("asked")
		return answers
	})
	h.publish(h.conn.Gap("g2"), "", nil)
	other := h.enter()
	c.moved(h.app, "t1", "g3", 1)
	c.left(h.app, "t1")
	c.expectAnswer()
	other.alive()
	h.count()
}

// TestCensusUncertain: a socket does not end of which it is not certain that it is gone, and is asked about until it is.
func TestCensusUncertain(t *testing.T) {
	h := newHall(t, soon, worker.Options{RequestTimeout: 50 * time.Millisecond})
	once, known, silent := h.enter(), h.enter(), h.enter()
	once.vanish()
	once.counts(func(time int, reply *backplane.ControlReply) counting {
		if time > 1 { // it was on its way, and the routers do not know where
			reply.Error = ""
		}
		return answers
	})
	known.counts(func(time int, reply *backplane.ControlReply) counting {
		if time < 4 { // the routers have it
			reply.Error = backplane.NoSocket
		}
		return answers
	})
	silent.counts(func(time int, _ *backplane.ControlReply) counting { return counting(time > 2) })
	silent.vanish()
	h.gap()
	h.expectGone(silent, "transport close")
	h.count()
	once.appear()
	for _, c := range []*client{once, known} {
		c.alive()
	}

	// While the routers miss a gateway, nothing that they do not know of is gone for certain.
	ghost := h.enter()
	ghost.vanish()
	h.mu.Lock()
	h.missing = []string{"g2"}
	h.mu.Unlock()
	for len(h.asked) > 0 {
		<-h.asked
	}
	h.gap()
	for range 2 { // that there is a second one says that it has not ended with the first
		if q := receive(t, h.asked, "a question to the routers"); len(q.Rooms) != 1 || q.Rooms[0] != ghost.id || len(q.Seen) != 0 {
			t.Errorf("%+v", q)
		}
	}
	h.mu.Lock()
	h.missing = nil
	h.mu.Unlock()
	h.gap() // should it have given up
	h.expectGone(ghost, "transport close")
}

// TestCensusDisconnect: a socket whose disconnection is heard while it is asked about ends once.
func TestCensusDisconnect(t *testing.T) {
	h := newHall(t, soon, worker.Options{})
	before, after := h.enter(), h.enter()
	before.vanish()
	before.counts(func(time int, _ *backplane.ControlReply) counting {
		if time == 2 { // the word comes before the answer
			h.publish(h.conn.Worker(h.app.ID(), "disconnect", before.id), "", []byte("late"))
		}
		return answers
	})
	h.gap()
	h.expectGone(before, "late")
	h.count()
	after.vanish()
	h.gap()
	h.expectGone(after, "transport close")
	after.leave("late")
	h.count()
}

// TestCensusReturn: a client comes back to its socket when it is about to be taken for gone. The socket's former life ends, once, and its new one goes on.
func TestCensusReturn(t *testing.T) {
	h := newHall(t, soon, worker.Options{})
	c := h.enter()
	c.vanish()
	c.counts(func(time int, reply *backplane.ControlReply) counting {
		switch time {
		case 1:
		case 2:
			request := backplane.Connect{Socket: c.id, Namespace: "/", Node: "g1", Epoch: h.epoch, Recovered: true}
			h.publish(h.conn.Worker(h.app.ID(), "connect", c.id), h.conn.Node("g1", "connected", c.id), h.encode(request))
		default:
			reply.Error = "" // it is there
		}
		return answers
	})
	h.gap()
	h.expectGone(c, "transport close")
	if got := receive(t, h.come, "a connection"); got != c.id+" true" {
		t.Errorf("got %q", got)
	}
	h.count()
	c.appear()
	c.alive()
	h.count()
	c.leave("bye")
	h.expectGone(c, "bye")
}

// TestCensusStop: a worker stops in the middle of a census, while it waits and while it asks.
func TestCensusStop(t *testing.T) {
	for _, every := range []time.Duration{time.Millisecond, never} {
		h := newHall(t, every, worker.Options{RequestTimeout: never})
		c := h.enter()
		asked := make(chan struct{}, 100)
		c.counts(func(int, *backplane.ControlReply) counting {
			asked <- struct{}{}
			return mute
		})
		h.gap()
		if every != never {
			receive(t, asked, "a question")
		}
		c.alive() // behind the word of the gap
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := h.app.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
}
