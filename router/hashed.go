package router

// hashShards is how many parts a hashed set has. Each grows by itself, so that growing a set of millions moves some
// thousands at a time and never stops the loop for long.
const hashShards = 256

// hashed is a set of numbers of slab elements that are found by something in the element: a socket by its key, a room
// by its name. It holds the numbers alone, some eight bytes each, where a map would hold the keys again.
// Owned by the router's loop.
type hashed struct {
	shards [hashShards]hashShard
	hash   func(v uint32) uint64 // of an element that is in the set
}

// hashShard is a table with open addressing: a number goes to the first free place from where its hash points.
type hashShard struct {
	places []uint32 // number plus one, 0 for none; a power of two of them
	used   int
}

// find returns the element with a hash that is; is tells whether an element is the one that is sought.
func (h *hashed) find(hash uint64, is func(v uint32) bool) (uint32, bool) {
	s := &h.shards[hash%hashShards]
	if s.used == 0 {
		return 0, false
	}
	mask := uint64(len(s.places) - 1)
	for i := hash / hashShards & mask; s.places[i] != 0; i = (i + 1) & mask {
		if v := s.places[i] - 1; is(v) {
			return v, true
		}
	}
	return 0, false
}

// insert adds an element, which must not be there.
func (h *hashed) insert(v uint32) {
	hash := h.hash(v)
	s := &h.shards[hash%hashShards]
	if (s.used+1)*4 > len(s.places)*3 {
		h.resize(s, max(4, 2*len(s.places)))
	}
	s.used++
	s.put(hash, v)
}

func (s *hashShard) put(hash uint64, v uint32) {
	mask := uint64(len(s.places) - 1)
	i := hash / hashShards & mask
	for s.places[i] != 0 {
		i = (i + 1) & mask
	}
	s.places[i] = v + 1
}

func (h *hashed) resize(s *hashShard, size int) {
	before := s.places
	s.places = make([]uint32, size)
	for _, place := range before {
		if place != 0 {
			s.put(h.hash(place-1), place-1)
		}
	}
}

// remove takes an element out, which must be there and still have what it is found by.
func (h *hashed) remove(v uint32) {
	hash := h.hash(v)
	s := &h.shards[hash%hashShards]
	mask := uint64(len(s.places) - 1)
	i := hash / hashShards & mask
	for s.places[i] != v+1 {
		i = (i + 1) & mask
	}
	// What was put behind it because it was in the way moves up, so that no search ends at the gap.
	for next := (i + 1) & mask; s.places[next] != 0; next = (next + 1) & mask {
		home := h.hash(s.places[next]-1) / hashShards & mask
		if (next-home)&mask >= (next-i)&mask {
			s.places[i] = s.places[next]
			i = next
		}
	}
	s.places[i] = 0
	s.used--
	if len(s.places) > 16 && s.used*8 < len(s.places) {
		h.resize(s, len(s.places)/2)
	}
}

// len is how many elements there are.
func (h *hashed) len() int {
	n := 0
	for i := range h.shards {
		n += h.shards[i].used
	}
	return n
}
