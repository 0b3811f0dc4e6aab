package router

import (
	"fmt"
	"testing"
	"time"

	"patchbay/backplane"
)

// ranked fills an index with rooms of known sizes: room i has i members, user i likewise.
func rankedTable(t *testing.T, rooms int) *table {
	t.Helper()
	table := newTable(time.Second)
	var changes []backplane.Change
	for i := range rooms {
		names := []string{}
		for j := i; j < rooms; j++ {
			names = append(names, fmt.Sprintf("room-%03d", j))
		}
		changes = append(changes, added(backplane.NewSocketID("g1", 0), "/", "w1", append(names, backplane.UserRoom(fmt.Sprint("u", i/3)))...))
	}
	changes = append(changes, added(backplane.NewSocketID("g1", 0), "/other", "w1"))
	if got, _ := table.feed(batch("g1", 1, uint64(len(changes)), changes...), start()); got != applied {
		t.Fatal(got)
	}
	return table
}

func TestRanking(t *testing.T) {
	const rooms = 70
	table := rankedTable(t, rooms)
	r := newRanking(table.index)
	now := start()
	r.step(now)
	if r.busy || r.top.Known {
		t.Error("it searches although nobody wants to know")
	}
	top := r.want(now)
	if !top.Known || len(top.Rooms) != rankKept || len(top.Users) != (rooms+2)/3 || len(top.Namespaces) != 2 {
		t.Fatalf("%+v", top)
	}
	for i, one := range top.Rooms {
		if want := (Place{Namespace: "/", Name: fmt.Sprintf("room-%03d", rooms-1-i), Sockets: rooms - i}); one != want {
			t.Errorf("%+v, want %+v", one, want)
		}
	}
	if one := top.Users[0]; one.Sockets != 3 || one.Name != "user=u0" {
		t.Errorf("%+v", one)
	}
	if got, want := top.Namespaces[0], (Namespace{Name: "/", Sockets: rooms, Rooms: rooms, Users: (rooms + 2) / 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if got, want := top.Namespaces[1], (Namespace{Name: "/other", Sockets: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A pass goes on over several ticks, while places come and go under it, and forgets all when nobody looks any more.
func TestRankingInSteps(t *testing.T) {
	table := rankedTable(t, 70)
	r := newRanking(table.index)
	now := start()
	r.want(now)
	now = now.Add(rankEvery)
	larger := r.rooms.compare
	r.busy, r.began, r.at = true, now, 0
	r.rooms = smallest[ranked]{limit: rankKept, compare: larger}
	r.users, r.spaces = r.rooms, r.rooms
	if r.pass(75) {
		t.Fatal("the pass has ended early")
	}
	table.index.removeNode(table.nodes["g1"].ref)
	if !r.pass(rankStep) {
		t.Fatal("the pass has not ended")
	}
	if top := r.result(); len(top.Rooms)+len(top.Users)+len(top.Namespaces) != 0 {
		t.Errorf("of an empty index: %+v", top)
	}
	r.step(now.Add(rankWanted + time.Second))
	if r.top.Known || r.busy || r.rooms.heap != nil {
		t.Error("it remembers although nobody looks any more")
	}
}
