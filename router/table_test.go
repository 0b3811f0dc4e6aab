package router

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"patchbay/backplane"
)

// start is when all tests' clocks begin.
func start() time.Time { return time.Unix(1_000_000, 0) }

// sid makes a socket id of node n that is readable in failures.
func sid(i int, node string) string { return fmt.Sprintf("A%015d_%s", i, node) }

func added(socket, nsp, worker string, rooms ...string) backplane.Change {
	return backplane.Change{Op: backplane.SocketAdded, Socket: socket, Namespace: nsp, Worker: worker, Rooms: rooms}
}

func removed(socket string) backplane.Change {
	return backplane.Change{Op: backplane.SocketRemoved, Socket: socket}
}

func joined(socket string, rooms ...string) backplane.Change {
	return backplane.Change{Op: backplane.RoomsJoined, Socket: socket, Rooms: rooms}
}

func left(socket string, rooms ...string) backplane.Change {
	return backplane.Change{Op: backplane.RoomsLeft, Socket: socket, Rooms: rooms}
}

func batch(node string, epoch, version uint64, changes ...backplane.Change) *backplane.Batch {
	return &backplane.Batch{Node: node, Epoch: epoch, Version: version, Changes: changes}
}

func snap(node string, epoch, version uint64, more bool, changes ...backplane.Change) *backplane.Batch {
	return &backplane.Batch{Node: node, Epoch: epoch, Version: version, Snapshot: true, More: more, Changes: changes}
}

// part numbers a part of a snapshot; snap makes part 0.
func part(number uint64, b *backplane.Batch) *backplane.Batch {
	b.Part = number
	return b
}

// ids lists a room's (nil: the namespace's) sockets through the same pager as queries.
func ids(t *table, nsp string, room *string) []string {
	var a backplane.Answer
	p := pager{scope: newScope(t.index, &backplane.Query{Namespace: nsp, Room: room}), limit: MaxPage, budget: 1 << 30}
	p.sockets(&a)
	list := []string{}
	for _, s := range a.Sockets {
		list = append(list, s.ID)
	}
	return list
}

func TestFeedVersions(t *testing.T) {
	a1, a2, a3 := sid(1, "na"), sid(2, "na"), sid(3, "na")
	add := func(id string) backplane.Change { return added(id, "/", "w1", "r") }
	tests := []struct {
		name    string
		batches []*backplane.Batch
		want    []outcome
		sockets []string
	}{
		{"in order", []*backplane.Batch{batch("na", 1, 1, add(a1)), batch("na", 1, 2, add(a2))}, []outcome{applied, applied}, []string{a1, a2}},
		{"beat", []*backplane.Batch{batch("na", 1, 0), batch("na", 1, 1, add(a1)), batch("na", 1, 1)}, []outcome{repeated, applied, repeated}, []string{a1}},
		{"repeated", []*backplane.Batch{batch("na", 1, 1, add(a1)), batch("na", 1, 1, add(a1))}, []outcome{applied, repeated}, []string{a1}},
		{"overlapping", []*backplane.Batch{batch("na", 1, 2, add(a1), add(a2)), batch("na", 1, 4, removed(a2), add(a3)), batch("na", 1, 4, add(a2), removed(a2), add(a3))}, []outcome{applied, applied, repeated}, []string{a1, a3}},
		{"trimmed", []*backplane.Batch{batch("na", 1, 2, add(a1), removed(a1)), batch("na", 1, 3, add(a1), removed(a1), add(a2))}, []outcome{applied, applied}, []string{a2}},
		{"gap", []*backplane.Batch{batch("na", 1, 1, add(a1)), batch("na", 1, 3, add(a3)), batch("na", 1, 4, removed(a3))}, []outcome{applied, gapped, held}, []string{a1}},
		{"gap shown by a beat", []*backplane.Batch{batch("na", 1, 1, add(a1)), batch("na", 1, 2)}, []outcome{applied, gapped}, []string{a1}},
		{"first sight is late", []*backplane.Batch{batch("na", 1, 7)}, []outcome{gapped}, []string{}},
		{"newer epoch", []*backplane.Batch{batch("na", 1, 1, add(a1)), batch("na", 2, 1, add(a2))}, []outcome{applied, applied}, []string{a2}},
		{"older epoch", []*backplane.Batch{batch("na", 2, 1, add(a1)), batch("na", 1, 2, add(a2))}, []outcome{applied, stale}, []string{a1}},
		{"more changes than versions", []*backplane.Batch{batch("na", 1, 1, add(a1), add(a2))}, []outcome{malformed}, []string{}},
		{"snapshot on the feed", []*backplane.Batch{snap("na", 1, 1, false, add(a1))}, []outcome{malformed}, []string{}},
		{"bad node", []*backplane.Batch{batch("N.A", 1, 1, add(a1))}, []outcome{malformed}, []string{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table := newTable(time.Second)
			for i, b := range test.batches {
				if got, _ := table.feed(b, start()); got != test.want[i] {
					t.Errorf("batch %d: %s, want %s", i, got, test.want[i])
				}
			}
			if got := ids(table, "/", nil); !slices.Equal(got, test.sockets) {
				t.Errorf("sockets %v, want %v", got, test.sockets)
			}
		})
	}
}

