package router

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"patchbay/backplane"
)

// viewer is a watcher in a randomised world: it takes what one router tells, goes to another router now and then, must
// never hear the same twice, and must at all times know what its router knows.
type viewer struct {
	w       *world
	place   place
	at      *replica
	id      uint64
	to      string
	seq     uint64
	read    int // of the router's messages
	members map[string]backplane.PresenceSocket
}

// newViewers are watchers of a room and of a namespace, on each router.
func newViewers(w *world) (list []*viewer) {
	for i := range 2 * routers {
		p := place{nsp: "/0", room: "r1"}
		if i%2 == 1 {
			p = place{nsp: "/1", whole: true}
		}
		list = append(list, &viewer{w: w, place: p, members: map[string]backplane.PresenceSocket{}})
	}
	return list
}

// open begins to watch at a router.
func (v *viewer) open(t *testing.T) {
	if v.at != nil {
		v.w.moved++
		v.at.watches.end(v.id)
	}
	v.at = v.w.copies[v.w.rnd.IntN(routers)]
	v.at.told = append(v.at.told, v.at.watches.flush()...)
	v.read = len(v.at.told)
	v.members, v.seq = map[string]backplane.PresenceSocket{}, 0
	v.w.next++
	v.to = fmt.Sprint(v.w.next)
	parts := v.at.watches.open(v.query(), v.to, func(id uint64) string { v.id = id; return "renew" }, v.w.now)
	for i, one := range parts {
		p := &one.Presence
		if p.Error != "" || !p.First || p.More != (i < len(parts)-1) || (p.Renew != "") != (i == 0) {
			t.Errorf("part %d of %d: %+v", i, len(parts), p)
		}
		v.hear(t, p)
	}
	v.agree(t)
}

// hear takes a message.
func (v *viewer) hear(t *testing.T, p *backplane.Presence) {
	v.seq++
	if p.Seq != v.seq {
		t.Errorf("message %d, want %d", p.Seq, v.seq)
	}
	for _, one := range p.Joined {
		if v.members[one.ID] == one {
			t.Errorf("%+v was told twice", one)
		}
		v.members[one.ID] = one
	}
	for _, id := range p.Left {
		if _, ok := v.members[id]; !ok {
			t.Errorf("%s has left and was not there", id)
		}
		delete(v.members, id)
	}
}

// look takes what the router has to tell.
func (v *viewer) look(t *testing.T) {
	t.Helper()
	if v.at == nil || v.at != v.w.copies[v.at.number] || v.w.chance(1) {
		v.open(t)
		return
	}
	v.at.watches.renew(v.id, v.w.now)
	v.at.told = append(v.at.told, v.at.watches.flush()...)
	for _, one := range v.at.told[v.read:] {
		if one.To == v.to {
			v.hear(t, &one.Presence)
		}
	}
	v.read = len(v.at.told)
	v.agree(t)
}

// agree holds what the watcher was told against what its router has.
func (v *viewer) agree(t *testing.T) {
	t.Helper()
	x, n := v.at.table.index, 0
	s := newScope(x, v.query())
	s.each(func(slot uint32) {
		n++
		id := x.id(slot)
		if now := x.presenceIn(v.place, id); !now.is || v.members[id] != (backplane.PresenceSocket{ID: id, User: now.user, Node: now.node}) {
			t.Errorf("%s is %+v, was told as %+v", id, now, v.members[id])
		}
	})
	if n != len(v.members) {
		t.Errorf("%d are in %+v, %d were told", n, v.place, len(v.members))
	}
}

func (v *viewer) query() *backplane.Query {
	q := &backplane.Query{Op: backplane.QueryWatch, Namespace: v.place.nsp}
	if !v.place.whole {
		q.Room = &v.place.room
	}
	return q
}

// compare holds what the watcher was told against the nodes' truth.
func (v *viewer) compare(t *testing.T) {
	t.Helper()
	want := map[string]backplane.PresenceSocket{}
	for _, n := range v.w.nodes {
		for id, f := range n.facts {
			if f.nsp != v.place.nsp || !v.place.whole && !f.rooms[v.place.room] {
				continue
			}
			one := backplane.PresenceSocket{ID: id, Node: n.id}
			for r := range f.rooms {
				if user, ok := backplane.UserOf(r); ok {
					one.User = user
				}
			}
			want[id] = one
		}
	}
	if !maps.Equal(v.members, want) {
		t.Errorf("of %+v was told %+v, want %+v", v.place, v.members, want)
	}
}

func newWatched(most, budget int) (*table, *watches) {
	t := newTable(time.Second)
	t.feed(batch("na", 1, 2, added(sid(1, "na"), "/", "w", "a", "user=ada"), added(sid(2, "na"), "/", "w", "b")), start())
	return t, newWatches(t, 5*time.Second, most, budget)
}

