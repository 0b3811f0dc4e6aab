package router

import (
	"slices"

	"patchbay/backplane"
)

// index holds the facts of membership: sockets by id, rooms and namespaces as dense lists of
// sockets, nodes' claims. Every list's entry knows its place and every socket knows its entries, so
// each change costs a few steps whatever the sizes.
//
// Nodes' feeds are not ordered among each other, so while a session moves two nodes may
// claim one socket. The claim that came last is listed; the others wait in shadows and
// are listed when it goes. So the index ends up right in whatever order the feeds come.
// Owned by the router's loop.
type index struct {
	sockets    slab[socket]
	rooms      slab[room]
	namespaces slab[namespace]
	nodes      slab[nodeSet]
	byKey      map[key]uint32
	byName     map[string]uint32 // namespaces
	births     names             // birth nodes in keys
	workers    names             // its uses are the sockets of each worker
	shadows    map[string][]claim
}

// socket is a listed claim. Its size is most of what membership costs.
type socket struct {
	key     key
	node    uint32
	nsp     uint32
	worker  uint32
	nodePos uint32 // place in nodeSet.sockets
	nspPos  uint32 // place in namespace.sockets
	rooms   []membership
	data    string
}

// membership is a socket's entry for one room.
type membership struct {
	room uint32
	pos  uint32 // place in room.members
}

// member is a room's entry for one socket.
type member struct {
	socket uint32
	at     uint32 // place in socket.rooms
}

type room struct {
	name    string
	nsp     uint32
	members []member
}

type namespace struct {
	name    string
	sockets []uint32
	rooms   map[string]uint32
}

// nodeSet is what the index knows of a node: the sockets it claims that are listed.
type nodeSet struct {
	id      string
	sockets []uint32
}

// claim is a node's word on a socket outside the lists.
type claim struct {
	node   uint32
	nsp    string
	worker string
	rooms  []string
	data   string
}

func newIndex() *index {
	return &index{
		byKey: map[key]uint32{}, byName: map[string]uint32{},
		births: newNames(), workers: newNames(), shadows: map[string][]claim{},
	}
}

// addNode makes room for a node's claims.
func (x *index) addNode(id string) uint32 {
	n := x.nodes.take()
	x.nodes.at(n).id = id
	return n
}

// clearNode drops all claims of a node.
func (x *index) clearNode(node uint32) {
	for id, claims := range x.shadows {
		x.keepShadows(id, withoutNode(claims, node))
	}
	set := x.nodes.at(node)
	for len(set.sockets) > 0 {
		x.removeListed(set.sockets[len(set.sockets)-1])
	}
	set.sockets = nil
}

// removeNode drops a node and its claims.
func (x *index) removeNode(node uint32) {
	x.clearNode(node)
	x.nodes.release(node)
}

// apply makes one change on a node's word. It reports false for a change that makes no sense: a
// socket id that is none, or a socket that the node does not claim.
func (x *index) apply(node uint32, c *backplane.Change) bool {
	if c.Op == backplane.SocketAdded {
		return x.add(node, c)
	}
	slot, ok := x.find(c.Socket)
	if !ok {
		return false
	}
	s := x.sockets.at(slot)
	if s.node != node {
		return x.applyShadow(node, c)
	}
	switch c.Op {
	case backplane.SocketRemoved:
		x.removeListed(slot)
	case backplane.RoomsJoined:
		x.join(slot, c.Socket, c.Rooms)
	case backplane.RoomsLeft:
		x.leave(slot, c.Rooms)
	case backplane.DataChanged:
		s.data = string(c.Data)
	case backplane.WorkerChanged:
		old := s.worker
		s.worker = x.workers.acquire(c.Worker)
		x.workers.release(old)
	default:
		return false
	}
	return true
}

// find returns the listed socket with an id.
func (x *index) find(id string) (uint32, bool) {
	p, ok := parseID(id)
	if !ok {
		return 0, false
	}
	birth, ok := x.births.find(p.node)
	if !ok {
		return 0, false
	}
	slot, ok := x.byKey[p.key(birth)]
	return slot, ok
}

// add lists a claim, in the place of any other for the socket.
func (x *index) add(node uint32, c *backplane.Change) bool {
	p, ok := parseID(c.Socket)
	if !ok {
		return false
	}
	if slot, ok := x.find(c.Socket); ok {
		x.keepShadows(c.Socket, withoutNode(x.shadows[c.Socket], node))
		if s := x.sockets.at(slot); s.node != node {
			x.shadows[c.Socket] = append(x.shadows[c.Socket], x.claimOf(s))
		}
		x.unlist(slot)
	}
	x.list(p, c.Socket, claim{node: node, nsp: c.Namespace, worker: c.Worker, rooms: c.Rooms, data: string(c.Data)})
	return true
}

// list enters a claim into all lists. No claim for the socket may be listed.
func (x *index) list(p packedID, id string, c claim) {
	slot := x.sockets.take()
	s := x.sockets.at(slot)
	s.key = p.key(x.births.acquire(p.node))
	s.node, s.worker, s.data = c.node, x.workers.acquire(c.worker), c.data
	x.byKey[s.key] = slot

	set := x.nodes.at(c.node)
	s.nodePos = uint32(len(set.sockets))
	set.sockets = append(set.sockets, slot)

	s.nsp = x.namespace(c.nsp)
	n := x.namespaces.at(s.nsp)
	s.nspPos = uint32(len(n.sockets))
	n.sockets = append(n.sockets, slot)

	if len(c.rooms) > 0 {
		s.rooms = make([]membership, 0, len(c.rooms))
		x.join(slot, id, c.rooms)
	}
}

