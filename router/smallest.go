package router

import "slices"

// smallest keeps the limit smallest of what it is offered, in a heap with the largest on top:
// a page costs one pass and a page's memory.
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