func TestNewEpochEndsTheOld(t *testing.T) {
	table := newTable(time.Second)
	table.feed(batch("na", 3, 1, added(sid(1, "na"), "/", "w1")), start())
	_, out := table.feed(batch("na", 4, 0), start())
	if want := []backplane.Lost{{Node: "na", Epoch: 3}}; !slices.Equal(out.Lost, want) {
		t.Errorf("lost %v, want %v", out.Lost, want)
	}
}

func TestSnapshotMendsGap(t *testing.T) {
	table := newTable(time.Second)
	a1, a2, a3, a4 := sid(1, "na"), sid(2, "na"), sid(3, "na"), sid(4, "na")
	table.feed(batch("na", 1, 1, added(a1, "/", "w")), start())
	_, out := table.feed(batch("na", 1, 5, removed(a3)), start())
	if len(out.Requests) != 1 || out.Requests[0].Node != "na" {
		t.Fatalf("requests %v", out.Requests)
	}
	id := out.Requests[0].ID
	table.snapshot(id, snap("na", 1, 6, true, added(a2, "/", "w")), start())
	// Overlaps the snapshot by one change, and goes on for one.
	table.feed(batch("na", 1, 7, added(a4, "/", "w"), removed(a2)), start())
	if table.synced() || !slices.Equal(ids(table, "/", nil), []string{a1}) {
		t.Errorf("half a snapshot shows: %v", ids(table, "/", nil))
	}
	out = table.snapshot(id, part(1, snap("na", 1, 6, false, added(a4, "/", "w"))), start())
	if !out.Finished || !table.synced() {
		t.Error("not synced after the last part")
	}
	if got := ids(table, "/", nil); !slices.Equal(got, []string{a4}) {
		t.Errorf("sockets %v, want %v", got, a4)
	}
	if got := table.nodes["na"].version; got != 7 {
		t.Errorf("version %d, want 7", got)
	}
}

func TestSnapshotStandsStill(t *testing.T) {
	table := newTable(time.Second)
	_, out := table.feed(batch("na", 1, 2), start())
	first := out.Requests[0].ID
	table.snapshot(first, snap("na", 1, 2, true, added(sid(1, "na"), "/", "w")), start())
	if out := table.tick(start().Add(999 * time.Millisecond)); len(out.Requests) != 0 {
		t.Error("asked again too early")
	}
	out = table.tick(start().Add(time.Second))
	if len(out.Requests) != 1 {
		t.Fatal("did not ask again")
	}
	table.snapshot(first, part(1, snap("na", 1, 2, false)), start())
	if table.synced() {
		t.Error("a late answer to the first request was taken")
	}
	if out := table.tick(start().Add(2 * time.Second)); len(out.Requests) != 0 {
		t.Error("the second wait must be longer")
	}
	table.snapshot(out.Requests[0].ID, snap("na", 1, 2, false, added(sid(2, "na"), "/", "w")), start())
	if got := ids(table, "/", nil); !slices.Equal(got, []string{sid(2, "na")}) {
		t.Errorf("sockets %v: parts of two snapshots were mixed", got)
	}
}

