package gateway

import (
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"patchbay/gateway/handoff"
)

// bufferSize is a loop's scratch buffer: one read takes at most this, and one write
// gathers at most this from a conn's queue.
const bufferSize = 64 << 10

// loop is one goroutine and one epoll instance. It owns its conns, their sessions and
// sockets, and its share of each room; nothing else touches them.
//
// A turn waits, reads what is readable (see gathering), runs the tasks of its mailbox, fires
// timers, and only then writes: each conn with something to send is written once per turn, so under
// load many messages leave in one system call. Closed conns keep their descriptors until
// the end of the turn, so a descriptor means one conn throughout a turn.
type loop struct {
	gw       *Gateway
	index    int
	poll     *poller
	box      mailbox
	listenFD int    // the listening socket, on the loop that accepts; -1 on the others
	buf      []byte // scratch: reads in the first half of a turn, writes in the second
	frames   frameReader
	seal     *sealer
	pending  turn
	clock
	owned
	recall
	moves
	over bool          // set by the task that ends the loop
	done chan struct{} // closed when the goroutine returns
}

// clock is a loop's time: durations since its gateway's start, so that loops can compare them.
type clock struct {
	wheel *wheel
	start time.Time
	now   time.Duration // of this turn
	tick  time.Duration // when the loop reads again; see gathering
	read  int           // messages, in this turn
}

// recall is what a loop keeps for clients that come back.
type recall struct {
	history  history
	gone     departed               // detached sockets
	expected map[string]expectation // sockets that come from another loop
}

// moves are what a loop takes from other nodes and gives to them.
type moves struct {
	seen     *handoff.Seen        // of all that was dispatched here
	turned   time.Duration        // when seen forgot
	takings  map[string]*taking   // by token
	arrivals map[string]*arrival  // WebSockets whose sessions are asked about; by token
	leavings map[string]*leaving  // by token
	upgraded upgraded             // sessions that have gone
	obeyed   obeyed               // requests about sockets
	unload   unloading            // while the node drains
	offers   map[string]*offering // by token; likewise
}

// owned finds what a loop owns.
type owned struct {
	conns      []*conn // by descriptor
	sessions   map[sessionKey]*session
	sockets    map[string]*socket    // by socket id, connecting ones included
	namespaces map[string]*namespace // those with a socket here
	tokens     tokens                // what their clients have proved
	places     map[*session]string   // of the sessions of their addresses, if those are limited
	seats      map[*conn]string      // the same of conns
	slow       map[*slowPost]struct{}
	autopsies  map[string]time.Duration // when a close was logged last, by reason
	peers      map[*conn]peer           // of those whose first request is being read, if not the other end of the descriptor
	custody
}

// turn is what a turn leaves for its end.
type turn struct {
	dirty  []*conn    // have something to write
	polls  []*session // have a GET to answer
	dead   []*conn    // to be closed
	spare  [][][]byte // empty queues for conns to use again
	mark   uint32     // of the last union of rooms that was resolved
	chosen []*socket  // scratch of that union
}

func newLoop(gw *Gateway, index int) (*loop, error) {
	poll, err := newPoller()
	if err != nil {
		return nil, err
	}
	return &loop{
		gw: gw, index: index, poll: poll, listenFD: -1,
		buf:   make([]byte, bufferSize),
		seal:  newSealer(gw.secret),
		done:  make(chan struct{}),
		clock: clock{wheel: newWheel(), start: gw.started},
		moves: moves{seen: handoff.NewSeen(0), takings: map[string]*taking{}, arrivals: map[string]*arrival{}, leavings: map[string]*leaving{}, offers: map[string]*offering{}},
		recall: recall{
			expected: map[string]expectation{},
			history:  history{window: gw.recovery, limit: gw.options.Limits.HistoryBytes / gw.options.Loops, kinds: &gw.kinds},
		},
		owned: owned{
			sessions:   map[sessionKey]*session{},
			sockets:    map[string]*socket{},
			namespaces: map[string]*namespace{},
		},
	}, nil
}

// post hands a task to the loop, from any goroutine. It returns false when the loop has ended.
func (l *loop) post(t task) bool {
	wake, ok := l.box.post(t)
	if wake {
		l.poll.wake()
	}
	return ok
}

