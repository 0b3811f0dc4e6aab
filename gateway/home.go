package gateway

import (
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// How a loop learns that a worker is gone, without waiting for its lease to run out. NATS says at once that nobody listens, to an event or
// to a question, when the worker's connection is closed; which may also mean that it is made anew.
const (
	// stallAfter is how long a worker may say nothing while it has events to confirm, until it is asked whether it is there.
	stallAfter = 250 * time.Millisecond
	// stallMost is the longest time between two such questions. A handler that takes its time is no fault.
	stallMost = 2 * time.Second
	// maxUnanswered is how many questions in a row a worker may leave unanswered, in some 12 s, more than any lease.
	maxUnanswered = 8
	// doubtEvery is the time between questions to a worker of which NATS has said that nobody listens.
	doubtEvery = 100 * time.Millisecond
	// maxMissed is how often in a row NATS must say so. It is longer than the NATS client takes to connect again: 250 to 500 ms.
	maxMissed = 6
	// steadyFor is how long our own connection must have held for NATS's word to count: the worker may have lost its own when we did.
	steadyFor = 2 * time.Second
)

// verbAlive is the verb of the question to a worker whether it is there, and how far it is with one socket's events; and of the answer.
const verbAlive = "alive"

// home is a worker as a loop sees it that has given it events. Owned by the loop.
type home struct {
	loop        *loop
	worker      string
	first, last *ledger       // with events to confirm
	heard       time.Duration // when the worker last showed that it lives, or got something to confirm
	pause       time.Duration // from then until it is asked
	unanswered  int           // questions
	missed      int           // times in a row that NATS has said that nobody listens; events wait meanwhile
	timer       timer
}

// home finds a worker, or begins to watch it.
func (l *loop) home(worker string) *home {
	h := l.homes[worker]
	if h == nil {
		h = &home{loop: l, worker: worker, pause: stallAfter}
		if l.homes == nil {
			l.homes = map[string]*home{}
		}
		l.homes[worker] = h
	}
	return h
}

// doubted reports whether nobody listens on the worker's subjects. No events are given to it meanwhile.
func (h *home) doubted() bool { return h.missed > 0 }

// attach notes that a ledger has events with the worker.
func (h *home) attach(g *ledger) {
	if g.home == h {
		return
	}
	if h.first == nil {
		h.heard = h.loop.now
		h.first = g
	} else {
		h.last.next, g.prev = g, h.last
	}
	h.last, g.home = g, h
	if h.timer.due == 0 {
		h.loop.wheel.set(&h.timer, h.heard+h.pause, h)
	}
}

// detach undoes attach.
func (g *ledger) detach() {
	h := g.home
	if h == nil {
		return
	}
	if g.prev != nil {
		g.prev.next = g.next
	} else {
		h.first = g.next
	}
	if g.next != nil {
		g.next.prev = g.prev
	} else {
		h.last = g.prev
	}
	g.home, g.next, g.prev = nil, nil, nil
}

// confirmed notes that the worker has said something of its own accord.
func (h *home) confirmed() { h.heard, h.pause, h.unanswered = h.loop.now, stallAfter, 0 }

// expire implements expirer.
func (h *home) expire(now time.Duration) {
	at := h.heard + h.pause
	switch {
	case h.doubted():
		if h.missed >= maxMissed && h.loop.gw.conn.Steady(steadyFor) {
			h.lost("nobody listens")
			return
		}
		h.ask()
		at = now + doubtEvery
	case h.first == nil:
		delete(h.loop.homes, h.worker)
		return
	case h.unanswered >= maxUnanswered:
		h.lost("no answer")
		return
	case now >= at:
		h.ask()
		h.pause = min(2*h.pause, stallMost)
		h.heard = now
		at = now + h.pause
	}
	h.loop.wheel.set(&h.timer, at, h)
}

// ask asks whether the worker is there, and how far it is with the events of the socket that has waited longest.
func (h *home) ask() {
	gw := h.loop.gw
	if !gw.conn.Connected() {
		return
	}
	socket, upTo := "-", uint64(0)
	if g := h.first; g != nil {
		socket, upTo = g.socket.id, g.first+uint64(g.given)-1
		// The next time it is another's turn.
		g.detach()
		h.attach(g)
	}
	h.unanswered++
	reply := strings.Join([]string{strconv.Itoa(h.loop.index), h.worker, socket, strconv.FormatUint(upTo, 10)}, ".")
	gw.countPublish(gw.conn.PublishRequest(gw.conn.Worker(h.worker, verbAlive, socket), gw.conn.Node(gw.options.ID, verbAlive, reply), nil))
}

// miss notes NATS's word that nobody listens on the worker's subjects.
func (h *home) miss() {
	h.unanswered = 0
	if h.missed++; h.missed == 1 {
		h.loop.wheel.set(&h.timer, h.loop.now+doubtEvery, h)
	}
}

// lost takes the worker for dead: all loops look for new homes for its sockets. The routers need not be told: where they send one of
// those to the same worker, NATS tells them too.
func (h *home) lost(why string) {
	l := h.loop
	l.gw.log.Warn("a worker is gone: its sockets look for new homes", zap.String("worker", h.worker), zap.String("why", why))
	l.gw.metrics.lostWorkers.Inc()
	h.forget()
	for _, other := range l.gw.loops {
		other.post(workerLost{worker: h.worker})
	}
}

// forget ends the watch. Sockets that still have events there are given up by workerLost.
func (h *home) forget() {
	for h.first != nil {
		h.first.detach()
	}
	h.loop.wheel.stop(&h.timer)
	delete(h.loop.homes, h.worker)
}

// aliveAnswer is a worker's answer to ask, or NATS's word that there is none.
type aliveAnswer struct {
	worker, socket string
	upTo           uint64 // the last event of the socket that it had been given
	none           bool
	elsewhere      bool // it does not have the socket
	standing       backplane.Standing
}

// alive takes such an answer. On intake.
func (in *intake) alive(m *backplane.Msg, arg string) {
	index, rest, _ := strings.Cut(arg, ".")
	worker, rest, _ := strings.Cut(rest, ".")
	socket, count, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(index)
	upTo, err2 := strconv.ParseUint(count, 10, 64)
	if err != nil || err2 != nil || i < 0 || i >= len(in.gw.loops) {
		in.bad(m, "alive: no such question")
		return
	}
	in.gw.loops[i].post(&aliveAnswer{
		worker: worker, socket: socket, upTo: upTo, none: backplane.NoResponders(m),
		elsewhere: first(m, backplane.HeaderError) != "", standing: backplane.ParseStanding(m.Data),
	})
}

func (t *aliveAnswer) run(l *loop) {
	h := l.homes[t.worker]
	if h == nil {
		return
	}
	if t.none {
		h.miss()
		return
	}
	h.heard, h.unanswered = l.now, 0
	if h.doubted() {
		h.missed = 0
		for _, k := range l.sockets { // what waited meanwhile
			if k.worker == t.worker {
				k.give()
			}
		}
	}
	k := l.sockets[t.socket]
	if k == nil || k.worker != t.worker || !k.here() || k.homing != nil || k.frozen() {
		return
	}
	if t.elsewhere {
		k.seekHome(false)
		return
	}
	k.reconcile(t.standing, t.upTo)
}

// unheard is NATS's word that an event met nobody.
type unheard struct {
	socket string
	number uint64
}

func (t unheard) run(l *loop) {
	k := l.sockets[t.socket]
	if k == nil || k.ledger == nil || k.ledger.home == nil || k.homing != nil && !k.homing.leaving {
		return
	}
	g := k.ledger
	if t.number < g.first || t.number >= g.first+uint64(g.given) {
		return
	}
	h := g.home
	g.takeFrom(t.number)
	if k.homing != nil {
		k.moveIn()
	}
	if !h.doubted() {
		h.miss()
		h.ask()
	}
}

// takeFrom takes an event and those behind it for not given.
func (g *ledger) takeFrom(number uint64) {
	if g.given = int(number - g.first); g.given == 0 {
		g.detach()
	}
}
