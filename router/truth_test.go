package router

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"

	"patchbay/backplane"
)

// compare holds the table against the nodes' truth.
func (w *world) compare(t *testing.T, table *table) {
	t.Helper()
	if !table.synced() || table.strays != 0 {
		t.Errorf("synced %v, %d strays", table.synced(), table.strays)
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
			compareSocket(t, table, n, id, f)
		}
	}
	if got := table.index.sockets.len(); got != total {
		t.Errorf("%d sockets, want %d", got, total)
	}
	for i := range 3 {
		nsp := fmt.Sprint("/", i)
		var a backplane.Answer
		p := pager{scope: newScope(table.index, &backplane.Query{Namespace: nsp}), limit: 100, budget: 1 << 20}
		p.rooms(&a)
		got := map[string]int{}
		for _, r := range a.Rooms {
			got[r.Name] = r.Sockets
		}
		if len(got) != len(rooms[nsp]) || len(got) > 0 && !maps.Equal(got, rooms[nsp]) {
			t.Errorf("rooms of %s: %v, want %v", nsp, got, rooms[nsp])
		}
		if p.scope.count() != sockets[nsp] {
			t.Errorf("%d sockets in %s, want %d", p.scope.count(), nsp, sockets[nsp])
		}
	}
}

func compareSocket(t *testing.T, table *table, n *fakeNode, id string, f *fact) {
	t.Helper()
	slot, ok := table.index.find(id)
	if !ok {
		t.Errorf("%s is missing", id)
		return
	}
	p := pager{scope: scope{index: table.index}}
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
	if x.byKey.len() != x.sockets.len() || x.byRoom.len() != x.rooms.len() {
		t.Errorf("%d keys, %d sockets; %d room names, %d rooms", x.byKey.len(), x.sockets.len(), x.byRoom.len(), x.rooms.len())
	}
	memberships, members, data := 0, 0, 0
	for slot := range listedSlots(x) {
		s := x.sockets.at(slot)
		if got, ok := x.find(x.id(slot)); !ok || got != slot || x.nodes.at(s.node).sockets[s.nodePos] != slot {
			t.Errorf("socket %d is not where it says", slot)
		}
		if s.data != 0 {
			data++
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
		listed += n.sockets.size
		if n.name != name || n.sockets.size == 0 {
			t.Errorf("namespace %s: %q with %d sockets", name, n.name, n.sockets.size)
		}
		checkOrder(t, &n.sockets, x.id)
		checkOrder(t, &n.rooms, func(number uint32) string { return x.rooms.at(number).name })
		users, withUser := 0, 0
		n.rooms.walk(0, 0, func(number uint32) bool {
			named++
			r := x.rooms.at(number)
			members += len(r.members)
			if r.user {
				users++
				withUser += len(r.members)
			}
			if got, ok := x.findRoom(i, r.name); !ok || got != number || r.nsp != i || len(r.members) == 0 {
				t.Errorf("room %s: %+v", name, r)
			}
			return true
		})
		if users != n.users || withUser != n.named {
			t.Errorf("%s: %d users with %d sockets, counted %d with %d", name, users, withUser, n.users, n.named)
		}
	}
	if data != x.datas.len() {
		t.Errorf("%d sockets with data, %d data", data, x.datas.len())
	}
	if memberships != members || listed != x.sockets.len() || named != x.rooms.len() {
		t.Errorf("%d memberships, %d members; %d of %d sockets listed; %d of %d rooms named",
			memberships, members, listed, x.sockets.len(), named, x.rooms.len())
	}
}

func listedSlots(x *index) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, i := range x.byName {
			x.namespaces.at(i).sockets.walk(0, 0, yield)
		}
	}
}

// checkOrder holds an order against what it promises.
func checkOrder(t *testing.T, o *order, name func(uint32) string) {
	t.Helper()
	size, last := 0, ""
	for _, b := range o.blocks {
		if len(b) == 0 || len(b) > blockSize {
			t.Errorf("a block of %d", len(b))
		}
		for _, v := range b {
			if size > 0 && name(v) <= last {
				t.Errorf("%s after %s", name(v), last)
			}
			size, last = size+1, name(v)
		}
	}
	if size != o.size {
		t.Errorf("%d elements, counted %d", size, o.size)
	}
}

// compareQueries asks random questions and holds the answers, page by page, against the nodes' truth.
func (w *world) compareQueries(t *testing.T, table *table) {
	t.Helper()
	var ids []string
	for _, n := range w.nodes {
		ids = append(ids, slices.Sorted(maps.Keys(n.facts))...)
	}
	names := func() []string {
		list := w.roomNames()
		if len(ids) > 0 && w.chance(30) {
			list = append(list, ids[w.rnd.IntN(len(ids))])
		}
		return list
	}
	for range 20 {
		q := backplane.Query{Namespace: fmt.Sprint("/", w.rnd.IntN(3)), Rooms: names(), Except: names()}
		if w.chance(20) {
			q.Node = w.nodes[w.rnd.IntN(len(w.nodes))].id
		}
		var want []string
		users, where := map[string]int{}, map[string]int{}
		for _, n := range w.nodes {
			for id, f := range n.facts {
				if !f.matches(id, n.id, &q) {
					continue
				}
				want = append(want, id)
				where[n.id]++
				for r := range f.rooms {
					if user, ok := backplane.UserOf(r); ok {
						users[user]++
					}
				}
			}
		}
		slices.Sort(want)
		limit := 1 + w.rnd.IntN(60) // a small one reads a room in the order of the namespace
		page := func() *pager {
			return &pager{scope: newScope(table.index, &q), after: q.After, limit: limit, budget: 1 << 20}
		}
		if got := page().scope.count(); got != len(want) {
			t.Errorf("%+v: counted %d, want %d", q, got, len(want))
		}
		var a backplane.Answer
		if page().where(&a); len(q.Rooms) > 0 || len(q.Except) == 0 {
			for _, n := range a.Nodes {
				if n.Sockets != where[n.ID] {
					t.Errorf("%+v: %d on %s, want %d", q, n.Sockets, n.ID, where[n.ID])
				}
				delete(where, n.ID)
			}
			if len(where) > 0 {
				t.Errorf("%+v: without %v", q, where)
			}
		}
		var got []string
		for more := true; more; {
			var a backplane.Answer
			page().sockets(&a)
			for i := range a.Sockets {
				got = append(got, a.Sockets[i].ID)
			}
			q.After, more = a.Next, a.Next != ""
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v by %d: got %v, want %v", q, limit, got, want)
		}
		withUsers := map[string]int{}
		for more := true; more; {
			var a backplane.Answer
			page().users(&a)
			for _, u := range a.Users {
				withUsers[u.ID] = u.Sockets
			}
			if a.Count != len(users) || a.Total != len(want) {
				t.Errorf("%+v: %d users, %d sockets; want %d, %d", q, a.Count, a.Total, len(users), len(want))
			}
			q.After, more = a.Next, a.Next != ""
		}
		if !maps.Equal(withUsers, users) {
			t.Errorf("%+v: users %v, want %v", q, withUsers, users)
		}
	}
}

// matches is what a query's fields mean, naively.
func (f *fact) matches(id, node string, q *backplane.Query) bool {
	in := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return name == id || f.rooms[name] })
	}
	return f.nsp == q.Namespace && (len(q.Rooms) == 0 || in(q.Rooms)) && !in(q.Except) && (q.Node == "" || q.Node == node)
}
