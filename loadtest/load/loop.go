package load

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// readBuffer is how much one read takes from a connection: a turn's worth of merged messages.
const readBuffer = 256 << 10

// sweepInterval is the time between two looks for clients whose server has fallen silent.
const sweepInterval = time.Second

// scratch is what a loop's clients use one after the other.
type scratch struct {
	read     []byte // what came
	packet   []byte // what is being sent
	inflater inflater
}

// Loop is one goroutine and one epoll instance. It alone touches its clients; all methods but Post and Stop are for
// functions that run on it.
type Loop struct {
	clock   Clock
	poller  *poller
	timers  timers
	links   []*link // by descriptor
	clients map[*Client]struct{}
	shared  scratch
	in      uint64 // bytes received
	now     int64  // of the current turn
	turns   uint64 // since the start

	mu     sync.Mutex // leaf
	posted []func()   // guarded by mu
	closed bool       // guarded by mu: nothing is taken any more

	stopping bool
	failure  error
	done     chan struct{}
}

// NewLoop starts a loop, which runs until Stop.
func NewLoop(clock Clock) (*Loop, error) {
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	l := &Loop{
		clock: clock, poller: p, clients: map[*Client]struct{}{},
		shared: scratch{read: make([]byte, readBuffer)}, now: clock.Now(), done: make(chan struct{}),
	}
	//patchbay:goroutine Stop ends it and waits on done
	go l.run()
	return l, nil
}

// Post has a function run on the loop, after those posted before it. Safe from any goroutine; after Stop it does nothing
// and answers false.
func (l *Loop) Post(do func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.posted = append(l.posted, do)
	if len(l.posted) == 1 {
		l.poller.ring()
	}
	return true
}

// Now is the time at which the current turn began.
func (l *Loop) Now() int64 { return l.now }

// Time is the time at this moment.
func (l *Loop) Time() int64 { return l.clock.Now() }

// Received is how many bytes have come over all connections of the loop, those of HTTP and WebSocket framing included.
func (l *Loop) Received() uint64 { return l.in }

// At has a function run at a time of the clock.
func (l *Loop) At(when int64, do func()) { l.timers.add(when, do) }

// After has a function run a while from now.
func (l *Loop) After(d time.Duration, do func()) { l.timers.add(l.clock.Now()+int64(d), do) }

// Stop ends the loop, closes what its clients have open without a word, and returns the error that ended it before, if
// one did. For one goroutine, once.
func (l *Loop) Stop() error {
	l.Post(func() { l.stopping = true })
	<-l.done
	return l.failure
}

func (l *Loop) run() {
	defer close(l.done)
	l.timers.add(l.now+int64(sweepInterval), l.sweep)
	for !l.stopping {
		if l.failure = l.turn(); l.failure != nil {
			break
		}
	}
	for _, link := range l.links {
		if link != nil {
			unix.Close(link.fd)
		}
	}
	l.mu.Lock()
	l.closed, l.posted = true, nil
	l.mu.Unlock()
	l.poller.close()
}

// turn waits, and does all that is due.
func (l *Loop) turn() error {
	if err := l.poller.arm(l.timers.next(), l.clock.Now()); err != nil {
		return err
	}
	ready, err := l.poller.wait()
	if err != nil {
		return err
	}
	l.now = l.clock.Now()
	l.turns++
	for _, event := range ready {
		switch fd := int(event.Fd); {
		case fd == l.poller.timer, fd == l.poller.bell:
			l.poller.quiet(fd)
		case fd < len(l.links) && l.links[fd] != nil:
			l.links[fd].happened(event.Events)
		}
	}
	for _, do := range l.takePosted() {
		do()
	}
	l.now = l.clock.Now()
	// Those that are due now, and none that they add: a timer that is always late must not keep the loop from its clients.
	for _, do := range l.timers.due(l.now) {
		do()
	}
	return nil
}

func (l *Loop) takePosted() []func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.posted
	l.posted = nil
	return taken
}

// sweep ends the clients whose server has sent no ping for too long.
func (l *Loop) sweep() {
	for c := range l.clients {
		if c.silent(l.now) {
			c.fail(ErrPingTimeout)
		}
	}
	l.timers.add(l.now+int64(sweepInterval), l.sweep)
}

// adopt enters a link under its descriptor and watches it.
func (l *Loop) adopt(k *link, events uint32) error {
	for len(l.links) <= k.fd {
		l.links = append(l.links, nil)
	}
	if err := l.poller.watch(k.fd, events); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	l.links[k.fd] = k
	return nil
}

// errTransient tells reads and writes that are to be tried later.
func errTransient(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }
