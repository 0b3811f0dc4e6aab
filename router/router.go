package router

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// ErrDisconnected is Ready's while NATS is out of reach.
var ErrDisconnected = errors.New("router: not connected to NATS")

// ErrLearning is Ready's until the router has heard and copied what lives.
var ErrLearning = errors.New("router: still learning the membership")

// ErrStopped is Ready's once Stop was called.
var ErrStopped = errors.New("router: stopped")

// Router is a running router. Its methods may be called from any goroutine.
type Router struct {
	conn  *backplane.Conn
	warm  *atomic.Bool
	log   *zap.Logger
	looks chan *look
	stop  chan struct{} // closed by Stop
	once  sync.Once
	last  context.Context // Stop's, set before stop is closed
	done  chan struct{}   // closed by the loop at its end
}

// Open connects to NATS, trying until ctx ends, and starts the router: one goroutine, which
// Stop ends. A router that was just opened admits sockets at once; Ready says when
// its index is worth asking.
func Open(ctx context.Context, o Options) (*Router, error) {
	o.fill()
	o.Backplane.Role = backplane.RoleRouter
	conn, err := backplane.Open(ctx, o.Backplane)
	if err != nil {
		return nil, fmt.Errorf("open router: %w", err)
	}
	l := newLoop(o, conn, time.Now())
	if err := l.open(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open router: %w", err)
	}
	r := &Router{conn: conn, warm: &l.warm, log: o.Log, looks: make(chan *look), stop: make(chan struct{}), done: make(chan struct{})}
	//patchbay:goroutine the router's loop: Stop closes stop and waits for done
	go func() {
		defer close(r.done)
		l.run(r.stop, r.looks)
		l.close(r.last)
	}()
	return r, nil
}

// Ready is nil when NATS is reachable and the router has learnt: a beat interval has passed
// since it asked everybody to show themselves, and the snapshots of all nodes that it heard
// are in. Otherwise it is ErrDisconnected, ErrLearning or ErrStopped.
func (r *Router) Ready() error {
	select {
	case <-r.stop:
		return ErrStopped
	default:
	}
	if !r.conn.Connected() {
		return ErrDisconnected
	}
	if !r.warm.Load() {
		return ErrLearning
	}
	return nil
}

// Stop leaves the queue groups and settles what the router holds and what is on its way to it: CONNECTs go to
// another router, or if there is none to a worker, or are refused with a word that says to retry; queries are answered as they can
// be. It then closes the connection and waits for the loop's end, or for ctx's, whose error it then returns. The
// ctx of the first call also bounds each wait for NATS, which is 10 s if it has no deadline. Stop may be called more than once.
func (r *Router) Stop(ctx context.Context) error {
	r.once.Do(func() {
		r.last = ctx
		close(r.stop)
	})
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop router: %w", ctx.Err())
	}
}
