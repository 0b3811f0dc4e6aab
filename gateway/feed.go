package gateway

import (
	"sync"
	"time"

	"patchbay/backplane"
)

const (
	// beatInterval is how often a node is heard at least: a fifth of the routers' default lease.
	beatInterval = time.Second
	// batchSize is how many changes travel in one message at most.
	batchSize = 1024
	// batchBytes is how large a batch gets, unless one change alone is larger: a message that NATS
	// refuses would be a gap in the feed, and in every snapshot that is to mend it.
	batchBytes = 256 << 10
)

// feed numbers the node's membership changes and publishes them. Changes are added on loops; one
// goroutine publishes. The mutex covers version and pending.
type feed struct {
	gw     *Gateway
	wakeup chan struct{} // capacity 1: something is pending
	beats  chan struct{} // capacity 1: a beat is asked for
	asked  chan string   // reply subjects of snapshot requests
	done   chan struct{}

	mu      sync.Mutex
	version uint64
	pending []backplane.Change
}

// maxAsked bounds the snapshot requests that wait; a router whose request is dropped asks again.
const maxAsked = 64

func newFeed(gw *Gateway) *feed {
	return &feed{
		gw: gw, wakeup: make(chan struct{}, 1), beats: make(chan struct{}, 1),
		asked: make(chan string, maxAsked), done: make(chan struct{}),
	}
}

// add appends a change. A socket's changes are added by its loop, and so in order.
func (f *feed) add(c backplane.Change) {
	f.mu.Lock()
	f.version++
	f.pending = append(f.pending, c)
	f.mu.Unlock()
	signal(f.wakeup)
}

// seen is the point in the feed that includes all that was added so far.
func (f *feed) seen() backplane.Seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return backplane.Seen{Node: f.gw.options.ID, Epoch: f.gw.epoch.Load(), Version: f.version}
}

// restart begins a new epoch's feed, empty.
func (f *feed) restart() {
	f.mu.Lock()
	f.version, f.pending = 0, nil
	f.mu.Unlock()
	f.beat()
}

// beat publishes a sign of life soon.
func (f *feed) beat() { signal(f.beats) }

// snapshot publishes the whole membership to a router soon.
func (f *feed) snapshot(reply string) {
	select {
	case f.asked <- reply:
	default:
	}
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run is the feed's goroutine. It ends, with all changes published, when stop is closed.
func (f *feed) run(stop <-chan struct{}) {
	defer close(f.done)
	beat := time.NewTicker(beatInterval)
	defer beat.Stop()
	for {
		select {
		case <-f.wakeup:
			// At once: a client that has its CONNECT packet is in the index by the time that anyone can ask
			// because of it. Under load, what is added while this publishes travels together.
			f.flush()
		case <-beat.C:
			f.publish(nil, f.flush())
			f.gw.sweepInterest()
		case <-f.beats:
			f.publish(nil, f.flush())
		case reply := <-f.asked:
			f.answer(reply, stop)
		case <-stop:
			f.leave(f.flush())
			return
		}
	}
}

// leave tells the routers that the node has ended as it should: nothing of it is missing.
func (f *feed) leave(version uint64) {
	b := backplane.Batch{Node: f.gw.options.ID, Epoch: f.gw.epoch.Load(), Version: version, Leaving: true}
	f.gw.countPublish(f.gw.conn.Publish(f.gw.conn.Feed(f.gw.options.ID), backplane.AppendBatch(nil, &b)))
}

// flush publishes what is pending, and returns the version that it reached.
func (f *feed) flush() uint64 {
	f.mu.Lock()
	changes, version := f.pending, f.version
	f.pending = nil
	f.mu.Unlock()
	at := version - uint64(len(changes))
	for len(changes) > 0 {
		n := f.fit(changes)
		at += uint64(n)
		f.publish(changes[:n], at)
		changes = changes[n:]
	}
	return version
}

// fit is how many of the changes go into one batch.
func (f *feed) fit(changes []backplane.Change) int {
	const overhead = 32 // of a change's numbers and lengths
	size, limit := 0, min(batchBytes, f.gw.maxMessage/2)
	for i := range changes {
		c := &changes[i]
		size += overhead + len(c.Socket) + len(c.Namespace) + len(c.Worker) + len(c.Data)
		for _, room := range c.Rooms {
			size += len(room) + 3
		}
		if i == batchSize || i > 0 && size > limit {
			return i
		}
	}
	return len(changes)
}

func (f *feed) publish(changes []backplane.Change, version uint64) {
	b := backplane.Batch{Node: f.gw.options.ID, Epoch: f.gw.epoch.Load(), Version: version, Changes: changes}
	f.gw.countPublish(f.gw.conn.Publish(f.gw.conn.Feed(f.gw.options.ID), backplane.AppendBatch(nil, &b)))
}

// answer publishes a snapshot. Its version is that of before the sockets were gathered: what changed
// meanwhile may be in it already, and comes again in the feed, where applying it twice does no harm.
func (f *feed) answer(reply string, stop <-chan struct{}) {
	version := f.flush()
	var all []backplane.Change
	for _, l := range f.gw.loops {
		g := &gather{result: make(chan []backplane.Change, 1)}
		if !l.post(g) {
			return
		}
		select {
		case changes := <-g.result:
			all = append(all, changes...)
		case <-stop:
			return
		}
	}
	for part := uint64(0); part == 0 || len(all) > 0; part++ {
		n := f.fit(all)
		b := backplane.Batch{
			Node: f.gw.options.ID, Epoch: f.gw.epoch.Load(), Version: version,
			Snapshot: true, Part: part, More: n < len(all), Changes: all[:n],
		}
		f.gw.countPublish(f.gw.conn.Publish(reply, backplane.AppendBatch(nil, &b)))
		all = all[n:]
	}
}

// gather collects a loop's sockets.
type gather struct{ result chan []backplane.Change }

func (g *gather) run(l *loop) {
	changes := make([]backplane.Change, 0, len(l.sockets))
	for _, k := range l.sockets {
		if k.here() {
			changes = append(changes, k.added())
		}
	}
	g.result <- changes
}

// cancel implements canceller.
func (g *gather) cancel() { g.result <- nil }
