package router

import (
	"hash/maphash"
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
	datas      slab[string]
	byKey      hashed            // sockets
	byRoom     hashed            // rooms, by namespace and name
	byName     map[string]uint32 // namespaces
	births     names             // birth nodes in keys
	workers    names             // its uses are the sockets of each worker
	shadows    map[string][]claim
	watched    watched
	seed       maphash.Seed // of byRoom
	texts      texts
}

// socket is a listed claim. Its size is most of what membership costs.
type socket struct {
	key     key
	node    uint32
	nsp     uint32
	worker  uint32
	nodePos uint32 // place in nodeSet.sockets
	data    uint32 // place in index.datas plus one, 0 for none: most sockets have none
	rooms   []membership
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
	user    bool   // its members are the sockets of one user
	watch   uint16 // place in watched.list plus one, 0 for none
	members []member
}

type namespace struct {
	name    string
	watch   uint16 // likewise
	named   int    // sockets that have a user
	users   int    // users
	onNode  []int  // sockets on each node, by its number
	sockets order  // by id
	rooms   order  // by name
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
	x := &index{
		byName: map[string]uint32{}, births: newNames(), workers: newNames(), shadows: map[string][]claim{},
		watched: watched{places: map[place]uint16{}}, seed: maphash.MakeSeed(),
	}
	x.byKey.hash = func(slot uint32) uint64 { return x.sockets.at(slot).key.hash() }
	x.byRoom.hash = func(number uint32) uint64 {
		r := x.rooms.at(number)
		return x.hashRoom(r.nsp, r.name)
	}
	return x
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
		x.setData(s, string(c.Data))
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
	k := p.key(birth)
	return x.byKey.find(k.hash(), func(slot uint32) bool { return x.sockets.at(slot).key == k })
}

// findRoom returns a room of a namespace.
func (x *index) findRoom(nsp uint32, name string) (uint32, bool) {
	return x.byRoom.find(x.hashRoom(nsp, name), func(number uint32) bool {
		r := x.rooms.at(number)
		return r.nsp == nsp && r.name == name
	})
}

func (x *index) hashRoom(nsp uint32, name string) uint64 {
	return maphash.String(x.seed, name) ^ uint64(nsp)*0x9e3779b97f4a7c15
}

// bySocket compares listed sockets with an id, for namespace.sockets.
func (x *index) bySocket(p *packedID) func(slot uint32) int {
	return func(slot uint32) int {
		k := x.sockets.at(slot).key
		one := packedID{k.high, k.low, k.last >> 26, x.births.name(k.birth())}
		return comparePacked(&one, p)
	}
}

// byRoomName compares rooms with a name, for namespace.rooms.
func (x *index) byRoomName(name string) func(number uint32) int {
	return func(number uint32) int { return compare(x.rooms.at(number).name, name) }
}

// dataOf is what the application keeps with a socket, or nothing.
func (x *index) dataOf(s *socket) string {
	if s.data == 0 {
		return ""
	}
	return *x.datas.at(s.data - 1)
}

