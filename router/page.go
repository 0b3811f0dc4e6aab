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
	index  *index
	query  *backplane.Query
	limit  int
	budget int // bytes of JSON
}

// each calls f with every socket of the namespace or room. A room that bears the id of a socket
// has that socket as a member, as in Socket.IO every socket is in the room of its id.
func (p *pager) each(f func(slot uint32)) {
	x := p.index
	number, ok := x.byName[p.query.Namespace]
	if !ok {
		return
	}
	n := x.namespaces.at(number)
	if p.query.Room == nil {
		for _, slot := range n.sockets {
			f(slot)
		}
		return
	}
	if r, ok := n.rooms[*p.query.Room]; ok {
		for _, m := range x.rooms.at(r).members {
			f(m.socket)
		}
	}
	if slot, ok := x.find(*p.query.Room); ok && x.sockets.at(slot).nsp == number {
		f(slot)
	}
}

// count is how many sockets each would name.
func (p *pager) count() int {
	x := p.index
	number, ok := x.byName[p.query.Namespace]
	if !ok {
		return 0
	}
	n := x.namespaces.at(number)
	if p.query.Room == nil {
		return len(n.sockets)
	}
	count := 0
	if r, ok := n.rooms[*p.query.Room]; ok {
		count = len(x.rooms.at(r).members)
	}
	if slot, ok := x.find(*p.query.Room); ok && x.sockets.at(slot).nsp == number {
		count++
	}
	return count
}

// where answers with the nodes that have some of the sockets, and how many. Count is the number of all of them.
func (p *pager) where(a *backplane.Answer) {
	counts := map[uint32]int{}
	p.each(func(slot uint32) { counts[p.index.sockets.at(slot).node]++ })
	for node, count := range counts {
		a.Nodes = append(a.Nodes, backplane.NodeInfo{ID: p.index.nodes.at(node).id, Sockets: count})
		a.Count += count
	}
	slices.SortFunc(a.Nodes, func(x, y backplane.NodeInfo) int { return compare(x.ID, y.ID) })
}

// rooms answers with the namespace's rooms by name. Count is the number of all of them.
func (p *pager) rooms(a *backplane.Answer) {
	x := p.index
	number, ok := x.byName[p.query.Namespace]
	if !ok {
		return
	}
	n := x.namespaces.at(number)
	a.Count = len(n.rooms)
	page := smallest[string]{limit: p.limit + 1, compare: compare}
	for name := range n.rooms {
		if p.query.After == "" || name > p.query.After {
			page.offer(name)
		}
	}
	names := page.sorted()
	for i, name := range names {
		p.budget -= jsonSize(name) + roomOverhead
		if i == p.limit || i > 0 && p.budget < 0 {
			a.Next = names[i-1]
			return
		}
		a.Rooms = append(a.Rooms, backplane.RoomInfo{Name: name, Sockets: len(x.rooms.at(n.rooms[name]).members)})
	}
}

// sockets answers with sockets by id. Count is the number of all of them.
func (p *pager) sockets(a *backplane.Answer) {
	x := p.index
	var after packedID
	if p.query.After != "" {
		var ok bool
		if after, ok = parseID(p.query.After); !ok {
			a.Error = queryAfter
			return
		}
	}
	page := smallest[packedSlot]{limit: p.limit + 1, compare: func(a, b packedSlot) int {
		return comparePacked(&a.packedID, &b.packedID)
	}}
	a.Count = p.count()
	p.each(func(slot uint32) {
		k := x.sockets.at(slot).key
		one := packedSlot{packedID{k.high, k.low, k.last >> 26, x.births.name(k.birth())}, slot}
		if p.query.After == "" || comparePacked(&one.packedID, &after) > 0 {
			page.offer(one)
		}
	})
	slots := page.sorted()
	for i := range slots {
		info := p.socket(slots[i].slot)
		p.budget -= infoSize(&info)
		if i == p.limit || i > 0 && p.budget < 0 {
			a.Next = a.Sockets[i-1].ID
			return
		}
		a.Sockets = append(a.Sockets, info)
	}
}

// packedSlot is a socket with its id ready for comparison.
type packedSlot struct {
	packedID
	slot uint32
}

func (p *pager) socket(slot uint32) backplane.SocketInfo {
	x := p.index
	s := x.sockets.at(slot)
	info := backplane.SocketInfo{
		ID: x.id(slot), Node: x.nodes.at(s.node).id, Worker: x.workers.name(s.worker), Rooms: x.roomNames(s),
	}
	info.Rooms = append(info.Rooms, info.ID)
	slices.Sort(info.Rooms)
	if s.data != "" && json.Valid([]byte(s.data)) { // what is not JSON would spoil the whole answer
		info.Data = json.RawMessage(s.data)
	}
	return info
}

// What an answer's entries cost as JSON besides their texts: keys, quotes, commas, a number.
const (
	roomOverhead   = 48
	socketOverhead = 80
)

func infoSize(info *backplane.SocketInfo) int {
	size := socketOverhead + len(info.ID) + len(info.Node) + jsonSize(info.Worker)
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

// smallest keeps the limit smallest of what it is offered, in a heap with the largest on top:
// a page of a namespace of a million sockets costs one pass and a page's memory.
type smallest[T any] struct {
	limit   int
	compare func(a, b T) int
	heap    []T
}

func (s *smallest[T]) offer(v T) {
	if len(s.heap) < s.limit {
		s.heap = append(s.heap, v)
		for i := len(s.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if s.compare(s.heap[i], s.heap[up]) <= 0 {
				break
			}
			s.heap[i], s.heap[up] = s.heap[up], s.heap[i]
			i = up
		}
		return
	}
	if s.compare(v, s.heap[0]) >= 0 {
		return
	}
	s.heap[0] = v
	for i := 0; ; {
		down := 2*i + 1
		if down >= len(s.heap) {
			return
		}
		if right := down + 1; right < len(s.heap) && s.compare(s.heap[right], s.heap[down]) > 0 {
			down = right
		}
		if s.compare(s.heap[down], s.heap[i]) <= 0 {
			return
		}
		s.heap[i], s.heap[down] = s.heap[down], s.heap[i]
		i = down
	}
}

func (s *smallest[T]) sorted() []T {
	slices.SortFunc(s.heap, s.compare)
	return s.heap
}