// removeListed drops a listed claim, and lists the latest of its shadows if there is one.
func (x *index) removeListed(slot uint32) {
	if len(x.shadows) == 0 {
		x.unlist(slot)
		return
	}
	id := x.id(slot)
	x.unlist(slot)
	claims := x.shadows[id]
	if len(claims) == 0 {
		return
	}
	last := claims[len(claims)-1]
	x.keepShadows(id, claims[:len(claims)-1])
	if p, ok := parseID(id); ok {
		x.list(p, id, last)
	}
}

// unlist takes a socket out of all lists and frees it.
func (x *index) unlist(slot uint32) {
	s := x.sockets.at(slot)
	for len(s.rooms) > 0 {
		x.leaveAt(s, len(s.rooms)-1)
	}
	delete(x.byKey, s.key)

	set := x.nodes.at(s.node)
	moved := set.sockets[len(set.sockets)-1]
	set.sockets[s.nodePos] = moved
	x.sockets.at(moved).nodePos = s.nodePos
	set.sockets = shrink(set.sockets[:len(set.sockets)-1])

	n := x.namespaces.at(s.nsp)
	moved = n.sockets[len(n.sockets)-1]
	n.sockets[s.nspPos] = moved
	x.sockets.at(moved).nspPos = s.nspPos
	n.sockets = shrink(n.sockets[:len(n.sockets)-1])
	if len(n.sockets) == 0 {
		delete(x.byName, n.name)
		x.namespaces.release(s.nsp)
	}

	x.workers.release(s.worker)
	x.births.release(s.key.birth())
	x.sockets.release(slot)
}

// namespace returns a namespace's number, making it if need be.
func (x *index) namespace(name string) uint32 {
	if i, ok := x.byName[name]; ok {
		return i
	}
	i := x.namespaces.take()
	*x.namespaces.at(i) = namespace{name: name, rooms: map[string]uint32{}}
	x.byName[name] = i
	return i
}

// join enters a socket into rooms. Its own id is no room: the index answers for it anyway.
func (x *index) join(slot uint32, id string, rooms []string) {
	s := x.sockets.at(slot)
	n := x.namespaces.at(s.nsp)
	for _, name := range rooms {
		if name == id {
			continue
		}
		number, ok := n.rooms[name]
		if !ok {
			number = x.rooms.take()
			*x.rooms.at(number) = room{name: name, nsp: s.nsp}
			n.rooms[name] = number
		}
		if ok && place(s.rooms, number) >= 0 {
			continue
		}
		r := x.rooms.at(number)
		s.rooms = append(s.rooms, membership{room: number, pos: uint32(len(r.members))})
		r.members = append(r.members, member{socket: slot, at: uint32(len(s.rooms) - 1)})
	}
}

func (x *index) leave(slot uint32, rooms []string) {
	s := x.sockets.at(slot)
	for _, name := range rooms {
		number, ok := x.namespaces.at(s.nsp).rooms[name]
		if !ok {
			continue
		}
		if i := place(s.rooms, number); i >= 0 {
			x.leaveAt(s, i)
		}
	}
}

// leaveAt takes a socket out of the i-th of its rooms. A room without members is forgotten.
func (x *index) leaveAt(s *socket, i int) {
	left := s.rooms[i]
	r := x.rooms.at(left.room)
	moved := r.members[len(r.members)-1]
	r.members[left.pos] = moved
	x.sockets.at(moved.socket).rooms[moved.at].pos = left.pos
	r.members = shrink(r.members[:len(r.members)-1])
	if len(r.members) == 0 {
		delete(x.namespaces.at(r.nsp).rooms, r.name)
		x.rooms.release(left.room)
	}

	last := len(s.rooms) - 1
	if i != last {
		s.rooms[i] = s.rooms[last]
		x.rooms.at(s.rooms[i].room).members[s.rooms[i].pos].at = uint32(i)
	}
	s.rooms = shrink(s.rooms[:last])
}

// id is the text of a listed socket's id.
func (x *index) id(slot uint32) string {
	k := x.sockets.at(slot).key
	return k.text(x.births.name(k.birth()))
}

// roomNames returns a listed socket's rooms, in no order, without its own.
func (x *index) roomNames(s *socket) []string {
	list := make([]string, len(s.rooms), len(s.rooms)+1)
	for i, m := range s.rooms {
		list[i] = x.rooms.at(m.room).name
	}
	return list
}

// place is where a room stands among a socket's, or -1.
func place(rooms []membership, number uint32) int {
	return slices.IndexFunc(rooms, func(m membership) bool { return m.room == number })
}

// shrinkFrom is the capacity from which a list that has emptied to a quarter gives memory back.
const shrinkFrom = 16

func shrink[T any](list []T) []T {
	if cap(list) < shrinkFrom || len(list) > cap(list)/4 {
		return list
	}
	return append(make([]T, 0, len(list)*2), list...)
}
