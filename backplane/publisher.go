package backplane

import (
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// publisher gives a connection's emits their ids, and keeps the last ones (see again.go). Its mutex is held while an emit's copies are
// published, so that numbers go out in order.
type publisher struct {
	mu       sync.Mutex
	name     string
	sequence uint64
	link     uint64 // which of the connection's links to NATS has had all that was emitted before it
	text     []byte // "<name>.", and room for a number
	replay   replay
	asked    *nats.Subscription // for what others ask again; nil until there is something
	// plain is the message of emits that need no header but the id: these are most, and a map for each would
	// be their greatest cost. The NATS client keeps nothing of it.
	plain Msg
	id    []string // the value of plain's only header
}

// nextLocked returns the id of the next emit.
func (p *publisher) nextLocked() string {
	if p.name == "" {
		p.name = NewID('p')
		p.text = append(append(p.text[:0], p.name...), '.')
	}
	p.sequence++
	p.text = strconv.AppendUint(p.text[:len(p.name)+1], p.sequence, 36)
	return string(p.text)
}

// plainLocked returns the message of an emit that has an id and no other header. It is valid under the lock.
func (p *publisher) plainLocked(e *Emit, reply string) *Msg {
	if p.id == nil {
		p.id = make([]string, 1)
		p.plain.Header = nats.Header{HeaderID: p.id}
	}
	p.id[0], p.plain.Reply, p.plain.Data = e.ID, reply, e.JSON
	return &p.plain
}

// link numbers the connection's links to NATS, the one that is being looked for included: what is published now goes out on it.
// The reconnection handler would be too late to tell: NATS calls it after it has sent what waited,
// and while others publish.
func (c *Conn) link() uint64 {
	connected := c.nc.IsConnected()
	n := c.nc.Stats().Reconnects
	if !connected {
		n++
	}
	return n
}

// Emit publishes an emit, a copy on each of the subjects, and returns once all are buffered; it keeps nothing of e. Whatever
// e.ID was, it becomes the emit's own: "<publisher>.<sequence>", the sequence in base 36 without
// leading zeros. It counts the emits of this connection from 1, whatever their subjects, in the order in which they are
// published; the publisher is a random name.
//
// While NATS is away emits wait, up to Options.PendingBytes, then fail with ErrPending; volatile ones are dropped. When it is back, what
// the last server may have taken along is published again, and then what waits.
//
// With a reply subject the recipient is asked for an acknowledgement. An error is the first
// publish's that failed; the copies after it were not tried.
func (c *Conn) Emit(e *Emit, reply string, subjects ...string) error {
	if len(subjects) == 0 {
		return nil
	}
	e.ID = ""
	var m *Msg
	if !e.plain() {
		m = e.Encode("", reply) // not under the lock: attachments are copied here
	}
	p := &c.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	e.ID = p.nextLocked()
	if m == nil {
		m = p.plainLocked(e, reply)
		defer func() { m.Data = nil }()
	} else {
		set(m, HeaderID, e.ID)
	}
	return c.sendLocked(m, subjects, true, e.Volatile)
}

// Acknowledge publishes the answer to an event, as Emit does, but for the id.
func (c *Conn) Acknowledge(m *Msg) error {
	p := &c.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name == "" {
		p.nextLocked() // a number without an emit does no harm
	}
	return c.sendLocked(m, []string{m.Subject}, false, false)
}

// sendLocked keeps a message and publishes it, or lets it wait for NATS.
func (c *Conn) sendLocked(m *Msg, subjects []string, numbered, volatile bool) error {
	p := &c.publisher
	wait := p.link != c.link()
	switch {
	case wait && c.nc.IsClosed():
		return c.count(ErrClosed)
	case volatile && wait:
		return nil
	case volatile:
	case c.MaxPayload() > 0 && int64(len(m.Data)) > c.MaxPayload():
		return c.count(nats.ErrMaxPayload)
	default:
		c.listenLocked()
		if !p.replay.add(&past{sequence: p.sequence, at: time.Now(), numbered: numbered, subjects: subjects, msg: *m}, wait, c.pending) {
			if numbered {
				p.sequence--
			}
			return c.count(ErrPending)
		}
	}
	if wait {
		return nil
	}
	for _, subject := range subjects {
		m.Subject = subject
		switch err := c.nc.PublishMsg(m); {
		case linkLost(err) && !volatile:
			return nil // the link is just lost: it waits with those to come
		case err != nil:
			return c.count(err)
		}
	}
	return nil
}
