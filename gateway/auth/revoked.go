package auth

import (
	"container/heap"
	"sync"
	"time"

	"patchbay/backplane"
)

// DefaultRevocations is how many revocations are remembered. Past it the one that would be over first is forgotten.
const DefaultRevocations = 100_000

// Applies reports whether a revocation is about an identity. A user's is about tokens that were issued by then; those that do not
// say when are of before.
func Applies(r *backplane.Revocation, i *Identity) bool {
	switch {
	case r.Token != "":
		return r.Token == i.Token
	case r.User != "":
		return r.User == i.User && !i.Issued.After(r.At)
	}
	return false
}

// Revoked is the revocations that are not over. Safe for concurrent use.
type Revoked struct {
	mu     sync.RWMutex
	limit  int
	tokens map[string]*entry
	users  map[string]*entry
	order  entries // by their ends
}

// entry is a revocation that is remembered.
type entry struct {
	backplane.Revocation
	index int // in the heap
}

// NewRevoked makes an empty list. A limit of 0 means DefaultRevocations.
func NewRevoked(limit int) *Revoked {
	if limit == 0 {
		limit = DefaultRevocations
	}
	return &Revoked{limit: limit, tokens: map[string]*entry{}, users: map[string]*entry{}}
}

// Add remembers a revocation, at most for a time from now on. It reports whether that is news.
func (l *Revoked) Add(r backplane.Revocation, now time.Time, longest time.Duration) bool {
	if end := now.Add(longest); r.Until.IsZero() || r.Until.After(end) {
		r.Until = end
	}
	if r.Socket != "" || !now.Before(r.Until) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(now)
	list, name := l.tokens, r.Token
	if r.User != "" {
		list, name = l.users, r.User
	}
	if e := list[name]; e != nil {
		news := r.At.After(e.At)
		if news {
			e.At = r.At
		}
		if r.Until.After(e.Until) {
			e.Until = r.Until
			heap.Fix(&l.order, e.index)
		}
		return news
	}
	if len(l.order) >= l.limit {
		l.forgetLocked()
	}
	e := &entry{Revocation: r}
	list[name] = e
	heap.Push(&l.order, e)
	return true
}

// Covers reports whether an identity has been revoked.
func (l *Revoked) Covers(i *Identity, now time.Time) bool {
	if l == nil {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if i.Token != "" {
		if e := l.tokens[i.Token]; e != nil && now.Before(e.Until) {
			return true
		}
	}
	if i.User == "" {
		return false
	}
	e := l.users[i.User]
	return e != nil && now.Before(e.Until) && Applies(&e.Revocation, i)
}

// All returns what is remembered, in no order.
func (l *Revoked) All(now time.Time) []backplane.Revocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dropLocked(now)
	all := make([]backplane.Revocation, len(l.order))
	for i, e := range l.order {
		all[i] = e.Revocation
	}
	return all
}

// Len is how many revocations are remembered, those that are over since the last Add included.
func (l *Revoked) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.order)
}

// dropLocked forgets what is over.
func (l *Revoked) dropLocked(now time.Time) {
	for len(l.order) > 0 && !now.Before(l.order[0].Until) {
		l.forgetLocked()
	}
}

// forgetLocked forgets the one that is over first.
func (l *Revoked) forgetLocked() {
	e, ok := heap.Pop(&l.order).(*entry)
	if !ok {
		return
	}
	if e.User != "" {
		delete(l.users, e.User)
		return
	}
	delete(l.tokens, e.Token)
}

// entries implement heap.Interface.
type entries []*entry

// Len implements heap.Interface.
func (h entries) Len() int { return len(h) }

// Less implements heap.Interface.
func (h entries) Less(i, j int) bool { return h[i].Until.Before(h[j].Until) }

// Swap implements heap.Interface.
func (h entries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *entries) Push(x any) {
	e, ok := x.(*entry)
	if !ok {
		panic("auth: a heap of entries was given something else")
	}
	e.index = len(*h)
	*h = append(*h, e)
}

// Pop implements heap.Interface.
func (h *entries) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return e
}
