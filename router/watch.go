package router

import (
	"slices"
	"strconv"
	"time"

	"patchbay/backplane"
)

// Bounds of watches.
const (
	// DefaultMaxWatches is how many watches a router keeps; more are refused. It bounds what a change costs.
	DefaultMaxWatches = 10_000
	// maxWatchSockets is how many sockets may be in a room or namespace when watching it begins. It bounds what
	// telling them costs; a place may grow larger later.
	maxWatchSockets = 100_000
)

// What Presence.Error says.
const (
	watchUnknown  = "no such watch"
	watchFull     = "too many watches"
	watchLarge    = "too many sockets to watch"
	watchLearning = "the router is still learning"
	watchStopping = "the router stops"
)

// watch is one watcher of one place.
type watch struct {
	id      uint64
	to      string // its subject
	place   *watchedPlace
	seq     uint64
	renewed time.Time
}

// watches tells watchers who comes to rooms and who leaves them. It takes questions and times and returns
// messages; it has no clock and sends nothing. Owned by the router's loop.
//
// What is told is the difference between two states of the index, not its changes: a snapshot that is taken over,
// a session that moves, a batch that comes twice are no news. So a watcher that goes from one router to another and
// compares what it is told with what it had is told each change once.
type watches struct {
	table   *table
	lease   time.Duration // without a renewal for so long, a watch ends
	max     int
	budget  int    // bytes of a message
	subject string // on which they are renewed, but for its last token
	last    uint64
	byID    map[uint64]*watch
	places  map[*watchedPlace][]*watch
}

// told is a message to a watcher.
type told struct {
	To       string
	Presence backplane.Presence
}

func newWatches(t *table, lease time.Duration, most, budget int) *watches {
	return &watches{
		table: t, lease: lease, max: most, budget: budget, byID: map[uint64]*watch{}, places: map[*watchedPlace][]*watch{},
	}
}

// open begins a watch, and returns the parts of its first sight, in which renew is where to renew it. What happened
// before must have been told by flush.
func (w *watches) open(q *backplane.Query, to string, renew func(id uint64) string, now time.Time) []told {
	refuse := func(why string) []told { return []told{{to, backplane.Presence{Error: why}}} } // no other has more room
	if len(w.byID) >= w.max {
		return refuse(watchFull)
	}
	x := w.table.index
	s := newScope(x, &backplane.Query{Namespace: q.Namespace, Room: q.Room})
	if n := s.count(); n > maxWatchSockets {
		return refuse(watchLarge)
	}
	p := place{nsp: q.Namespace, whole: q.Room == nil}
	if q.Room != nil {
		p.room = *q.Room
	}
	at := x.watch(p)
	if at == nil {
		return refuse(watchFull)
	}
	w.last++
	one := &watch{id: w.last, to: to, place: at, renewed: now}
	w.byID[one.id] = one
	w.places[at] = append(w.places[at], one)
	var all []backplane.PresenceSocket
	s.each(func(slot uint32) {
		all = append(all, backplane.PresenceSocket{ID: x.id(slot), User: x.userOf(slot), Node: x.nodes.at(x.sockets.at(slot).node).id})
	})
	list := w.tell(nil, []*watch{one}, all, nil, w.versions(nil))
	for i := range list {
		list[i].Presence.First = true
		list[i].Presence.More = i < len(list)-1
	}
	list[0].Presence.Renew = renew(one.id)
	return list
}

// versions are the points in the feeds of nodes that the table has reached; nil means all nodes.
func (w *watches) versions(nodes []string) (list []backplane.Seen) {
	for _, n := range w.table.nodes {
		if nodes == nil || slices.Contains(nodes, n.id) {
			list = append(list, backplane.Seen{Node: n.id, Epoch: n.epoch, Version: n.version})
		}
	}
	return list
}

// tell appends the messages that tell watchers of a place the same, in as many parts as it takes: one at least.
func (w *watches) tell(list []told, to []*watch, joined []backplane.PresenceSocket, left []string, seen []backplane.Seen) []told {
	for {
		budget, j, l := w.budget, 0, 0
		for ; j < len(joined) && (j == 0 || budget > 0); j++ {
			budget -= socketOverhead + len(joined[j].ID) + len(joined[j].Node) + jsonSize(joined[j].User)
		}
		for ; l < len(left) && (l == 0 || budget > 0); l++ {
			budget -= len(left[l]) + 4
		}
		for _, one := range to {
			one.seq++
			list = append(list, told{one.to, backplane.Presence{Seq: one.seq, Joined: joined[:j], Left: left[:l], Seen: seen}})
		}
		joined, left = joined[j:], left[l:]
		if len(joined)+len(left) == 0 {
			return list
		}
	}
}

// flush returns what is news since the last time.
func (w *watches) flush() (list []told) {
	if len(w.table.index.watched.dirty) == 0 {
		return nil
	}
	w.table.index.news(func(at *watchedPlace, joined []backplane.PresenceSocket, left, nodes []string) {
		list = w.tell(list, w.places[at], joined, left, w.versions(nodes))
	})
	return list
}

// renew keeps a watch, and returns the answer to its watcher's question.
func (w *watches) renew(id uint64, now time.Time) backplane.Presence {
	one := w.byID[id]
	if one == nil {
		return backplane.Presence{Error: watchUnknown, Retry: true}
	}
	one.renewed = now
	return backplane.Presence{Seq: one.seq, Alive: true}
}

// end ends a watch, if there is one.
func (w *watches) end(id uint64) {
	one := w.byID[id]
	if one == nil {
		return
	}
	delete(w.byID, id)
	rest := slices.DeleteFunc(w.places[one.place], func(other *watch) bool { return other == one })
	w.places[one.place] = rest
	if len(rest) == 0 {
		delete(w.places, one.place)
		w.table.index.unwatch(one.place)
	}
}

// expire ends the watches that nobody has renewed.
func (w *watches) expire(now time.Time) {
	for id, one := range w.byID {
		if now.Sub(one.renewed) >= w.lease {
			w.end(id)
		}
	}
}

// stop ends all watches; their watchers go to another router.
func (w *watches) stop() (list []told) {
	for id, one := range w.byID {
		list = append(list, told{one.to, backplane.Presence{Error: watchStopping, Retry: true}})
		w.end(id)
	}
	return list
}

// receiveWatch takes a question about a watch: to renew it, or with data to end it.
func (l *loop) receiveWatch(m *backplane.Msg, text string, now time.Time) {
	id, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil:
	case len(m.Data) > 0:
		l.watches.end(id)
	case m.Reply != "":
		l.tell([]told{{m.Reply, l.watches.renew(id, now)}})
	}
}

// openWatch begins a watch whose question has been answered.
func (l *loop) openWatch(r *reply, now time.Time) {
	if !l.queries.warm {
		l.tell([]told{{r.To, backplane.Presence{Error: watchLearning, Retry: true}}})
		return
	}
	l.tell(l.watches.flush())
	l.tell(l.watches.open(r.Watch, r.To, func(id uint64) string { return l.watches.subject + strconv.FormatUint(id, 10) }, now))
	l.metrics.watching.watches.Set(float64(len(l.watches.byID)))
}

func (l *loop) tell(list []told) {
	for i := range list {
		l.publishJSON(list[i].To, &list[i].Presence)
	}
	l.metrics.watching.told.Add(float64(len(list)))
}
