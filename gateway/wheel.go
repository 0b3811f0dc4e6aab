package gateway

import (
	"math/bits"
	"time"
)

// The wheel turns once in about 33 s at 4 ms a slot: heartbeats at Socket.IO's defaults fit
// into one turn, and timeouts are at most a slot late.
const (
	wheelTick  = 4 * time.Millisecond
	wheelSlots = 8192
)

// timer is one entry of a wheel. Conns and sessions contain one, so that a
// deadline costs no allocation. The zero value is an idle timer. Owned by its loop.
type timer struct {
	next, prev *timer
	due        int64 // in ticks since the loop's start; 0 when idle
	owner      expirer
}

// expirer is what a timer belongs to. expire is called on the loop, with the timer idle.
type expirer interface{ expire(now time.Duration) }

// wheel is a hashed timing wheel: adding, moving and removing a timer take constant time.
// Owned by its loop.
//
// Times are durations since the loop's start.
type wheel struct {
	now   int64                   // the tick up to which timers have fired
	slots [wheelSlots]*timer      // the first of each slot's
	used  [wheelSlots / 64]uint64 // bit i: slot i is not empty
}

func newWheel() *wheel { return new(wheel) }

// set arms a timer for a time, or moves it there.
func (w *wheel) set(t *timer, at time.Duration, owner expirer) {
	due := int64((at + wheelTick - 1) / wheelTick)
	due = max(due, w.now+1)
	if t.due == due {
		return
	}
	w.stop(t)
	t.due, t.owner = due, owner
	i := due % wheelSlots
	t.prev, t.next = nil, w.slots[i]
	if t.next != nil {
		t.next.prev = t
	}
	w.slots[i] = t
	w.used[i/64] |= 1 << (i % 64)
}

// stop disarms a timer; stopping an idle one does nothing.
func (w *wheel) stop(t *timer) {
	if t.due == 0 {
		return
	}
	i := t.due % wheelSlots
	if t.next != nil {
		t.next.prev = t.prev
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else if w.slots[i] = t.next; t.next == nil {
		w.used[i/64] &^= 1 << (i % 64)
	}
	t.next, t.prev, t.due = nil, nil, 0
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
			w.fire(int(i), tick, now)
		}
	}
}

// fire expires one slot's due timers. It starts over after each: expire may arm and stop others.
func (w *wheel) fire(slot int, tick int64, now time.Duration) {
	for t := w.slots[slot]; t != nil; {
		if t.due > tick {
			t = t.next
			continue
		}
		w.stop(t)
		t.owner.expire(now)
		t = w.slots[slot]
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
