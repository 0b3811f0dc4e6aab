package router

import (
	"time"

	"patchbay/backplane"
)

// syncing is the mending of one node's gap: the parts of its snapshot so far, and the
// batches that came on the feed meanwhile.
type syncing struct {
	request uint64 // 0: not yet sent
	tries   int    // requests sent
	moved   time.Time
	next    uint64 // the number of the part that is due
	version uint64
	sockets []backplane.Change
	held    []backplane.Batch
	changes int // in held
}

// hold keeps a batch for after the snapshot.
func (s *syncing) hold(b *backplane.Batch) {
	s.held = append(s.held, *b)
	s.changes += len(b.Changes) + 1 // beats count as well: they show a gap at the end
	drop := 0
	for s.changes > maxHeldChanges && drop < len(s.held)-1 {
		s.changes -= len(s.held[drop].Changes) + 1
		drop++
	}
	if drop > 0 {
		s.held = append(s.held[:0], s.held[drop:]...)
	}
}

// snapshot takes a part of the snapshot that a request asked for. Parts of other requests are
// late answers and are ignored.
func (t *table) snapshot(request uint64, b *backplane.Batch, now time.Time) (out effects) {
	n := t.nodes[b.Node]
	if n == nil || n.sync == nil || n.sync.request != request || request == 0 || !b.Snapshot {
		return out
	}
	s := n.sync
	if b.Epoch < n.epoch {
		return out
	}
	if b.Epoch > n.epoch { // the node has restarted; its feed will say so, or has been missed
		out.Lost = append(out.Lost, backplane.Lost{Node: n.id, Epoch: n.epoch})
		t.index.clearNode(n.ref)
		n.epoch, n.version = b.Epoch, 0
		s.next, s.sockets, s.held, s.changes = 0, nil, nil, 0
	}
	if b.Part != s.next || s.next > 0 && s.version != b.Version || len(s.sockets)+len(b.Changes) > maxSnapshotSockets {
		t.discard(n, now, &out)
		return out
	}
	s.next, s.version, s.moved = s.next+1, b.Version, now
	s.sockets = append(s.sockets, b.Changes...)
	if b.More {
		return out
	}
	t.adopt(n)
	out.Finished = true
	t.pump(now, &out)
	return out
}

// adopt puts a whole snapshot in the place of what was known of the node, and then
// the held batches.
func (t *table) adopt(n *node) {
	s := n.sync
	t.stop(n)
	t.index.clearNode(n.ref)
	for i := range s.sockets {
		if s.sockets[i].Op != backplane.SocketAdded {
			t.strays++
			continue
		}
		t.apply(n, &s.sockets[i])
	}
	n.version = s.version
	for i := range s.held {
		b := &s.held[i]
		if n.sync != nil {
			n.sync.hold(b)
			continue
		}
		if t.advance(n, b) == gapped {
			n.sync = &syncing{}
			n.sync.hold(b)
		}
	}
}

// stop ends the mending of a node's gap.
func (t *table) stop(n *node) {
	if n.sync != nil && n.sync.request != 0 {
		t.active--
	}
	n.sync = nil
}

// ask requests a node's snapshot, anew if it was requested before.
func (t *table) ask(n *node, now time.Time, out *effects) {
	s := n.sync
	if s.request == 0 {
		t.active++
	}
	t.request++
	s.tries++
	s.request, s.moved, s.next, s.sockets = t.request, now, 0, nil
	out.Requests = append(out.Requests, snapshotRequest{Node: n.id, ID: s.request})
}

// discard gives up a snapshot of which a part was lost or contradicts the others. It is asked for again at
// once if it was the first try. After that it waits like one that stands still: what lost a part twice is
// probably a flood, which more snapshots would feed, and a node that numbers wrongly would be asked without end.
func (t *table) discard(n *node, now time.Time, out *effects) {
	s := n.sync
	if s.tries < 2 {
		t.ask(n, now, out)
		return
	}
	t.request++ // an ID that nobody was given, so that parts still to come are ignored
	s.request, s.next, s.sockets = t.request, 0, nil
}

// pump requests the snapshots that wait, as many as may be under way.
func (t *table) pump(now time.Time, out *effects) {
	if t.active >= maxSnapshots {
		return
	}
	for _, n := range t.nodes {
		if n.sync != nil && n.sync.request == 0 {
			t.ask(n, now, out)
		}
		if t.active >= maxSnapshots {
			return
		}
	}
}

// tick asks again for snapshots that stand still.
func (t *table) tick(now time.Time) (out effects) {
	for _, n := range t.nodes {
		if n.sync == nil || n.sync.request == 0 {
			continue
		}
		// Each try waits longer: a node that is busy with a large snapshot must not be asked for
		// the next before it could give this one.
		if wait := t.wait << min(n.sync.tries-1, maxBackoff); now.Sub(n.sync.moved) >= wait {
			t.ask(n, now, &out)
		}
	}
	t.pump(now, &out)
	return out
}