// A snapshot whose parts do not follow each other is given up as soon as that shows: at the first time it is
// asked for again at once, later only after the wait of one that stands still.
func TestSnapshotPartsInOrder(t *testing.T) {
	a1, a2, a3, a4 := sid(1, "na"), sid(2, "na"), sid(3, "na"), sid(4, "na")
	snapshot := func() []*backplane.Batch {
		return []*backplane.Batch{
			snap("na", 1, 4, true, added(a1, "/", "w")),
			part(1, snap("na", 1, 4, true, added(a2, "/", "w"))),
			part(2, snap("na", 1, 4, true, added(a3, "/", "w"))),
			part(3, snap("na", 1, 4, false, added(a4, "/", "w"))),
		}
	}
	moved := func(p *backplane.Batch) *backplane.Batch { p.Version++; return p }
	p := snapshot()
	for name, parts := range map[string][]*backplane.Batch{
		"the first is lost":  {p[1], p[2], p[3]},
		"one is lost":        {p[0], p[2], p[3]},
		"two are lost":       {p[0], p[3]},
		"all but the last":   {p[3]},
		"one comes twice":    {p[0], p[1], p[1], p[2], p[3]},
		"two change places":  {p[0], p[2], p[1], p[3]},
		"the version jumped": {p[0], moved(snapshot()[1]), moved(snapshot()[2]), moved(snapshot()[3])},
	} {
		t.Run(name, func(t *testing.T) {
			table := newTable(time.Second)
			_, out := table.feed(batch("na", 1, 4), start())
			id := out.Requests[0].ID
			now := start()
			for try := range 3 {
				var asked []snapshotRequest
				for _, b := range parts {
					out := table.snapshot(id, b, now)
					if out.Finished || table.synced() {
						t.Fatal("taken for whole")
					}
					asked = append(asked, out.Requests...)
				}
				if try > 0 {
					if len(asked) != 0 {
						t.Fatalf("try %d: asked again at once: a node that goes on like this would be asked without end", try)
					}
					now = now.Add(time.Minute)
					asked = table.tick(now).Requests
				}
				if len(asked) != 1 || asked[0].ID == id {
					t.Fatalf("try %d: asked %v", try, asked)
				}
				id = asked[0].ID
			}
			for i, b := range snapshot() {
				if got := table.snapshot(id, b, now); got.Finished != (i == 3) {
					t.Errorf("part %d: finished %v", i, got.Finished)
				}
			}
			if got := ids(table, "/", nil); !table.synced() || !slices.Equal(got, []string{a1, a2, a3, a4}) {
				t.Errorf("synced %v, sockets %v", table.synced(), got)
			}
			if table.active != 0 {
				t.Errorf("%d requests under way", table.active)
			}
		})
	}
}

func TestSnapshotsAtOnce(t *testing.T) {
	table := newTable(time.Second)
	var asked []snapshotRequest
	for i := range maxSnapshots + 3 {
		_, out := table.feed(batch(fmt.Sprintf("n%d", i), 1, 1), start())
		asked = append(asked, out.Requests...)
	}
	if len(asked) != maxSnapshots {
		t.Fatalf("%d requests at once, want %d", len(asked), maxSnapshots)
	}
	for i := 0; i < len(asked); i++ {
		out := table.snapshot(asked[i].ID, snap(asked[i].Node, 1, 1, false), start())
		asked = append(asked, out.Requests...)
	}
	if len(asked) != maxSnapshots+3 || !table.synced() {
		t.Errorf("%d requests in all, synced %v", len(asked), table.synced())
	}
}

func TestHeldChangesAreBounded(t *testing.T) {
	s := &syncing{}
	part := make([]backplane.Change, 1<<15)
	for range 20 {
		s.hold(&backplane.Batch{Node: "na", Changes: part})
	}
	if s.changes > maxHeldChanges || len(s.held) == 0 {
		t.Errorf("%d changes in %d batches", s.changes, len(s.held))
	}
}

// A session moves from one node to another; their feeds come in either order.
func TestMovedSocket(t *testing.T) {
	moved := sid(1, "na")
	onA, onB := batch("na", 1, 1, added(moved, "/", "w1", "old")), batch("nb", 1, 1, added(moved, "/", "w1", "new"))
	off := batch("na", 1, 2, removed(moved))
	for name, order := range map[string][]*backplane.Batch{
		"taken then given":         {onA, onB, off},
		"given then taken":         {onA, off, onB},
		"the old claim comes late": {onB, onA, off},
	} {
		t.Run(name, func(t *testing.T) {
			table := newTable(time.Second)
			for _, b := range order {
				table.feed(b, start())
				if n := table.index.sockets.len(); n > 1 {
					t.Errorf("listed %d times", n)
				}
			}
			room := "new"
			if got := ids(table, "/", &room); !slices.Equal(got, []string{moved}) {
				t.Errorf("room new: %v", got)
			}
			if len(table.index.shadows) != 0 {
				t.Errorf("shadows left: %v", table.index.shadows)
			}
			table.drop("na", 1, start())
			if got := ids(table, "/", nil); !slices.Equal(got, []string{moved}) {
				t.Errorf("the old node's end took it away: %v", got)
			}
		})
	}
}

