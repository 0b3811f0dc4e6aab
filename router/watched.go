package router

import (
	"slices"

	"patchbay/backplane"
)

// place is what can be watched: a room, or a namespace as a whole.
type place struct {
	nsp, room string
	whole     bool
}

// watched are the places whose comings and goings are noted. What nobody watches costs nothing: rooms and namespaces
// know whether they are watched. Owned by the router's loop, as part of the index.
type watched struct {
	places map[place]uint16 // in list, plus one
	list   []*watchedPlace  // nil where one is free
	dirty  []*watchedPlace
}

// watchedPlace collects, until they are told, the sockets whose presence may have changed, with what it was before.
// What comes and goes in between, as all sockets of a node do when its snapshot is taken over, is no change.
type watchedPlace struct {
	place
	number uint16
	before map[string]presence // by socket id
	ids    []string            // the same, in the order of their changes
}

// presence is a socket's in a place.
type presence struct {
	is         bool
	user, node string
}

// maxPlaces is how many places can be told apart: a room has two bytes for it.
const maxPlaces = 1<<16 - 2

// at is the number of a place, 0 if it is not watched.
func (w *watched) at(p place) uint16 {
	if len(w.places) == 0 {
		return 0
	}
	return w.places[p]
}

// watch has a place watched, and returns it; nil if too many are.
func (x *index) watch(p place) *watchedPlace {
	w := &x.watched
	if number, ok := w.places[p]; ok {
		return w.list[number-1]
	}
	i := slices.Index(w.list, nil)
	if i < 0 {
		if len(w.list) >= maxPlaces {
			return nil
		}
		i = len(w.list)
		w.list = append(w.list, nil)
	}
	one := &watchedPlace{place: p, number: uint16(i + 1), before: map[string]presence{}}
	w.list[i] = one
	w.places[p] = one.number
	x.mark(p, one.number)
	return one
}

// unwatch ends the watching of a place.
func (x *index) unwatch(one *watchedPlace) {
	w := &x.watched
	w.dirty = slices.DeleteFunc(w.dirty, func(other *watchedPlace) bool { return other == one })
	w.list[one.number-1] = nil
	delete(w.places, one.place)
	x.mark(one.place, 0)
}

// mark notes at a room or namespace, if it is there now, that it is watched.
func (x *index) mark(p place, number uint16) {
	nsp, ok := x.byName[p.nsp]
	if !ok {
		return
	}
	if p.whole {
		x.namespaces.at(nsp).watch = number
	} else if room, ok := x.findRoom(nsp, p.room); ok {
		x.rooms.at(room).watch = number
	}
}

// touch is called before a socket comes to a place, or leaves it, or changes its user; is tells whether it
// is there.
func (x *index) touch(number uint16, slot uint32, is bool) {
	if number == 0 {
		return
	}
	one, id := x.watched.list[number-1], x.id(slot)
	if _, ok := one.before[id]; ok {
		return
	}
	if len(one.ids) == 0 {
		x.watched.dirty = append(x.watched.dirty, one)
	}
	p := presence{is: is, node: x.nodes.at(x.sockets.at(slot).node).id}
	if is {
		p.user = x.userOf(slot)
	}
	one.before[id] = p
	one.ids = append(one.ids, id)
}

// touchAll touches a socket in all places where it is: its user changes.
func (x *index) touchAll(slot uint32) {
	if len(x.watched.places) == 0 {
		return
	}
	s := x.sockets.at(slot)
	x.touch(x.namespaces.at(s.nsp).watch, slot, true)
	for _, m := range s.rooms {
		x.touch(x.rooms.at(m.room).watch, slot, true)
	}
}

// news calls tell with what has changed in each place since the last time, and the nodes concerned.
func (x *index) news(tell func(one *watchedPlace, joined []backplane.PresenceSocket, left, nodes []string)) {
	for _, one := range x.watched.dirty {
		var joined []backplane.PresenceSocket
		var left, nodes []string
		for _, id := range one.ids {
			before, now := one.before[id], x.presenceIn(one.place, id)
			switch {
			case now.is && now != before:
				joined = append(joined, backplane.PresenceSocket{ID: id, User: now.user, Node: now.node})
				nodes = append(nodes, now.node)
			case !now.is && before.is:
				left = append(left, id)
			default:
				continue
			}
			nodes = append(nodes, before.node)
		}
		clear(one.before)
		one.ids = nil
		if len(joined)+len(left) > 0 {
			slices.Sort(nodes)
			tell(one, joined, left, slices.Compact(nodes))
		}
	}
	clear(x.watched.dirty)
	x.watched.dirty = x.watched.dirty[:0]
}

// presenceIn is a socket's presence in a place now.
func (x *index) presenceIn(p place, id string) presence {
	slot, ok := x.find(id)
	if !ok {
		return presence{}
	}
	s := x.sockets.at(slot)
	if x.namespaces.at(s.nsp).name != p.nsp {
		return presence{}
	}
	if !p.whole {
		number, ok := x.findRoom(s.nsp, p.room)
		if !ok || standing(s.rooms, number) < 0 {
			return presence{}
		}
	}
	return presence{is: true, user: x.userOf(slot), node: x.nodes.at(s.node).id}
}
