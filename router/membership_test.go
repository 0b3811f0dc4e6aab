package router

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"patchbay/backplane"
)

// seed replays a run of TestMembershipRandom: go test ./router -run MembershipRandom -seed N.
var seed = flag.Uint64("seed", 0, "seed of the randomised membership test; 0 takes new ones")

// fact is the naive truth about one socket.
type fact struct {
	nsp    string
	worker string
	rooms  map[string]bool
	data   string
}

// fakeNode is a gateway as the router sees it: its truth, and what it has published and the
// router has not read yet.
type fakeNode struct {
	id      string
	epoch   uint64
	version uint64
	facts   map[string]*fact
	pending []backplane.Change
	recent  []backplane.Change // published last
	wire    []wired
	parts   []wired // of a snapshot that is being sent
}

type wired struct {
	batch   backplane.Batch
	request uint64 // for parts of snapshots
}

// world is some nodes, one router's table, and a network between them that loses.
type world struct {
	rnd   *rand.Rand
	now   time.Time
	nodes []*fakeNode
	table *table
	lossy bool
	next  int

	left      map[string]uint64 // nodes whose leaving this table has read, and the epoch
	partsLost int               // parts of snapshots that were lost and not the last of theirs
}

func newWorld(seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 1)), now: start(), table: newTable(time.Second), lossy: true, left: map[string]uint64{}}
	for i := range 4 {
		w.nodes = append(w.nodes, &fakeNode{id: fmt.Sprint("n", i), epoch: 1, facts: map[string]*fact{}})
	}
	return w
}

func (w *world) chance(percent int) bool { return w.rnd.IntN(100) < percent }

func (w *world) roomNames() (list []string) {
	for range w.rnd.IntN(4) {
		list = append(list, fmt.Sprint("r", w.rnd.IntN(12)))
	}
	return list
}

// change makes one random change at a node.
func (w *world) change(n *fakeNode) {
	ids := slices.Sorted(maps.Keys(n.facts))
	if len(ids) == 0 || w.chance(30) {
		w.next++
		f := &fact{nsp: fmt.Sprint("/", w.rnd.IntN(3)), worker: fmt.Sprint("w", w.rnd.IntN(3)), rooms: map[string]bool{}}
		n.add(sid(w.next, n.id), f, w.roomNames())
		return
	}
	id := ids[w.rnd.IntN(len(ids))]
	f := n.facts[id]
	rooms := w.roomNames()
	switch w.rnd.IntN(7) {
	case 0, 1:
		n.remove(id)
	case 2, 3:
		for _, r := range rooms {
			f.rooms[r] = true
		}
		n.pending = append(n.pending, joined(id, rooms...))
	case 4:
		for _, r := range rooms {
			delete(f.rooms, r)
		}
		n.pending = append(n.pending, left(id, rooms...))
	case 5:
		f.data, f.worker = fmt.Sprintf(`{"n":%d}`, w.rnd.IntN(100)), fmt.Sprint("w", w.rnd.IntN(3))
		n.pending = append(n.pending,
			backplane.Change{Op: backplane.DataChanged, Socket: id, Data: []byte(f.data)},
			backplane.Change{Op: backplane.WorkerChanged, Socket: id, Worker: f.worker})
	case 6: // the session moves
		to := w.nodes[w.rnd.IntN(len(w.nodes))]
		if to == n {
			return
		}
		n.remove(id)
		moved := &fact{nsp: f.nsp, worker: f.worker, data: f.data, rooms: map[string]bool{}}
		to.add(id, moved, slices.Sorted(maps.Keys(f.rooms)))
	}
}

func (n *fakeNode) add(id string, f *fact, rooms []string) {
	for _, r := range rooms {
		f.rooms[r] = true
	}
	n.facts[id] = f
	c := added(id, f.nsp, f.worker, rooms...)
	c.Data = []byte(f.data)
	n.pending = append(n.pending, c)
}

func (n *fakeNode) remove(id string) {
	delete(n.facts, id)
	n.pending = append(n.pending, removed(id))
}

// flush publishes the pending changes, sometimes with some that were published before.
func (n *fakeNode) flush(w *world) {
	again := 0
	if w.lossy && w.chance(20) {
		again = w.rnd.IntN(len(n.recent) + 1)
	}
	n.version += uint64(len(n.pending))
	b := wired{batch: backplane.Batch{
		Node: n.id, Epoch: n.epoch, Version: n.version,
		Changes: append(slices.Clone(n.recent[len(n.recent)-again:]), n.pending...),
	}}
	n.recent, n.pending = append(n.recent, n.pending...), nil
	for range 1 + w.rnd.IntN(2) {
		if !w.lossy || w.chance(85) {
			n.wire = append(n.wire, b)
		}
	}
	if len(n.parts) > 0 { // the snapshot's parts go out between batches
		if !w.lossy || w.chance(85) {
			n.wire = append(n.wire, n.parts[0])
		} else if n.parts[0].batch.More {
			w.partsLost++
		}
		n.parts = n.parts[1:]
	}
}