func renewAt(id uint64) string { return fmt.Sprint("renew ", id) }

func watchOf(name string) *backplane.Query {
	return &backplane.Query{Op: backplane.QueryWatch, Namespace: "/", Room: &name}
}

// short are messages in short.
func short(list []told) (texts []string) {
	for _, one := range list {
		p := &one.Presence
		text := fmt.Sprint(one.To, " ", p.Seq)
		for _, j := range p.Joined {
			text += fmt.Sprint(" +", j.ID[14:], j.User)
		}
		for _, id := range p.Left {
			text += " -" + id[14:]
		}
		texts = append(texts, text+p.Error)
	}
	return texts
}

func TestWatchTells(t *testing.T) {
	table, w := newWatched(10, 1000)
	expect := func(list []told, want ...string) {
		t.Helper()
		if got := short(list); !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	version := uint64(2)
	feed := func(changes ...backplane.Change) []told {
		version += uint64(len(changes))
		if got, _ := table.feed(batch("na", 1, version, changes...), start()); got != applied {
			t.Fatal(got)
		}
		return w.flush()
	}
	open := w.open(watchOf("a"), "one", renewAt, start())
	expect(open, "one 1 +01_naada")
	if p := open[0].Presence; p.Renew != "renew 1" || !slices.Equal(p.Seen, []backplane.Seen{{Node: "na", Epoch: 1, Version: 2}}) {
		t.Errorf("%+v", p)
	}
	expect(w.open(watchOf("empty"), "two", renewAt, start()), "two 1")
	expect(w.open(&backplane.Query{Namespace: "/"}, "all", renewAt, start()), "all 1 +01_naada +02_na")
	expect(feed(joined(sid(2, "na"), "a", "empty")), "one 2 +02_na", "two 2 +02_na")
	expect(feed(joined(sid(2, "na"), "a", "c")))
	news := feed(joined(sid(2, "na"), "user=bob"))
	slices.SortFunc(news, func(a, b told) int { return compare(a.To, b.To) })
	expect(news, "all 2 +02_nabob", "one 3 +02_nabob", "two 3 +02_nabob")
	expect(feed(left(sid(2, "na"), "empty"), joined(sid(2, "na"), "empty"))) // no difference
	expect(feed(left(sid(2, "na"), "empty")), "two 4 -02_na")
	expect(feed(joined(sid(1, "na"), "empty")), "two 5 +01_naada") // the room is there anew
	if p := w.renew(2, start()); p.Seq != 5 || !p.Alive {
		t.Errorf("%+v", p)
	}
	// A snapshot in place of the same is no news, and what it lacks is.
	table.feed(batch("na", 1, version+9), start())
	n := table.nodes["na"]
	table.snapshot(n.sync.request, snap("na", 1, version+9, false, added(sid(1, "na"), "/", "w", "a", "user=ada"), added(sid(2, "na"), "/", "w", "user=bob")), start())
	expect(w.flush(), "one 4 -02_na", "two 6 -01_na")
	table.drop("na", 1, start())
	news = w.flush()
	slices.SortFunc(news, func(a, b told) int { return compare(a.To, b.To) })
	expect(news, "all 3 -02_na -01_na", "one 5 -01_na")
	w.end(1)
	w.end(1)
	if p := w.renew(1, start()); p.Error == "" || !p.Retry {
		t.Errorf("%+v", p)
	}
	w.expire(at(4.9))
	if len(w.byID) != 2 {
		t.Error("ended before its lease")
	}
	w.renew(2, at(4.9))
	w.expire(at(5))
	if _, ok := w.byID[2]; len(w.byID) != 1 || !ok {
		t.Errorf("%d watches, want the one that was renewed", len(w.byID))
	}
	expect(w.stop(), "two 0"+watchStopping)
	if x := table.index; len(w.places)+len(x.watched.places) != 0 || slices.ContainsFunc(x.watched.list, func(p *watchedPlace) bool { return p != nil }) {
		t.Error("something is still watched")
	}
}

func TestWatchBounds(t *testing.T) {
	table, w := newWatched(2, 100)
	var changes []backplane.Change
	for i := range 5 {
		changes = append(changes, added(sid(10+i, "na"), "/", "w", "many"))
	}
	table.feed(batch("na", 1, 7, changes...), start())
	parts := w.open(watchOf("many"), "to", renewAt, start())
	if len(parts) < 3 || !parts[0].Presence.More || parts[len(parts)-1].Presence.More {
		t.Errorf("%d parts of a few bytes each", len(parts))
	}
	w.open(watchOf("many"), "to", renewAt, start())
	if got := w.open(watchOf("many"), "to", renewAt, start()); got[0].Presence.Error != watchFull || got[0].Presence.Retry {
		t.Errorf("%+v", got)
	}
}