func TestReached(t *testing.T) {
	table := newTable(time.Second)
	table.feed(batch("na", 2, 3, make([]backplane.Change, 3)...), start())
	table.feed(batch("nb", 1, 1, added(sid(1, "nb"), "/", "w")), start())
	table.drop("nb", 1, start())
	table.feed(leaving("nd", 2, 0), start())
	for _, test := range []struct {
		seen backplane.Seen
		want bool
	}{
		{backplane.Seen{Node: "na", Epoch: 2, Version: 3}, true},
		{backplane.Seen{Node: "na", Epoch: 2, Version: 4}, false},
		{backplane.Seen{Node: "na", Epoch: 1, Version: 99}, true},
		{backplane.Seen{Node: "na", Epoch: 3, Version: 0}, false},
		{backplane.Seen{Node: "nb", Epoch: 1, Version: 9}, true},
		{backplane.Seen{Node: "nb", Epoch: 2, Version: 1}, false},
		{backplane.Seen{Node: "nc", Epoch: 1, Version: 1}, false},
		{backplane.Seen{Node: "nd", Epoch: 2, Version: 9}, true},
		{backplane.Seen{Node: "nd", Epoch: 3, Version: 0}, false},
	} {
		if got := table.reached(&test.seen); got != test.want {
			t.Errorf("%+v: %v", test.seen, got)
		}
	}
	if table.strays != 3 {
		t.Errorf("%d strays, want 3", table.strays)
	}
	if got, _ := table.feed(batch("nb", 0, 0), start()); got != stale {
		t.Errorf("a dropped node's older epoch: %s", got)
	}
}

func leaving(node string, epoch, version uint64, changes ...backplane.Change) *backplane.Batch {
	b := batch(node, epoch, version, changes...)
	b.Leaving = true
	return b
}

func TestLeaving(t *testing.T) {
	a1, a2 := sid(1, "na"), sid(2, "na")
	add, lost := added(a1, "/", "w", "r"), []backplane.Lost{{Node: "na", Epoch: 2}}
	tests := []struct {
		name    string
		batches []*backplane.Batch
		want    outcome // of the last
		lost    []backplane.Lost
		there   bool // the node is in the table at the end
	}{
		{"as it should be", []*backplane.Batch{batch("na", 2, 2, add, removed(a1)), leaving("na", 2, 2)}, parted, nil, false},
		{"with the last changes in it", []*backplane.Batch{batch("na", 2, 1, add), leaving("na", 2, 2, removed(a1))}, parted, nil, false},
		{"with a socket left", []*backplane.Batch{batch("na", 2, 1, add), leaving("na", 2, 1)}, parted, lost, false},
		{"a batch before it was lost", []*backplane.Batch{batch("na", 2, 1, add), leaving("na", 2, 2)}, parted, lost, false},
		{"a batch before it was lost, nothing known", []*backplane.Batch{batch("na", 2, 0), leaving("na", 2, 2)}, parted, nil, false},
		{"while a gap is mended", []*backplane.Batch{batch("na", 2, 1, add), batch("na", 2, 3), leaving("na", 2, 3)}, parted, lost, false},
		{"while a gap is mended, nothing known", []*backplane.Batch{batch("na", 2, 3), leaving("na", 2, 3)}, parted, nil, false},
		{"its socket has moved", []*backplane.Batch{batch("na", 2, 1, add), batch("nb", 1, 1, add), leaving("na", 2, 2, removed(a1))}, parted, nil, false},
		{"its socket has moved, and it does not know", []*backplane.Batch{batch("na", 2, 1, add), batch("nb", 1, 1, add), leaving("na", 2, 1)}, parted, lost, false},
		{"never heard of", []*backplane.Batch{leaving("na", 2, 7)}, parted, nil, false},
		{"an older epoch's", []*backplane.Batch{batch("na", 2, 1, add), leaving("na", 1, 9)}, stale, nil, true},
		{"a newer epoch's", []*backplane.Batch{batch("na", 2, 1, add), leaving("na", 3, 0)}, parted, lost, false},
		{"twice", []*backplane.Batch{batch("na", 2, 0), leaving("na", 2, 0), leaving("na", 2, 0)}, stale, nil, false},
		{"a beat after it", []*backplane.Batch{leaving("na", 2, 1), batch("na", 2, 1)}, stale, nil, false},
		{"changes after it", []*backplane.Batch{leaving("na", 2, 0), batch("na", 2, 1, add)}, stale, nil, false},
		{"an older epoch after it", []*backplane.Batch{leaving("na", 2, 0), batch("na", 1, 1, add)}, stale, nil, false},
		{"a newer epoch after it", []*backplane.Batch{leaving("na", 2, 0), batch("na", 3, 1, added(a2, "/", "w"))}, applied, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			table := newTable(time.Second)
			var result outcome
			var said []backplane.Lost
			for _, b := range test.batches {
				var out effects
				result, out = table.feed(b, start())
				said = append(said, out.Lost...)
			}
			if result != test.want || !slices.Equal(said, test.lost) {
				t.Errorf("%s, lost %v; want %s, %v", result, said, test.want, test.lost)
			}
			if n := table.nodes["na"]; (n != nil) != test.there {
				t.Errorf("node %+v", n)
			}
			if table.active != 0 {
				t.Errorf("%d snapshots are still asked for", table.active)
			}
			check(t, table.index)
		})
	}
}

