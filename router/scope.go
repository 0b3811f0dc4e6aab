package router

import (
	"slices"

	"patchbay/backplane"
)

// scope is the sockets that a query is about, looked up: what exists of the namespace, rooms and sockets that it
// names. It is good for as long as the index does not change.
type scope struct {
	index  *index
	nsp    *namespace // nil: no socket is meant
	number uint32     // of nsp
	rooms  []uint32   // with sockets, the union of both is meant, if any was named
	slots  []uint32
	some   bool // rooms were named

	exceptRooms []uint32
	exceptSlots []uint32
	node        string // if set, the sockets on it alone
}

// newScope looks up what a query names.
func newScope(x *index, q *backplane.Query) scope {
	s := scope{index: x, node: q.Node}
	number, ok := x.byName[q.Namespace]
	if !ok {
		return s
	}
	s.nsp, s.number = x.namespaces.at(number), number
	rooms := q.Rooms
	if q.Room != nil {
		rooms = append(slices.Clip(rooms), *q.Room)
	}
	s.some = len(rooms) > 0
	s.rooms, s.slots = s.find(rooms)
	s.exceptRooms, s.exceptSlots = s.find(q.Except)
	return s
}

// find returns the rooms that bear names, and the sockets: every socket is in the room of its id, whoever else is.
func (s *scope) find(names []string) (rooms, slots []uint32) {
	for _, name := range names {
		if number, ok := s.index.findRoom(s.number, name); ok && !slices.Contains(rooms, number) {
			rooms = append(rooms, number)
		}
		if slot, ok := s.index.find(name); ok && s.index.sockets.at(slot).nsp == s.number && !slices.Contains(slots, slot) {
			slots = append(slots, slot)
		}
	}
	return rooms, slots
}

// named reports whether rooms are meant, and not the whole namespace.
func (s *scope) named() bool { return s.some }

// everyone reports whether the whole namespace is meant, and nobody left out.
func (s *scope) everyone() bool { return !s.some && s.plain() }

func (s *scope) plain() bool { return len(s.exceptRooms)+len(s.exceptSlots) == 0 && s.node == "" }

// members is at least how many sockets each looks at.
func (s *scope) members() int {
	n := len(s.slots)
	for _, number := range s.rooms {
		n += len(s.index.rooms.at(number).members)
	}
	return n
}

// size is how many sockets are meant; known is false if only counting tells.
func (s *scope) size() (n int, known bool) {
	switch {
	case s.nsp == nil:
		return 0, true
	case !s.plain():
		return 0, false
	case !s.some:
		return s.nsp.sockets.size, true
	case len(s.rooms) == 0:
		return len(s.slots), true
	case len(s.rooms) > 1:
		return 0, false
	}
	n = s.members()
	for _, slot := range s.slots {
		if s.in(slot, s.rooms) {
			n--
		}
	}
	return n, true
}

// count is how many sockets are meant.
func (s *scope) count() int {
	n, known := s.size()
	if !known {
		s.each(func(uint32) { n++ })
	}
	return n
}

func (s *scope) in(slot uint32, rooms []uint32) bool {
	if len(rooms) == 0 {
		return false
	}
	for _, m := range s.index.sockets.at(slot).rooms {
		if slices.Contains(rooms, m.room) {
			return true
		}
	}
	return false
}

// has reports whether a socket of the namespace is meant.
func (s *scope) has(slot uint32) bool {
	return (!s.some || s.in(slot, s.rooms) || slices.Contains(s.slots, slot)) && s.keeps(slot)
}

// keeps reports whether a socket is not left out.
func (s *scope) keeps(slot uint32) bool {
	return (s.node == "" || s.index.nodes.at(s.index.sockets.at(slot).node).id == s.node) &&
		!slices.Contains(s.exceptSlots, slot) && !s.in(slot, s.exceptRooms)
}

// each calls f with every socket that is meant, once.
func (s *scope) each(f func(slot uint32)) {
	if s.nsp == nil {
		return
	}
	if !s.some {
		s.nsp.sockets.walk(0, 0, func(slot uint32) bool {
			if s.keeps(slot) {
				f(slot)
			}
			return true
		})
		return
	}
	for i, number := range s.rooms {
		for _, m := range s.index.rooms.at(number).members {
			if !s.in(m.socket, s.rooms[:i]) && s.keeps(m.socket) {
				f(m.socket)
			}
		}
	}
	for _, slot := range s.slots {
		if !s.in(slot, s.rooms) && s.keeps(slot) {
			f(slot)
		}
	}
}