// snapshot takes the node's snapshot and begins to send it.
func (n *fakeNode) snapshot(w *world, request uint64) {
	n.flush(w)
	n.parts = nil
	var changes []backplane.Change
	for id, f := range n.facts {
		c := added(id, f.nsp, f.worker, slices.Sorted(maps.Keys(f.rooms))...)
		c.Data = []byte(f.data)
		changes = append(changes, c)
	}
	for number := uint64(0); number == 0 || len(changes) > 0; number++ {
		some := changes[:min(len(changes), 1+w.rnd.IntN(5))]
		changes = changes[len(some):]
		n.parts = append(n.parts, wired{*part(number, snap(n.id, n.epoch, n.version, len(changes) > 0, some...)), request})
	}
}

// restart begins a new epoch, with no sockets.
func (n *fakeNode) restart() {
	*n = fakeNode{id: n.id, epoch: n.epoch + 1, facts: map[string]*fact{}, wire: n.wire}
}

// leave stops the node as it should, and starts it again. A batch that was published before comes once more at the end.
func (n *fakeNode) leave(w *world) {
	for _, id := range slices.Sorted(maps.Keys(n.facts)) {
		n.remove(id)
	}
	n.flush(w)
	n.parts = nil
	end := wired{batch: backplane.Batch{Node: n.id, Epoch: n.epoch, Version: n.version, Leaving: true}}
	if w.chance(85) {
		n.wire = append(n.wire, end)
	}
	n.wire = append(n.wire, wired{batch: backplane.Batch{Node: n.id, Epoch: n.epoch, Version: n.version}})
	n.restart()
}

// deliver lets the router read one message of a node.
func (w *world) deliver(n *fakeNode) {
	if len(n.wire) == 0 {
		return
	}
	m := n.wire[0]
	n.wire = n.wire[1:]
	// Encoded and decoded, as on the wire.
	b, err := backplane.DecodeBatch(backplane.AppendBatch(nil, &m.batch))
	if err != nil {
		panic(err)
	}
	if m.request != 0 {
		w.perform(w.table.snapshot(m.request, &b, w.now))
		return
	}
	result, out := w.table.feed(&b, w.now)
	if result == parted {
		w.left[b.Node] = b.Epoch
	}
	w.perform(out)
}

func (w *world) perform(out effects) {
	for _, r := range out.Requests {
		for _, n := range w.nodes {
			if n.id == r.Node && (!w.lossy || w.chance(70)) {
				n.snapshot(w, r.ID)
			}
		}
	}
}

func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.rnd.IntN(100)) * time.Millisecond)
	n := w.nodes[w.rnd.IntN(len(w.nodes))]
	switch p := w.rnd.IntN(1000); {
	case p < 400:
		w.change(n)
	case p < 600:
		n.flush(w)
	case p < 980:
		w.deliver(n)
	case p < 985: // the router restarts; its new inbox gets no answers to the old one's requests
		asked := w.table.request
		w.table = newTable(time.Second)
		w.table.request = asked
		clear(w.left)
	case p < 987:
		n.restart()
	case p < 989:
		n.leave(w)
	case p < 992: // the node is cut off for longer than its lease
		if known := w.table.nodes[n.id]; known != nil {
			w.perform(w.table.drop(n.id, known.epoch, w.now))
		}
	default:
		w.perform(w.table.tick(w.now))
	}
}

// settle ends all loss and lets everything arrive.
func (w *world) settle() {
	w.lossy = false
	for range 200 {
		w.now = w.now.Add(time.Second)
		for _, n := range w.nodes {
			n.flush(w)
			for len(n.wire) > 0 {
				w.deliver(n)
			}
		}
		w.perform(w.table.tick(w.now))
	}
}

