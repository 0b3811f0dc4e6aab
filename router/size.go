package router

import "unsafe"

// texts are the parts of the index's memory that its tables do not tell.
type texts struct {
	memberships int // of sockets in rooms
	names, data int // bytes of rooms' names, and of sockets' data
}

// What an element costs on average where lists grow by halves.
const (
	membershipBytes = 8 + 8 + 4 // in the socket's list and the room's, which have some room to grow
	textBytes       = 8         // that a text's allocation is larger than the text
	orderBytes      = 6         // an element of an order; and so a socket's in its node's list
)

// bytes is what the index takes, an estimate that TestSocketSize holds against the heap.
func (x *index) bytes() int {
	n := x.sockets.bytes() + x.rooms.bytes() + x.datas.bytes() + x.byKey.bytes() + x.byRoom.bytes()
	n += orderBytes * (2*x.sockets.len() + x.rooms.len())
	n += membershipBytes*x.texts.memberships + x.texts.names + x.texts.data
	return n + textBytes*(x.rooms.len()+x.datas.len())
}

// bytes is what a slab takes.
func (s *slab[T]) bytes() int {
	var one T
	return len(s.chunks)*slabChunk*int(unsafe.Sizeof(one)) + 4*cap(s.free)
}

// bytes is what a hashed set takes.
func (h *hashed) bytes() int {
	n := 0
	for i := range h.shards {
		n += 4 * len(h.shards[i].places)
	}
	return n
}
