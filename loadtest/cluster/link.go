package cluster

import (
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// linkBuffer is what a link reads at once, in bytes.
const linkBuffer = 64 << 10

// Link is a TCP connection's way from one part to another that can be slowed down, stalled and cut: a proxy on a port of its own. Its
// methods may be called from any goroutine.
type Link struct {
	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	state   linkState
	delay   time.Duration
	changed chan struct{} // closed and replaced at every change
	conns   map[net.Conn]struct{}
}

type linkState int

const (
	linkWhole linkState = iota
	linkStalled
	linkCut
	linkStopped
)

// NewLink opens a link to host:port.
func NewLink(target string) (*Link, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open link to %s: %w", target, err)
	}
	l := &Link{target: target, listener: listener, changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	l.running.Go(l.accept)
	return l, nil
}

// Address is the host:port to connect to in the target's place.
func (l *Link) Address() string { return l.listener.Addr().String() }

// Delay makes whatever is sent arrive later by at least so much, either way, in order.
func (l *Link) Delay(d time.Duration) { l.change(linkWhole, d) }

// Stall moves no byte from now on and closes nothing, as if the peer had vanished.
func (l *Link) Stall() { l.change(linkStalled, 0) }

// Cut ends all connections, and every new one at once.
func (l *Link) Cut() { l.change(linkCut, 0) }

// Heal ends what Stall or Cut began. What was stalled goes on.
func (l *Link) Heal() { l.change(linkWhole, 0) }

// Stop ends the link and waits for its goroutines.
func (l *Link) Stop() {
	l.change(linkStopped, 0)
	_ = l.listener.Close() // an error means that it is closed
	l.running.Wait()
}

func (l *Link) change(state linkState, delay time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == linkStopped {
		return
	}
	l.state, l.delay = state, delay
	close(l.changed)
	l.changed = make(chan struct{})
	if state >= linkCut {
		for conn := range l.conns {
			_ = conn.Close() // what it says is of no use any more
		}
	}
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.join(near) })
	}
}

// join connects the two ends of a connection until one of them ends.
func (l *Link) join(near net.Conn) {
	far, err := net.Dial("tcp", l.target)
	if err != nil {
		_ = near.Close()
		return
	}
	l.mu.Lock()
	l.conns[near], l.conns[far] = struct{}{}, struct{}{}
	refuse := l.state >= linkCut
	l.mu.Unlock()
	end := func() { _, _ = near.Close(), far.Close() }
	if refuse {
		end()
	}
	var both sync.WaitGroup
	both.Go(func() { defer end(); l.carry(far, near) })
	both.Go(func() { defer end(); l.carry(near, far) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, near)
	delete(l.conns, far)
}

func (l *Link) carry(to io.Writer, from io.Reader) {
	buffer := make([]byte, linkBuffer)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if !l.pass(time.Now()) {
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// pass waits until what was read at a time may go on. It returns false once it may not any more.
func (l *Link) pass(read time.Time) bool {
	for {
		l.mu.Lock()
		state, wait, changed := l.state, time.Until(read.Add(l.delay)), l.changed
		l.mu.Unlock()
		switch {
		case state >= linkCut:
			return false
		case state == linkStalled:
			<-changed
		case wait > 0:
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-changed:
			}
			timer.Stop()
		default:
			return true
		}
	}
}
