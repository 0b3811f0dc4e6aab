package backplane

import (
	"fmt"

	"github.com/nats-io/nats.go"
)

// DefaultInboxSize is how many messages may wait in an Inbox. A message costs its bytes and some 200 more;
// a reader that stands still for a quarter of a second at 250,000 messages a second loses none.
const DefaultInboxSize = 1 << 16

// Inbox is one channel that many subscriptions feed, in the order in which NATS delivered them, across
// subjects: what one connection published in order is read here in order.
//
// A subscription on a channel has no goroutine and costs a few hundred bytes, which is what makes
// one per room affordable. A full channel drops messages; that is logged and counted as a
// backplane fault.
type Inbox struct {
	C    <-chan *Msg
	ch   chan *Msg
	conn *Conn
}

// NewInbox returns an inbox for at most size waiting messages; 0 means DefaultInboxSize.
func NewInbox(c *Conn, size int) *Inbox {
	if size == 0 {
		size = DefaultInboxSize
	}
	ch := make(chan *Msg, size)
	return &Inbox{C: ch, ch: ch, conn: c}
}

// Subscription is one subject's feed into an Inbox.
type Subscription struct{ sub *nats.Subscription }

// Subscribe adds a subject. What other connections publish after a message that this one sends
// later reaches the inbox: NATS keeps the order of a connection.
func (b *Inbox) Subscribe(subject string) (Subscription, error) {
	sub, err := b.conn.nc.ChanSubscribe(subject, b.ch)
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe to %s: %w", subject, err)
	}
	return Subscription{sub}, nil
}

// QueueSubscribe adds a subject whose messages the members of a queue group share.
func (b *Inbox) QueueSubscribe(subject, queue string) (Subscription, error) {
	sub, err := b.conn.nc.ChanQueueSubscribe(subject, queue, b.ch)
	if err != nil {
		return Subscription{}, fmt.Errorf("subscribe to %s as %s: %w", subject, queue, err)
	}
	return Subscription{sub}, nil
}

// Unsubscribe ends a subscription. Messages already in the inbox stay there; those that the server has sent and that
// are not there yet are dropped (see Drain).
func (s Subscription) Unsubscribe() error {
	if s.sub == nil {
		return nil
	}
	if err := s.sub.Unsubscribe(); err != nil {
		return fmt.Errorf("unsubscribe from %s: %w", s.sub.Subject, err)
	}
	return nil
}

// Drain is Unsubscribe without that loss: what the server had sent before it learnt of the end still comes to the
// inbox, and all of it is there when a Flush made afterwards returns.
func (s Subscription) Drain() error {
	if s.sub == nil {
		return nil
	}
	if err := s.sub.Drain(); err != nil {
		return fmt.Errorf("drain %s: %w", s.sub.Subject, err)
	}
	return nil
}
