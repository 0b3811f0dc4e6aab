package router

// slabChunk is how many elements a slab allocates at once. Chunks never move, so growth
// copies nothing and wastes at most one chunk, where an appended slice wastes a quarter.
const slabChunk = 1024

// slab keeps elements of one type under small numbers, half the size of a pointer and nothing
// for the garbage collector to follow. Freed numbers are given out again. Pointers to
// elements stay valid until the element is freed. Owned by the router's loop.
type slab[T any] struct {
	chunks [][]T
	free   []uint32
	next   uint32
}

// take returns the number of a zeroed element.
func (s *slab[T]) take() uint32 {
	if last := len(s.free) - 1; last >= 0 {
		i := s.free[last]
		s.free = s.free[:last]
		return i
	}
	i := s.next
	s.next++
	if int(i/slabChunk) == len(s.chunks) {
		s.chunks = append(s.chunks, make([]T, slabChunk))
	}
	return i
}

// at returns an element that is taken.
func (s *slab[T]) at(i uint32) *T { return &s.chunks[i/slabChunk][i%slabChunk] }

// release zeroes an element and gives its number back.
func (s *slab[T]) release(i uint32) {
	var zero T
	*s.at(i) = zero
	s.free = append(s.free, i)
}

// len returns how many elements are taken.
func (s *slab[T]) len() int { return int(s.next) - len(s.free) }
