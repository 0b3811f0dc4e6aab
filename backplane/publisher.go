package backplane

import (
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
)

// publisher gives a connection's emits their ids. Its mutex is held while an emit's copies are published, so
// that numbers go out in order.
type publisher struct {
	mu       sync.Mutex
	name     string
	sequence uint64
	link     uint64 // which of the connection's links to NATS the name is for
	text     []byte // "<name>.", and room for a number
	// plain is the message of emits that need no header but the id: these are most, and a map for each would
	// be their greatest cost. The NATS client keeps nothing of it.
	plain Msg
	id    []string // the value of plain's only header
}

// nextLocked returns the id of an emit that goes out on a link. A name is for one link alone:
// what was sent on the last one may arrive after what is sent on this one.
func (p *publisher) nextLocked(link uint64) string {
	if p.name == "" || link != p.link {
		p.name, p.link, p.sequence = NewID('p'), link, 0
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
// and while others publish. (A link that breaks between this call and the publish has that one emit sent on
// the next one, under the old name.)
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
// published; the publisher is a random name, new after each reconnection.
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
	e.ID = p.nextLocked(c.link())
	if m == nil {
		m = p.plainLocked(e, reply)
		defer func() { m.Data = nil }()
	} else {
		set(m, HeaderID, e.ID)
	}
	for _, subject := range subjects {
		m.Subject = subject
		if err := c.PublishMsg(m); err != nil {
			return err
		}
	}
	return nil
}
