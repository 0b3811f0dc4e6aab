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
	wires   [routers][]wired   // to each router
	parts   [routers][]wired   // of a snapshot that is being sent to it
}

// routers is how many there are: each loses other messages than the others, and restarts for itself.
const routers = 2

type wired struct {
	batch   backplane.Batch
	request uint64 // for parts of snapshots
}

// world is some nodes, routers' tables, and a network between them that loses.
type world struct {
	rnd    *rand.Rand
	now    time.Time
	nodes  []*fakeNode
	copies [routers]*replica
	lossy  bool
	next   int

	partsLost int // parts of snapshots that were lost and not the last of theirs
	moved     int // watchers that went to another router, or began anew
}

// replica is what one router has.
type replica struct {
	number  int
	table   *table
	watches *watches
	told    []told            // by its watches so far
	left    map[string]uint64 // nodes whose leaving this table has read, and the epoch
}

func newReplica(number int) *replica {
	t := newTable(time.Second)
	return &replica{number: number, table: t, watches: newWatches(t, 5*time.Second, 100, 1000), left: map[string]uint64{}}
}

func newWorld(seed uint64) *world {
	w := &world{rnd: rand.New(rand.NewPCG(seed, 1)), now: start(), lossy: true}
	for i := range w.copies {
		w.copies[i] = newReplica(i)
	}
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

// setUser makes a socket a user's.
func (w *world) setUser(n *fakeNode, id string, f *fact) {
	for r := range f.rooms {
		if _, ok := backplane.UserOf(r); ok {
			delete(f.rooms, r)
			n.pending = append(n.pending, left(id, r))
		}
	}
	if user := w.rnd.IntN(4); user > 0 {
		r := backplane.UserRoom(fmt.Sprint("u", user))
		f.rooms[r] = true
		n.pending = append(n.pending, joined(id, r))
	}
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
	switch w.rnd.IntN(8) {
	case 7:
		w.setUser(n, id, f)
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
	for to := range routers {
		for range 1 + w.rnd.IntN(2) {
			if !w.lossy || w.chance(85) {
				n.wires[to] = append(n.wires[to], b)
			}
		}
		if len(n.parts[to]) > 0 { // the snapshot's parts go out between batches
			if !w.lossy || w.chance(85) {
				n.wires[to] = append(n.wires[to], n.parts[to][0])
			} else if n.parts[to][0].batch.More {
				w.partsLost++
			}
			n.parts[to] = n.parts[to][1:]
		}
	}
}

// snapshot takes the node's snapshot and begins to send it.
func (n *fakeNode) snapshot(w *world, to int, request uint64) {
	n.flush(w)
	n.parts[to] = nil
	var changes []backplane.Change
	for id, f := range n.facts {
		c := added(id, f.nsp, f.worker, slices.Sorted(maps.Keys(f.rooms))...)
		c.Data = []byte(f.data)
		changes = append(changes, c)
	}
	for number := uint64(0); number == 0 || len(changes) > 0; number++ {
		some := changes[:min(len(changes), 1+w.rnd.IntN(5))]
		changes = changes[len(some):]
		n.parts[to] = append(n.parts[to], wired{*part(number, snap(n.id, n.epoch, n.version, len(changes) > 0, some...)), request})
	}
}

// restart begins a new epoch, with no sockets.
func (n *fakeNode) restart() {
	*n = fakeNode{id: n.id, epoch: n.epoch + 1, facts: map[string]*fact{}, wires: n.wires}
}

// leave stops the node as it should, and starts it again. A batch that was published before comes once more at the end.
func (n *fakeNode) leave(w *world) {
	for _, id := range slices.Sorted(maps.Keys(n.facts)) {
		n.remove(id)
	}
	n.flush(w)
	n.parts = [routers][]wired{}
	end := wired{batch: backplane.Batch{Node: n.id, Epoch: n.epoch, Version: n.version, Leaving: true}}
	for to := range routers {
		if w.chance(85) {
			n.wires[to] = append(n.wires[to], end)
		}
		n.wires[to] = append(n.wires[to], wired{batch: backplane.Batch{Node: n.id, Epoch: n.epoch, Version: n.version}})
	}
	n.restart()
}

// deliver lets a router read one message of a node.
func (w *world) deliver(c *replica, n *fakeNode) {
	wire := n.wires[c.number]
	if len(wire) == 0 {
		return
	}
	m := wire[0]
	n.wires[c.number] = wire[1:]
	// Encoded and decoded, as on the wire.
	b, err := backplane.DecodeBatch(backplane.AppendBatch(nil, &m.batch))
	if err != nil {
		panic(err)
	}
	if m.request != 0 {
		w.perform(c, c.table.snapshot(m.request, &b, w.now))
		return
	}
	result, out := c.table.feed(&b, w.now)
	if result == parted {
		c.left[b.Node] = b.Epoch
	}
	w.perform(c, out)
}

func (w *world) perform(c *replica, out effects) {
	for _, r := range out.Requests {
		for _, n := range w.nodes {
			if n.id == r.Node && (!w.lossy || w.chance(70)) {
				n.snapshot(w, c.number, r.ID)
			}
		}
	}
}

func (w *world) step() {
	w.now = w.now.Add(time.Duration(w.rnd.IntN(100)) * time.Millisecond)
	n, c := w.nodes[w.rnd.IntN(len(w.nodes))], w.copies[w.rnd.IntN(routers)]
	switch p := w.rnd.IntN(1000); {
	case p < 300:
		w.change(n)
	case p < 450:
		n.flush(w)
	case p < 980:
		w.deliver(c, n)
	case p < 985: // the router restarts; its new inbox gets no answers to the old one's requests
		asked := c.table.request
		w.copies[c.number] = newReplica(c.number)
		w.copies[c.number].table.request = asked
	case p < 987:
		n.restart()
	case p < 989:
		n.leave(w)
	case p < 992: // the node is cut off for longer than its lease
		if known := c.table.nodes[n.id]; known != nil {
			w.perform(c, c.table.drop(n.id, known.epoch, w.now))
		}
	default:
		w.perform(c, c.table.tick(w.now))
	}
}

// settle ends all loss and lets everything arrive.
func (w *world) settle() {
	w.lossy = false
	for range 200 {
		w.now = w.now.Add(time.Second)
		for _, n := range w.nodes {
			n.flush(w)
			for _, c := range w.copies {
				for len(n.wires[c.number]) > 0 {
					w.deliver(c, n)
				}
			}
		}
		for _, c := range w.copies {
			w.perform(c, c.table.tick(w.now))
		}
	}
}

func TestMembershipRandom(t *testing.T) {
	seeds := []uint64{*seed}
	if *seed == 0 {
		seeds = nil
		for range 16 {
			seeds = append(seeds, rand.Uint64())
		}
	}
	lost, moved := 0, 0
	for _, seed := range seeds {
		w := newWorld(seed)
		viewers := newViewers(w)
		for i := range 4000 {
			w.step()
			for _, v := range viewers {
				v.look(t)
			}
			for _, c := range w.copies {
				if i%50 == 0 {
					check(t, c.table.index)
				}
				for id, epoch := range c.left {
					if n := c.table.nodes[id]; n != nil && n.epoch <= epoch {
						t.Errorf("%s is back in epoch %d, which it had left", id, epoch)
					}
				}
			}
			if t.Failed() {
				t.Fatalf("replay with -seed %d: broken after step %d", seed, i)
			}
		}
		w.settle()
		for _, c := range w.copies {
			check(t, c.table.index)
			w.compare(t, c.table)
			w.compareQueries(t, c.table)
		}
		for _, v := range viewers {
			v.look(t)
			v.compare(t)
		}
		if t.Failed() {
			t.Fatalf("replay with -seed %d", seed)
		}
		lost += w.partsLost
		moved += w.moved
	}
	if lost == 0 || moved == 0 {
		t.Errorf("%d parts of snapshots were lost before their last, %d watchers moved: the test has lost its subject", lost, moved)
	}
}