// A snapshot that was asked for comes after the node has left, and others wait for their turn.
func TestLeavingEndsSnapshot(t *testing.T) {
	table := newTable(time.Second)
	_, out := table.feed(batch("na", 1, 1), start())
	id := out.Requests[0].ID
	for i := range maxSnapshots {
		table.feed(batch(fmt.Sprint("n", i), 1, 1), start())
	}
	_, out = table.feed(leaving("na", 1, 1), start())
	if len(out.Requests) != 1 || table.active != maxSnapshots {
		t.Errorf("requests %v, %d under way", out.Requests, table.active)
	}
	if out := table.snapshot(id, snap("na", 1, 1, false, added(sid(1, "na"), "/", "w")), start()); out.Finished || table.nodes["na"] != nil {
		t.Error("a late snapshot was taken")
	}
}

// A node whose lease ran out may come back in its epoch; if it then leaves, or left meanwhile, it may not.
func TestLeavingAfterLease(t *testing.T) {
	table := newTable(time.Second)
	table.feed(batch("na", 1, 0), start())
	table.drop("na", 1, start())
	if got, _ := table.feed(batch("na", 1, 0), start()); got != repeated || table.nodes["na"] == nil {
		t.Errorf("back after a cut: %s", got)
	}
	table.drop("na", 1, start())
	if got, out := table.feed(leaving("na", 1, 0), start()); got != parted || len(out.Lost) != 0 {
		t.Errorf("left while it was taken for dead: %s, %v", got, out.Lost)
	}
	if got, _ := table.feed(batch("na", 1, 0), start()); got != stale {
		t.Errorf("back after it left: %s", got)
	}
}

func TestKeyOrder(t *testing.T) {
	list := []string{}
	for _, node := range []string{"a", "n1", "n10", "n2", "z"} {
		for range 40 {
			list = append(list, backplane.NewSocketID(node, 7))
		}
	}
	for _, a := range list {
		p, ok := parseID(a)
		if !ok || p.key(5).text(p.node) != a || p.key(5).birth() != 5 {
			t.Fatalf("%s does not come back", a)
		}
		for _, b := range list {
			q, _ := parseID(b)
			if comparePacked(&p, &q) != compare(a, b) {
				t.Fatalf("%s and %s are ordered otherwise", a, b)
			}
		}
	}
	if _, ok := parseID("not a socket id"); ok {
		t.Error("parsed")
	}
}

func TestTableForgets(t *testing.T) {
	table := newTable(time.Second)
	for i := range 3000 {
		table.feed(batch("na", uint64(i+1), 1, added(sid(i, "na"), fmt.Sprint("/", i), fmt.Sprint("w", i), fmt.Sprint("r", i))), start())
	}
	table.drop("na", 3000, start())
	x := table.index
	if n := x.sockets.len() + x.rooms.len() + x.namespaces.len() + x.nodes.len() + len(x.births.byName) + len(x.workers.byName) + x.byKey.len() + x.byRoom.len() + x.datas.len() + len(x.byName); n != 0 {
		t.Errorf("%d entries left", n)
	}
	for i := range 3 * maxGone {
		id := fmt.Sprint("n", i)
		table.feed(batch(id, 1, 0), start())
		table.drop(id, 1, start())
	}
	if len(table.gone) > maxGone || len(table.goneAge) > maxGone {
		t.Errorf("%d ends remembered", len(table.gone))
	}
}
