package worker

import (
	"runtime"
	"sync"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// maxConfirmBytes is the size from which confirmations for one gateway leave in several messages.
const maxConfirmBytes = 32 << 10

// maxIdleBatches is how many gateways' buffers are kept in any case. Gateways come and go.
const maxIdleBatches = 64

// confirmer tells gateways which events are done with. A socket whose handler has finished is put on its list; its
// goroutine takes the list, publishes one message to each gateway concerned, and takes it again. So a lone event is confirmed at once, right
// behind what its handler has emitted, and under load those that finish meanwhile go together. An event that was
// acknowledged needs none of it. Safe for concurrent use.
type confirmer struct {
	app     *App
	mu      sync.Mutex
	list    []*Socket
	wake    chan struct{}
	quit    chan struct{} // closed to end it, with the list empty
	ended   chan struct{} // closed when it has
	taken   []*Socket     // of its goroutine, as what follows
	batches map[string][]byte
}

func newConfirmer(a *App) *confirmer {
	return &confirmer{
		app: a, wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}), batches: map[string][]byte{},
	}
}

// add puts a socket on the list. What is confirmed is what is done when it is taken.
func (c *confirmer) add(s *Socket) {
	c.mu.Lock()
	if s.listed {
		c.mu.Unlock()
		return
	}
	s.listed = true
	c.list = append(c.list, s)
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run is the goroutine.
func (c *confirmer) run(conn *backplane.Conn) {
	defer close(c.ended)
	for {
		select {
		case <-c.wake:
			// Handlers that can run now may run first: theirs then go along. When nobody is waiting for a processor this does nothing.
			runtime.Gosched()
			c.flush(conn)
		case <-c.quit:
			c.flush(conn)
			return
		}
	}
}

// flush confirms what is on the list.
func (c *confirmer) flush(conn *backplane.Conn) {
	c.mu.Lock()
	c.list, c.taken = c.taken[:0], c.list
	for _, s := range c.taken {
		s.listed = false
	}
	c.mu.Unlock()
	for i, s := range c.taken {
		c.taken[i] = nil
		// The node after done: if the socket has moved between the two, the new node was told what is done as it asked, or is told here.
		done := s.done.Load()
		node := s.Node()
		batch := backplane.AppendConfirmation(c.batches[node], s.id, done)
		if len(batch) >= maxConfirmBytes {
			c.publish(conn, node, batch)
			batch = batch[:0]
		}
		c.batches[node] = batch
	}
	for node, batch := range c.batches {
		if len(batch) == 0 {
			if len(c.batches) > maxIdleBatches {
				delete(c.batches, node)
			}
			continue
		}
		c.publish(conn, node, batch)
		c.batches[node] = batch[:0]
	}
}

func (c *confirmer) publish(conn *backplane.Conn, node string, batch []byte) {
	c.app.metrics.confirmations.Inc()
	if err := conn.Publish(conn.Node(node, backplane.VerbConfirm, ""), batch); err != nil {
		// The gateway will ask.
		c.app.options.Log.Warn("cannot confirm events", zap.String("node", node), zap.Error(err))
	}
}