func TestMembershipRandom(t *testing.T) {
	seeds := []uint64{*seed}
	if *seed == 0 {
		seeds = nil
		for range 30 {
			seeds = append(seeds, rand.Uint64())
		}
	}
	lost := 0
	for _, seed := range seeds {
		w := newWorld(seed)
		for i := range 4000 {
			w.step()
			if i%50 == 0 {
				check(t, w.table.index)
			}
			for id, epoch := range w.left {
				if n := w.table.nodes[id]; n != nil && n.epoch <= epoch {
					t.Errorf("%s is back in epoch %d, which it had left", id, epoch)
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d: broken after step %d", seed, i)
			}
		}
		w.settle()
		check(t, w.table.index)
		w.compare(t)
		if t.Failed() {
			t.Fatalf("replay with -seed %d", seed)
		}
		lost += w.partsLost
	}
	if lost == 0 {
		t.Error("no part of a snapshot was lost before its last: the test has lost its subject")
	}
}

// compare holds the table against the nodes' truth.
func (w *world) compare(t *testing.T) {
	t.Helper()
	if !w.table.synced() || w.table.strays != 0 {
		t.Errorf("synced %v, %d strays", w.table.synced(), w.table.strays)
	}
	sockets := map[string]int{}          // by namespace
	rooms := map[string]map[string]int{} // by namespace and name
	total := 0
	for _, n := range w.nodes {
		total += len(n.facts)
		for id, f := range n.facts {
			sockets[f.nsp]++
			if rooms[f.nsp] == nil {
				rooms[f.nsp] = map[string]int{}
			}
			for r := range f.rooms {
				rooms[f.nsp][r]++
			}
			w.compareSocket(t, n, id, f)
		}
	}
	if got := w.table.index.sockets.len(); got != total {
		t.Errorf("%d sockets, want %d", got, total)
	}
	for i := range 3 {
		nsp := fmt.Sprint("/", i)
		var a backplane.Answer
		p := pager{index: w.table.index, query: &backplane.Query{Namespace: nsp}, limit: 100, budget: 1 << 20}
		p.rooms(&a)
		got := map[string]int{}
		for _, r := range a.Rooms {
			got[r.Name] = r.Sockets
		}
		if len(got) != len(rooms[nsp]) || len(got) > 0 && !maps.Equal(got, rooms[nsp]) {
			t.Errorf("rooms of %s: %v, want %v", nsp, got, rooms[nsp])
		}
		if p.count() != sockets[nsp] {
			t.Errorf("%d sockets in %s, want %d", p.count(), nsp, sockets[nsp])
		}
	}
}

func (w *world) compareSocket(t *testing.T, n *fakeNode, id string, f *fact) {
	t.Helper()
	slot, ok := w.table.index.find(id)
	if !ok {
		t.Errorf("%s is missing", id)
		return
	}
	p := pager{index: w.table.index}
	got := p.socket(slot)
	want := append(slices.Collect(maps.Keys(f.rooms)), id)
	slices.Sort(want)
	if got.Node != n.id || got.Worker != f.worker || string(got.Data) != f.data || !slices.Equal(got.Rooms, want) {
		t.Errorf("%+v, want %+v on %s", got, f, n.id)
	}
}

// check holds the index's cross-references against each other.
func check(t *testing.T, x *index) {
	t.Helper()
	if len(x.byKey) != x.sockets.len() {
		t.Errorf("%d keys, %d sockets", len(x.byKey), x.sockets.len())
	}
	memberships, members := 0, 0
	for k, slot := range x.byKey {
		s := x.sockets.at(slot)
		if s.key != k || x.nodes.at(s.node).sockets[s.nodePos] != slot || x.namespaces.at(s.nsp).sockets[s.nspPos] != slot {
			t.Errorf("socket %d is not where it says", slot)
		}
		for at, m := range s.rooms {
			memberships++
			if got := x.rooms.at(m.room).members[m.pos]; got != (member{slot, uint32(at)}) {
				t.Errorf("socket %d: room %d has %v", slot, m.room, got)
			}
		}
	}
	listed, named := 0, 0
	for name, i := range x.byName {
		n := x.namespaces.at(i)
		listed += len(n.sockets)
		if n.name != name || len(n.sockets) == 0 {
			t.Errorf("namespace %s: %q with %d sockets", name, n.name, len(n.sockets))
		}
		for name, r := range n.rooms {
			named++
			members += len(x.rooms.at(r).members)
			if got := x.rooms.at(r); got.name != name || got.nsp != i || len(got.members) == 0 {
				t.Errorf("room %s: %+v", name, got)
			}
		}
	}
	if memberships != members || listed != x.sockets.len() || named != x.rooms.len() {
		t.Errorf("%d memberships, %d members; %d of %d sockets listed; %d of %d rooms named",
			memberships, members, listed, x.sockets.len(), named, x.rooms.len())
	}
}
