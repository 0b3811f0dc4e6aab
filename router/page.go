package router

import (
	"encoding/json"
	"slices"
	"strings"

	"patchbay/backplane"
)

func compare(a, b string) int { return strings.Compare(a, b) }

// pager reads one page of an answer from the index.
type pager struct {
	scope  scope
	after  string
	limit  int
	budget int // bytes of JSON
}

// rooms answers with the namespace's rooms by name. Count is the number of all of them.
func (p *pager) rooms(a *backplane.Answer) {
	x, n := p.scope.index, p.scope.nsp
	if n == nil {
		return
	}
	a.Count = n.rooms.size
	block, at := n.rooms.seek(x.byRoomName(p.after))
	n.rooms.walk(block, at, func(number uint32) bool {
		r := x.rooms.at(number)
		if p.after != "" && r.name == p.after {
			return true
		}
		if !p.fits(len(a.Rooms), jsonSize(r.name)+roomOverhead) {
			a.Next = a.Rooms[len(a.Rooms)-1].Name
			return false
		}
		a.Rooms = append(a.Rooms, backplane.RoomInfo{Name: r.name, Sockets: len(r.members)})
		return true
	})
}

// fits reports whether one more entry of some size goes into a page that has n. The first always does.
func (p *pager) fits(n, size int) bool {
	p.budget -= size
	return n < p.limit && (n == 0 || p.budget >= 0)
}

// sockets answers with sockets by id. Count is the number of all of them, where it is known without counting.
func (p *pager) sockets(a *backplane.Answer) {
	var after packedID
	if p.after != "" {
		var ok bool
		if after, ok = parseID(p.after); !ok {
			a.Error = queryAfter
			return
		}
	}
	if p.scope.nsp == nil {
		return
	}
	a.Count, _ = p.scope.size()
	p.page(&after, func(slot uint32) bool {
		info := p.socket(slot)
		if !p.fits(len(a.Sockets), infoSize(&info)) {
			a.Next = a.Sockets[len(a.Sockets)-1].ID
			return false
		}
		a.Sockets = append(a.Sockets, info)
		return true
	})
}

// page calls f with the sockets after an id, by id, until it returns false; with one more than the limit at least,
// if there are as many.
func (p *pager) page(after *packedID, f func(slot uint32) bool) {
	x, s := p.scope.index, &p.scope
	compareAfter := x.bySocket(after)
	past := func(slot uint32) bool { return p.after == "" || compareAfter(slot) > 0 }
	// Of a large room the namespace, read in its order, has a page sooner than the room in none.
	if m := s.members(); !s.named() || m*m > (p.limit+1)*s.nsp.sockets.size {
		block, at := s.nsp.sockets.seek(compareAfter)
		s.nsp.sockets.walk(block, at, func(slot uint32) bool { return !past(slot) || !s.has(slot) || f(slot) })
		return
	}
	page := smallest[packedSlot]{limit: p.limit + 1, compare: func(a, b packedSlot) int {
		return comparePacked(&a.packedID, &b.packedID)
	}}
	s.each(func(slot uint32) {
		if past(slot) {
			k := x.sockets.at(slot).key
			page.offer(packedSlot{packedID{k.high, k.low, k.last >> 26, x.births.name(k.birth())}, slot})
		}
	})
	for _, one := range page.sorted() {
		if !f(one.slot) {
			return
		}
	}
}

// packedSlot is a socket with its id ready for comparison.
type packedSlot struct {
	packedID
	slot uint32
}

func (p *pager) socket(slot uint32) backplane.SocketInfo {
	x := p.scope.index
	s := x.sockets.at(slot)
	info := backplane.SocketInfo{
		ID: x.id(slot), User: x.userOf(slot), Node: x.nodes.at(s.node).id, Worker: x.workers.name(s.worker), Rooms: x.roomNames(s),
	}
	info.Rooms = append(info.Rooms, info.ID)
	slices.Sort(info.Rooms)
	if data := x.dataOf(s); data != "" && json.Valid([]byte(data)) { // what is not JSON would spoil the whole answer
		info.Data = json.RawMessage(data)
	}
	return info
}

// users answers with users by id. Count is the number of all of them.
func (p *pager) users(a *backplane.Answer) {
	x, n := p.scope.index, p.scope.nsp
	if n == nil {
		return
	}
	add := func(name string, sockets int) bool {
		user, _ := backplane.UserOf(name)
		if !p.fits(len(a.Users), jsonSize(user)+roomOverhead) {
			a.Next = a.Users[len(a.Users)-1].ID
			return false
		}
		a.Users = append(a.Users, backplane.UserInfo{ID: user, Sockets: sockets})
		return true
	}
	start := backplane.UserRoom(p.after)
	if p.scope.everyone() {
		a.Count, a.Total, a.Named = n.users, n.sockets.size, n.named
		block, at := n.rooms.seek(x.byRoomName(start))
		n.rooms.walk(block, at, func(number uint32) bool {
			r := x.rooms.at(number)
			if r.name == start {
				return true
			}
			return r.user && add(r.name, len(r.members))
		})
		return
	}
	sockets := map[uint32]int{} // by the user's room
	p.scope.each(func(slot uint32) {
		a.Total++
		for _, m := range x.sockets.at(slot).rooms {
			if x.rooms.at(m.room).user {
				sockets[m.room]++
				a.Named++
			}
		}
	})
	a.Count = len(sockets)
	page := smallest[uint32]{limit: p.limit + 1, compare: func(a, b uint32) int {
		return compare(x.rooms.at(a).name, x.rooms.at(b).name)
	}}
	for number := range sockets {
		if x.rooms.at(number).name > start {
			page.offer(number)
		}
	}
	for _, number := range page.sorted() {
		if !add(x.rooms.at(number).name, sockets[number]) {
			return
		}
	}
}

// where answers with the nodes that have sockets of the scope. Of a whole namespace it names all nodes that have any, whoever
// is left out: nobody counts a million to learn which of ten.
func (p *pager) where(a *backplane.Answer) {
	x, s := p.scope.index, &p.scope
	if s.nsp == nil {
		return
	}
	counts := s.nsp.onNode
	if s.named() {
		counts = make([]int, len(counts))
		s.each(func(slot uint32) { counts[x.sockets.at(slot).node]++ })
	}
	for i, n := range counts {
		if node := x.nodes.at(uint32(i)); n > 0 && (s.node == "" || s.node == node.id) {
			a.Nodes = append(a.Nodes, backplane.NodeInfo{ID: node.id, Sockets: n})
			a.Count += n
		}
	}
	slices.SortFunc(a.Nodes, func(x, y backplane.NodeInfo) int { return compare(x.ID, y.ID) })
}

// What an answer's entries cost as JSON besides their texts: keys, quotes, commas, a number.
const (
	roomOverhead   = 48
	socketOverhead = 90
)

func infoSize(info *backplane.SocketInfo) int {
	size := socketOverhead + len(info.ID) + len(info.Node) + jsonSize(info.Worker) + jsonSize(info.User)
	for _, name := range info.Rooms {
		size += jsonSize(name) + 3
	}
	return size + jsonSize(string(info.Data))
}

// jsonSize is at least what a text takes inside a JSON string.
func jsonSize(s string) int {
	size := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ', c == '<', c == '>', c == '&', c >= 0x7f: // up to \u00XX for each byte
			size += 6
		case c == '"', c == '\\':
			size += 2
		default:
			size++
		}
	}
	return size
}
