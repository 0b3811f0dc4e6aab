package router

import (
	"slices"
	"time"

	"patchbay/backplane"
)

// Bounds of the table.
const (
	// maxHeldChanges is how many changes of one node may wait for its snapshot. The oldest
	// are dropped first: the snapshot, taken later, has them already, and if not, the gap shows.
	maxHeldChanges = 1 << 18
	// maxSnapshotSockets is how many sockets one node's snapshot may have. It stops a
	// node that never ends its snapshot from filling memory.
	maxSnapshotSockets = 1 << 22
	// maxSnapshots is how many snapshots may be under way at once, so that a router that
	// starts in a large cluster does not overflow its own inbox.
	maxSnapshots = 8
	// maxBackoff is how often the wait for a snapshot that stands still doubles.
	maxBackoff = 4
	// maxGone is how many nodes' ends are remembered.
	maxGone = 1024
)

// outcome is what became of a batch.
type outcome string

// The outcomes, which are also values of a metric label.
const (
	applied   outcome = "applied"
	repeated  outcome = "repeated"  // nothing new; a beat is one too
	gapped    outcome = "gap"       // held, and a snapshot is needed
	held      outcome = "held"      // a snapshot is under way
	stale     outcome = "stale"     // of an epoch that is over
	parted    outcome = "left"      // the node has stopped, and is dropped
	malformed outcome = "malformed" // contradicts itself
)

// snapshotRequest asks the edge to request a node's snapshot. Parts that answer it come
// back with its ID.
type snapshotRequest struct {
	Node string
	ID   uint64
}

// effects are what the edge has to do after a call.
type effects struct {
	Requests []snapshotRequest
	Lost     []backplane.Lost // epochs that a newer one has ended
	Finished bool             // a snapshot was applied
}

// table is the membership index with its nodes' versions: it applies feeds, sees gaps and
// mends them with snapshots. It takes batches and times and returns effects; it
// has no clock and sends nothing. Owned by the router's loop.
type table struct {
	index   *index
	nodes   map[string]*node
	gone    map[string]ending // nodes dropped
	goneAge []string          // the same, oldest first
	wait    time.Duration     // how long a snapshot may stand still
	request uint64            // the last ID given to a request
	active  int               // requests under way
	strays  int               // changes that made no sense
}

// node is one gateway's feed as far as it was followed.
type node struct {
	id      string
	ref     uint32 // in the index
	epoch   uint64
	version uint64
	sync    *syncing // nil: no gap
}

// ending is what is remembered of a node that was dropped.
type ending struct {
	epoch uint64
	left  bool // it said so itself
	at    time.Time
}

// over reports whether an epoch of the node can bring nothing any more. A node whose lease ran out may have
// been cut off and come back in the same epoch; one that has left was its feed's end.
func (e ending) over(epoch uint64) bool { return epoch < e.epoch || epoch == e.epoch && e.left }

// newTable returns an empty table. A snapshot that stands still for wait is asked for again.
func newTable(wait time.Duration) *table {
	return &table{index: newIndex(), nodes: map[string]*node{}, gone: map[string]ending{}, wait: wait}
}

// feed takes a batch from a node's feed.
func (t *table) feed(b *backplane.Batch, now time.Time) (outcome, effects) {
	var out effects
	if b.Snapshot || !backplane.ValidID(b.Node) || uint64(len(b.Changes)) > b.Version {
		return malformed, out
	}
	n := t.nodes[b.Node]
	switch {
	case n == nil && t.gone[b.Node].over(b.Epoch), n != nil && b.Epoch < n.epoch:
		return stale, out
	case n == nil && b.Leaving:
		t.remember(b.Node, ending{epoch: b.Epoch, left: true, at: now})
		return parted, out
	case n == nil:
		if e, ok := t.gone[b.Node]; ok && e.epoch == b.Epoch {
			// It may not have heard that it was taken for dead: its sockets have ended for their workers.
			out.Lost = append(out.Lost, backplane.Lost{Node: b.Node, Epoch: b.Epoch})
		}
		n = &node{id: b.Node, ref: t.index.addNode(b.Node), epoch: b.Epoch}
		t.nodes[b.Node] = n
	case b.Epoch > n.epoch:
		out.Lost = append(out.Lost, backplane.Lost{Node: n.id, Epoch: n.epoch})
		t.restart(n, b.Epoch)
	}
	if b.Leaving {
		t.leave(n, b, now, &out)
		return parted, out
	}
	if n.sync != nil {
		n.sync.hold(b)
		return held, out
	}
	result := t.advance(n, b)
	if result == gapped {
		n.sync = &syncing{}
		n.sync.hold(b)
	}
	t.pump(now, &out)
	return result, out
}

// advance applies what a batch has beyond the node's version.
func (t *table) advance(n *node, b *backplane.Batch) outcome {
	if b.Version <= n.version {
		return repeated
	}
	base := b.Version - uint64(len(b.Changes))
	if base > n.version {
		return gapped
	}
	for i := n.version - base; i < uint64(len(b.Changes)); i++ {
		t.apply(n, &b.Changes[i])
	}
	n.version = b.Version
	return applied
}

func (t *table) apply(n *node, c *backplane.Change) {
	if !t.index.apply(n.ref, c) {
		t.strays++
	}
}

// restart empties a node for a new epoch.
func (t *table) restart(n *node, epoch uint64) {
	t.index.clearNode(n.ref)
	t.stop(n)
	n.epoch, n.version = epoch, 0
}

// leave drops a node that has stopped. It has taken out its sockets by then. Where the table still has some (a
// batch was lost, or a gap was being mended), workers may have missed their ends as well, and Lost is announced.
func (t *table) leave(n *node, b *backplane.Batch, now time.Time, out *effects) {
	if n.sync == nil {
		t.advance(n, b)
	}
	if t.index.claims(n.ref) {
		out.Lost = append(out.Lost, backplane.Lost{Node: n.id, Epoch: n.epoch})
	}
	t.remove(n, true, now)
	t.pump(now, out)
}

// drop forgets a node whose lease has run out, unless it has a newer epoch by now.
func (t *table) drop(id string, epoch uint64, now time.Time) (out effects) {
	n := t.nodes[id]
	if n == nil || n.epoch != epoch {
		return out
	}
	t.remove(n, false, now)
	t.pump(now, &out)
	return out
}

// remove takes a node out of the table, with the mending of its gap if there is one.
func (t *table) remove(n *node, left bool, now time.Time) {
	t.stop(n)
	t.index.removeNode(n.ref)
	delete(t.nodes, n.id)
	t.remember(n.id, ending{epoch: n.epoch, left: left, at: now})
}

// remember notes a node's end.
func (t *table) remember(id string, e ending) {
	if _, ok := t.gone[id]; !ok {
		t.goneAge = append(t.goneAge, id)
	}
	t.gone[id] = e
	if len(t.goneAge) > maxGone {
		delete(t.gone, t.goneAge[0])
		t.goneAge = slices.Delete(t.goneAge, 0, 1)
	}
}

// reached reports whether the table has what a node had published at a point. Of an
// epoch that has ended nothing is left, so that such a point is reached as well.
func (t *table) reached(s *backplane.Seen) bool {
	n := t.nodes[s.Node]
	if n == nil {
		e, ok := t.gone[s.Node]
		return ok && e.epoch >= s.Epoch
	}
	return n.epoch > s.Epoch || n.epoch == s.Epoch && n.version >= s.Version
}

// synced reports whether no node's gap is being mended.
func (t *table) synced() bool {
	for _, n := range t.nodes {
		if n.sync != nil {
			return false
		}
	}
	return true
}
