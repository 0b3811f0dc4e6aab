package backplane

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// waiting is what was published while NATS is away, but for emits. The NATS client's own buffer is not used: it goes out before we hear that there
// is a link again, and so before what the last link has lost.
type waiting struct {
	some  atomic.Bool // there is something: whoever publishes queues behind it
	mu    sync.Mutex
	queue []*Msg
	bytes int
}

// linkLost reports whether a publish failed for want of a link: there is none, or it broke under this very message, which then counts as not sent.
func linkLost(err error) bool {
	if err == nil {
		return false
	}
	var broken net.Error // on the heap: not for what went well
	return errors.Is(err, nats.ErrReconnectBufExceeded) || errors.As(err, &broken) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF)
}

// publish publishes a message, or lets it wait for NATS. What it gets may be used again when it returns.
func (c *Conn) publish(m *Msg) error {
	if !c.waiting.some.Load() {
		if err := c.nc.PublishMsg(m); !linkLost(err) {
			return err
		}
	}
	w := &c.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.some.Load() { // it is back, or this is the first
		if err := c.nc.PublishMsg(m); !linkLost(err) {
			return err
		}
	}
	if c.nc.IsClosed() {
		return ErrClosed
	}
	size := len(m.Subject) + len(m.Data)
	if w.bytes+size > c.pending {
		return ErrPending
	}
	kept := &Msg{Subject: m.Subject, Reply: m.Reply, Data: append([]byte(nil), m.Data...)}
	for key, values := range m.Header {
		set(kept, key, values[0])
	}
	w.queue = append(w.queue, kept)
	w.bytes += size
	w.some.Store(true)
	return nil
}

// release publishes what waits. If the link is lost again meanwhile, the rest waits for the next one.
func (c *Conn) release() {
	w := &c.waiting
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 {
		m := w.queue[0]
		if err := c.nc.PublishMsg(m); linkLost(err) {
			return
		}
		w.queue[0] = nil
		w.queue = w.queue[1:]
		w.bytes -= len(m.Subject) + len(m.Data)
	}
	w.queue = nil
	w.some.Store(false)
}
