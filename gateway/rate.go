package gateway

import (
	"fmt"
	"time"

	"patchbay/protocol/socketio"
)

// What becomes of packets beyond a session's rates.
const (
	// overWait has the client wait: nothing more is read from it until it is within its rates again, and TCP tells it so.
	overWait = "wait"
	// overDrop drops events and acknowledgements. Nobody is told but the metrics.
	overDrop = "drop"
	// overClose closes the session.
	overClose = "close"
)

// reasonTooFast is why a session ends whose client sent faster than it may.
const reasonTooFast = "rate limit"

// RateOptions bound what one session may send, on average over a second. They stop floods from reaching workers.
type RateOptions struct {
	Events     int    `name:"max-event-rate" default:"0" help:"Socket.IO packets that a session may send per second; 0 means any number." reload:"yes"`
	Bytes      int    `name:"max-byte-rate" default:"0" help:"Bytes that a session may send per second in Socket.IO packets; 0 means any number. A single packet may be larger." reload:"yes"`
	Over       string `name:"over-rate" default:"wait" enum:"wait,drop,close" help:"What happens beyond them: wait (nothing is read meanwhile), drop (events get lost, and are counted) or close." reload:"yes"`
	Handshakes int    `name:"max-handshake-rate" default:"0" help:"Sessions that may be opened per second on this node; others get 503, and come again. 0 means any number." reload:"yes"`
	PerAddress int    `name:"max-sessions-per-address" default:"0" help:"Sessions that may be open on this node from one address; others get 503. 0 means any number." reload:"yes"`
}

func (o *RateOptions) withDefaults() { setDefault(&o.Over, overWait) }

func (o *RateOptions) check() error {
	if min(o.Events, o.Bytes, o.Handshakes, o.PerAddress) < 0 {
		return fmt.Errorf("%w: a limit is negative", ErrOptions)
	}
	switch o.Over {
	case overWait, overDrop, overClose:
		return nil
	}
	return fmt.Errorf("%w: over-rate is %q", ErrOptions, o.Over)
}

// limits reports whether sessions have rates at all.
func (o *RateOptions) limits() bool { return o.Events > 0 || o.Bytes > 0 }

// bucket is what a session may send now: two token buckets that hold a second's worth. Pure; owned by the session's loop.
type bucket struct {
	events, bytes float64
	at            time.Duration // as of when
}

func newBucket(o *RateOptions, now time.Duration) *bucket {
	return &bucket{events: float64(o.Events), bytes: float64(o.Bytes), at: now}
}

// fill adds what time has brought.
func (b *bucket) fill(o *RateOptions, now time.Duration) {
	seconds := (now - b.at).Seconds()
	b.at = now
	b.events = filled(b.events, o.Events, seconds)
	b.bytes = filled(b.bytes, o.Bytes, seconds)
}

// filled is what a bucket holds some time later. One without a rate is empty, and owes nothing when it gets one.
func filled(now float64, rate int, seconds float64) float64 {
	if rate == 0 {
		return 0
	}
	return min(float64(rate), now+seconds*float64(rate))
}

// allows reports whether another packet may come. One may be larger than what is left, or the largest would never pass.
func (b *bucket) allows(o *RateOptions) bool {
	return (o.Events == 0 || b.events >= 1) && (o.Bytes == 0 || b.bytes > 0)
}

// spend takes a packet out; the bucket may come to owe something.
func (b *bucket) spend(size int) {
	b.events--
	b.bytes -= float64(size)
}

// debt is how long it takes until another may come.
func (b *bucket) debt(o *RateOptions) time.Duration {
	var seconds float64
	if o.Events > 0 && b.events < 1 {
		seconds = (1 - b.events) / float64(o.Events)
	}
	if o.Bytes > 0 && b.bytes <= 0 {
		seconds = max(seconds, (1-b.bytes)/float64(o.Bytes))
	}
	return time.Duration(seconds * float64(time.Second))
}

// affords charges a session for a packet. It reports whether the packet is to be handled.
func (s *session) affords(p socketio.Packet, attachments [][]byte) bool {
	gw, now := s.loop.gw, s.loop.now
	o := &gw.live().rate
	if !o.limits() {
		return true
	}
	if s.bucket == nil {
		s.bucket = newBucket(o, now)
	}
	s.bucket.fill(o, now)
	within := s.bucket.allows(o)
	if !within {
		gw.metrics.overRate.WithLabelValues(o.Over).Inc()
	}
	size := len(p.Payload)
	for _, a := range attachments {
		size += len(a)
	}
	switch {
	case within || o.Over == overWait:
		s.bucket.spend(size)
	case o.Over == overClose:
		s.close(reasonTooFast, closeServer)
		return false
	case p.Type != socketio.Connect && p.Type != socketio.Disconnect:
		return false
	}
	if c := s.conn; c != nil && o.Over == overWait {
		if debt := s.bucket.debt(o); debt > 0 {
			c.rest(debt)
		}
	}
	return true
}

// owes is how long the answer to a session's POST is to wait, so that the client waits with the next.
func (s *session) owes() time.Duration {
	o := &s.loop.gw.live().rate
	if s.bucket == nil || o.Over != overWait {
		return 0
	}
	s.bucket.fill(o, s.loop.now)
	return s.bucket.debt(o)
}

// slowPost is a POST whose answer waits. Owned by its loop.
type slowPost struct {
	loop    *loop
	request *request
	timer   timer
}

// delay answers a POST later.
func (l *loop) delay(r *request, by time.Duration) {
	p := &slowPost{loop: l, request: r}
	if l.slow == nil {
		l.slow = map[*slowPost]struct{}{}
	}
	l.slow[p] = struct{}{}
	l.wheel.set(&p.timer, l.now+by, p)
}

// expire implements expirer.
func (p *slowPost) expire(time.Duration) {
	delete(p.loop.slow, p)
	p.request.respond(posted())
}

// rest stops reading from a client for a while.
func (c *conn) rest(d time.Duration) {
	if c.state != connOpen {
		return
	}
	c.resting = true
	c.setDeadline(d)
	c.watch()
}

// wake reads on.
func (c *conn) wake() {
	c.resting = false
	c.stopDeadline()
	c.watch()
}

// watch tells the poller what the conn waits for.
func (c *conn) watch() {
	events := uint32(pollRead)
	if c.resting {
		events = 0
	}
	if c.armed {
		events |= pollWrite
	}
	if err := c.loop.poll.change(int(c.fd), events); err != nil {
		c.gone(reasonTransportError)
	}
}