// run is the loop's goroutine. It returns after a stopLoop task.
func (l *loop) run() {
	defer close(l.done)
	l.claimOwnership()
	var tasks []task
	for !l.over {
		l.input()
		tasks = l.box.take(tasks)
		for _, t := range tasks {
			t.run(l)
		}
		l.wheel.advance(l.now)
		l.endTurn()
	}
	l.finish()
}

// input waits for something to do, and reads what is readable unless that gathers for now.
func (l *loop) input() {
	now := time.Since(l.start)
	l.poll.sleeps()
	asleep := l.box.sleep()
	var ready []unix.EpollEvent
	var err error
	switch gathers := now < l.tick; {
	case gathers && asleep:
		err = l.poll.pause(l.tick - now)
	case gathers:
	case asleep:
		ready, err = l.poll.await(l.wheel.wait(now))
	default:
		ready, err = l.poll.look()
	}
	l.now = time.Since(l.start)
	if err != nil {
		l.gw.log.Error("poller failed", zap.Int("loop", l.index), zap.Error(err))
		return
	}
	l.read = 0
	for i := range ready {
		l.ready(int(ready[i].Fd), ready[i].Events)
	}
	if l.read > 0 {
		l.gw.gathering.note(l.read, l.now)
		l.tick = l.gw.gathering.next(l.now)
	}
}

// ready serves one descriptor's events.
func (l *loop) ready(fd int, events uint32) {
	if fd == l.listenFD {
		l.gw.listener.accept(l)
		return
	}
	c := l.conns[fd]
	if c == nil || c.state == connDead {
		return
	}
	if events&pollWrite != 0 {
		c.blocked = false
		l.setDirty(c)
	}
	if events&(pollRead|pollGone) != 0 {
		c.readable()
	}
}

// endTurn answers polls, writes and closes.
func (l *loop) endTurn() {
	for i, s := range l.pending.polls {
		s.answer()
		l.pending.polls[i] = nil
	}
	l.pending.polls = l.pending.polls[:0]
	for i, c := range l.pending.dirty {
		c.dirty = false
		c.flush()
		l.pending.dirty[i] = nil
	}
	l.pending.dirty = l.pending.dirty[:0]
	for i, c := range l.pending.dead {
		if !c.released {
			l.conns[c.fd] = nil
			unix.Close(int(c.fd))
			l.gw.listener.closed(l.rise(c))
		}
		l.pending.dead[i] = nil
	}
	l.pending.dead = l.pending.dead[:0]
}

// attach registers a descriptor as a conn of this loop.
func (l *loop) attach(fd int, state connState) (*conn, error) {
	if err := l.poll.add(fd, pollRead); err != nil {
		return nil, err
	}
	for len(l.conns) <= fd {
		l.conns = append(l.conns, make([]*conn, max(64, fd+1-len(l.conns)))...)
	}
	c := &conn{loop: l, fd: int32(fd), state: state}
	l.conns[fd] = c
	return c, nil
}

func (l *loop) setDirty(c *conn) {
	if !c.dirty {
		c.dirty = true
		l.pending.dirty = append(l.pending.dirty, c)
	}
}

// stopLoop ends a loop: its sessions are closed, what they still have to send is
// written as far as the kernel takes it, and the goroutine returns.
type stopLoop struct{ reason string }

func (t stopLoop) run(l *loop) {
	l.over = true
	for _, o := range l.leavings {
		o.stop()
	}
	for _, taking := range l.takings {
		taking.do(taking.Abandon(l.now))
	}
	for _, s := range l.sessions {
		s.close(t.reason, closeServer)
	}
	for id := range l.sockets { // detached: nobody can come back to them here
		l.gw.unroute(id, l)
	}
}

// finish closes all that is left after the last turn.
func (l *loop) finish() {
	for _, t := range l.box.close() {
		if c, ok := t.(canceller); ok {
			c.cancel()
		}
	}
	for _, a := range l.arrivals {
		a.drop()
	}
	for p := range l.slow {
		p.expire(l.now)
	}
	for _, s := range l.sessions {
		s.forget()
	}
	for _, c := range l.conns {
		if c != nil {
			c.kill()
		}
	}
	l.endTurn()
	l.poll.close()
}

// canceller is a task that holds something to be released when its loop will not run it.
type canceller interface{ cancel() }
