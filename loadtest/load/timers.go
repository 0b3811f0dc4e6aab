package load

import "container/heap"

// timer is something to be done at a time of the clock.
type timer struct {
	at int64
	do func()
}

// timers is a heap of them, the earliest first. Owned by its loop.
type timers []timer

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (t timers) Len() int           { return len(t) }
func (t timers) Less(i, j int) bool { return t[i].at < t[j].at }
func (t timers) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timers) Push(x any)        { *t = append(*t, x.(timer)) }
func (t *timers) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = timer{}
	*t = old[:len(old)-1]
	return last
}

func (t *timers) add(at int64, do func()) { heap.Push(t, timer{at, do}) }

// due takes all whose time has come, in order.
func (t *timers) due(now int64) []func() {
	var list []func()
	for len(*t) > 0 && (*t)[0].at <= now {
		list = append(list, heap.Pop(t).(timer).do)
	}
	return list
}

// next is the time of the earliest timer, 0 without one.
func (t timers) next() int64 {
	if len(t) == 0 {
		return 0
	}
	return t[0].at
}
