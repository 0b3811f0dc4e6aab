package worker

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// pulseVerb is the verb of the worker's own subject on which it hears itself.
const pulseVerb = "pulse"

// fenceBeats is for how many beats a worker may serve events without a proof that it has heard all that was said to it. It is less
// than a lease, after which others have its sockets.
const fenceBeats = 3

// fence keeps a worker that was stopped, or cut off, for so long that it may have been taken for dead from serving events that are another's by
// now. With each beat the worker sends itself a message; when that comes back, all that was sent to it before has been
// read: the routers' word that it is lost, and gateways' word that a socket has another home. If the last such proof is too old, events wait for the
// next. Safe for concurrent use.
type fence struct {
	start time.Time
	most  time.Duration
	sent  atomic.Int64 // when the last message that came back was sent, in nanoseconds after start

	mu     sync.Mutex
	proven chan struct{} // closed by the next proof
}

func newFence(beat time.Duration) *fence {
	return &fence{start: time.Now(), most: fenceBeats * beat, proven: make(chan struct{})}
}

// pass reports whether events may be served at a time.
func (f *fence) pass(now time.Time) bool {
	return now.Sub(f.start)-time.Duration(f.sent.Load()) < f.most
}

// wait waits until they may. It returns false if ctx ends first.
func (f *fence) wait(ctx context.Context) bool {
	for {
		f.mu.Lock()
		proven := f.proven
		f.mu.Unlock()
		if f.pass(time.Now()) {
			return true
		}
		select {
		case <-proven:
		case <-ctx.Done():
			return false
		}
	}
}

// proof notes that a message came back that was sent at a time.
func (f *fence) proof(sent time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent.Store(int64(sent))
	close(f.proven)
	f.proven = make(chan struct{})
}

// pulse sends the message.
func (r *reader) pulse() {
	if r.app.run.guest || !r.conn.Connected() { // when it comes at last it would prove nothing
		return
	}
	sent := strconv.FormatInt(int64(time.Since(r.app.run.fence.start)), 10)
	if err := r.conn.Publish(r.conn.Worker(r.app.options.ID, pulseVerb, sent), nil); err != nil {
		r.app.options.Log.Warn("no pulse: events may have to wait for the next", zap.Error(err))
	}
}

// pulsed takes it.
func (r *reader) pulsed(m *backplane.Msg, arg string) {
	sent, err := strconv.ParseInt(arg, 10, 64)
	if now := time.Since(r.app.run.fence.start); err != nil || sent < 0 || time.Duration(sent) > now {
		r.malformed(m, err)
		return
	}
	r.app.run.fence.proof(time.Duration(sent))
}
