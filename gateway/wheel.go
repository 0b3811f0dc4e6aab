package gateway

import (
	"math/bits"
	"time"
)

// The wheel turns once in about 33 s at 16 ms a slot: heartbeats at Socket.IO's defaults fit
// into one turn, and timeouts are at most a slot late.
const (
	wheelTick  = 16 * time.Millisecond
	wheelSlots = 2048
)

// timer is one entry of a wheel. Conns and sessions contain one, so that a
// deadline costs no allocation. The zero value is an idle timer. Owned by its loop.
type timer struct {
	next, prev *timer
	due        int64 // in ticks since the loop's start
	owner      expirer
}

// expirer is what a timer belongs to. expire is called on the loop, with the timer idle.
type expirer interface{ expire(now time.Duration) }

// wheel is a hashed timing wheel: adding, moving and removing a timer take constant time.
// Owned by its loop.
//
// Times are durations since the loop's start.
type wheel struct {
	now   int64 // the tick up to which timers have fired
	slots [wheelSlots]timer
	used  [wheelSlots / 64]uint64 // bit i: slot i is not empty
}

func newWheel() *wheel {
	w := new(wheel)
	for i := range w.slots {
		s := &w.slots[i]
		s.next, s.prev = s, s
	}
	return w
}

// set arms a timer for a time, or moves it there.
func (w *wheel) set(t *timer, at time.Duration, owner expirer) {
	due := int64((at + wheelTick - 1) / wheelTick)
	due = max(due, w.now+1)
	if t.next != nil {
		if t.due == due {
			return
		}
		w.stop(t)
	}
	t.due, t.owner = due, owner
	i := due % wheelSlots
	s := &w.slots[i]
	t.prev, t.next = s.prev, s
	s.prev.next, s.prev = t, t
	w.used[i/64] |= 1 << (i % 64)
}

// stop disarms a timer; stopping an idle one does nothing.
func (w *wheel) stop(t *timer) {
	if t.next == nil {
		return
	}
	t.prev.next, t.next.prev = t.next, t.prev
	t.next, t.prev = nil, nil
	i := t.due % wheelSlots
	if s := &w.slots[i]; s.next == s {
		w.used[i/64] &^= 1 << (i % 64)
	}
}

// advance fires what is due at now. Timers set meanwhile fire in a later call.
func (w *wheel) advance(now time.Duration) {
	tick := int64(now / wheelTick)
	if tick <= w.now {
		return
	}
	from := w.now + 1
	if tick-w.now > wheelSlots {
		from = tick - wheelSlots + 1
	}
	w.now = tick
	for ; from <= tick; from++ {
		i := from % wheelSlots
		if w.used[i/64]&(1<<(i%64)) != 0 {
			w.fire(&w.slots[i], tick, now)
		}
	}
}

// fire expires one slot's due timers. They are collected first: expire may arm and stop others.
func (w *wheel) fire(s *timer, tick int64, now time.Duration) {
	for {
		t := s.next
		for t != s && t.due > tick {
			t = t.next
		}
		if t == s {
			return
		}
		w.stop(t)
		t.owner.expire(now)
	}
}

// wait is how long nothing can be due, at most; negative when no timer is armed. It may be too
// short, for timers more than a turn away, never too long.
func (w *wheel) wait(now time.Duration) time.Duration {
	first := w.now + 1
	for n := int64(0); n < wheelSlots; {
		i := (first + n) % wheelSlots
		word := w.used[i/64] >> (i % 64)
		if word != 0 {
			tick := first + n + int64(bits.TrailingZeros64(word))
			return max(0, time.Duration(tick)*wheelTick-now)
		}
		n += 64 - i%64
	}
	return -1
}