func (x *index) setData(s *socket, text string) {
	x.texts.data += len(text) - len(x.dataOf(s))
	switch {
	case text == "" && s.data != 0:
		x.datas.release(s.data - 1)
		s.data = 0
	case text != "" && s.data == 0:
		s.data = x.datas.take() + 1
	}
	if text != "" {
		*x.datas.at(s.data - 1) = text
	}
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
	s.node, s.worker = c.node, x.workers.acquire(c.worker)
	x.setData(s, c.data)
	x.byKey.insert(slot)

	set := x.nodes.at(c.node)
	s.nodePos = uint32(len(set.sockets))
	set.sockets = append(set.sockets, slot)

	s.nsp = x.namespace(c.nsp)
	n := x.namespaces.at(s.nsp)
	n.sockets.insert(slot, x.bySocket(&p))
	for int(c.node) >= len(n.onNode) {
		n.onNode = append(n.onNode, 0)
	}
	n.onNode[c.node]++
	x.touch(n.watch, slot, false)

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
	n := x.namespaces.at(s.nsp)
	x.touch(n.watch, slot, true)
	for len(s.rooms) > 0 {
		x.leaveAt(slot, len(s.rooms)-1)
	}
	x.byKey.remove(slot)
	x.setData(s, "")

	set := x.nodes.at(s.node)
	moved := set.sockets[len(set.sockets)-1]
	set.sockets[s.nodePos] = moved
	x.sockets.at(moved).nodePos = s.nodePos
	set.sockets = shrink(set.sockets[:len(set.sockets)-1])

	birth := x.births.name(s.key.birth())
	n.onNode[s.node]--
	n.sockets.remove(slot, x.bySocket(&packedID{s.key.high, s.key.low, s.key.last >> 26, birth}))
	if n.sockets.size == 0 {
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
	*x.namespaces.at(i) = namespace{name: name, watch: x.watched.at(place{nsp: name, whole: true})}
	x.byName[name] = i
	return i
}

// join enters a socket into rooms. Its own id is no room: the index answers for it anyway.
func (x *index) join(slot uint32, id string, rooms []string) {
	s := x.sockets.at(slot)
	for _, name := range rooms {
		if name == id {
			continue
		}
		number, ok := x.findRoom(s.nsp, name)
		if ok && standing(s.rooms, number) >= 0 {
			continue
		}
		if !ok {
			number = x.addRoom(s.nsp, name)
		}
		r := x.rooms.at(number)
		if r.user {
			x.touchAll(slot)
			x.namespaces.at(s.nsp).named++
		}
		x.touch(r.watch, slot, false)
		s.rooms = append(s.rooms, membership{room: number, pos: uint32(len(r.members))})
		r.members = append(r.members, member{socket: slot, at: uint32(len(s.rooms) - 1)})
		x.texts.memberships++
	}
}

func (x *index) addRoom(nsp uint32, name string) uint32 {
	number, n := x.rooms.take(), x.namespaces.at(nsp)
	_, user := backplane.UserOf(name)
	*x.rooms.at(number) = room{name: name, nsp: nsp, user: user, watch: x.watched.at(place{nsp: n.name, room: name})}
	x.byRoom.insert(number)
	x.texts.names += len(name)
	n.rooms.insert(number, x.byRoomName(name))
	if user {
		n.users++
	}
	return number
}

func (x *index) leave(slot uint32, rooms []string) {
	s := x.sockets.at(slot)
	for _, name := range rooms {
		number, ok := x.findRoom(s.nsp, name)
		if !ok {
			continue
		}
		if i := standing(s.rooms, number); i >= 0 {
			x.leaveAt(slot, i)
		}
	}
}

// leaveAt takes a socket out of the i-th of its rooms. A room without members is forgotten.
func (x *index) leaveAt(slot uint32, i int) {
	s := x.sockets.at(slot)
	left := s.rooms[i]
	r := x.rooms.at(left.room)
	if r.user {
		x.touchAll(slot)
		x.namespaces.at(r.nsp).named--
	}
	x.touch(r.watch, slot, true)
	moved := r.members[len(r.members)-1]
	r.members[left.pos] = moved
	x.sockets.at(moved.socket).rooms[moved.at].pos = left.pos
	r.members = shrink(r.members[:len(r.members)-1])
	if len(r.members) == 0 {
		n := x.namespaces.at(r.nsp)
		n.rooms.remove(left.room, x.byRoomName(r.name))
		if r.user {
			n.users--
		}
		x.byRoom.remove(left.room)
		x.texts.names -= len(r.name)
		x.rooms.release(left.room)
	}

	last := len(s.rooms) - 1
	if i != last {
		s.rooms[i] = s.rooms[last]
		x.rooms.at(s.rooms[i].room).members[s.rooms[i].pos].at = uint32(i)
	}
	s.rooms = shrink(s.rooms[:last])
	x.texts.memberships--
}

// userOf is the user of a listed socket, or "".
func (x *index) userOf(slot uint32) string {
	for _, m := range x.sockets.at(slot).rooms {
		if r := x.rooms.at(m.room); r.user {
			user, _ := backplane.UserOf(r.name)
			return user
		}
	}
	return ""
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

// standing is where a room stands among a socket's, or -1.
func standing(rooms []membership, number uint32) int {
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
