package gateway

import (
	"math/rand/v2"
	"testing"
	"time"
)

// alarm is an owner of a timer that notes when it fires, and may do more.
type alarm struct {
	timer
	fired []time.Duration
	then  func(now time.Duration)
}

func (a *alarm) expire(now time.Duration) {
	a.fired = append(a.fired, now)
	if a.then != nil {
		a.then(now)
	}
}

// A wheel does what a list of deadlines does.
func TestWheelAgainstNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		w := newWheel()
		alarms := make([]alarm, 60)
		due := map[int]time.Duration{} // the naive reference
		now := time.Duration(0)
		for range 2000 {
			i := random.IntN(len(alarms))
			switch random.IntN(6) {
			case 0, 1, 2:
				// Now, soon, within a turn, and several turns away.
				span := []time.Duration{time.Millisecond, time.Second, 30 * time.Second, 5 * time.Minute}[random.IntN(4)]
				at := now + time.Duration(random.Int64N(int64(span)))
				w.set(&alarms[i].timer, at, &alarms[i])
				due[i] = at
			case 3:
				w.stop(&alarms[i].timer)
				delete(due, i)
			default:
				checkWait(t, w, now, due)
				now += time.Duration(random.Int64N(int64([]time.Duration{time.Millisecond, time.Second, 2 * time.Minute}[random.IntN(3)])))
				for j := range alarms {
					alarms[j].fired = nil
				}
				w.advance(now)
				checkFired(t, alarms, due, now)
			}
		}
	}
}

// checkWait wants the wheel to sleep no longer than until a slot after the first deadline, and not for ever while one is set.
func checkWait(t *testing.T, w *wheel, now time.Duration, due map[int]time.Duration) {
	t.Helper()
	wait := w.wait(now)
	if len(due) == 0 {
		if wait >= 0 {
			t.Fatalf("waits %v for nothing", wait)
		}
		return
	}
	first := time.Duration(1<<63 - 1)
	for _, at := range due {
		first = min(first, at)
	}
	if wait < 0 || now+wait > max(first, now)+2*wheelTick {
		t.Fatalf("at %v waits %v, the first is due at %v", now, wait, first)
	}
}

// checkFired wants fired what was due a slot ago, and nothing early, nothing twice.
func checkFired(t *testing.T, alarms []alarm, due map[int]time.Duration, now time.Duration) {
	t.Helper()
	for i := range alarms {
		at, armed := due[i]
		switch fired := len(alarms[i].fired); {
		case fired > 1 || fired == 1 && (!armed || at > now):
			t.Fatalf("fired %d times at %v, due at %v (%v)", fired, now, at, armed)
		case fired == 1:
			delete(due, i)
			if alarms[i].due != 0 {
				t.Fatal("armed after it fired")
			}
		case armed && at+2*wheelTick < now:
			t.Fatalf("due at %v, not fired at %v", at, now)
		}
	}
}

// Timers set, moved and stopped from within expire.
func TestWheelReentry(t *testing.T) {
	w := newWheel()
	var a, b, c alarm
	a.then = func(now time.Duration) {
		w.stop(&b.timer)             // due in the same slot: it must not fire
		w.set(&a.timer, now, &a)     // again, at once: in a later turn
		w.set(&c.timer, now-1e9, &c) // in the past
		w.set(&c.timer, now+time.Hour, &c)
	}
	at := 10 * time.Millisecond
	w.set(&b.timer, at, &b)
	w.set(&a.timer, at, &a) // first in its slot
	w.advance(20 * time.Millisecond)
	if len(a.fired) != 1 || len(b.fired) != 0 || len(c.fired) != 0 {
		t.Fatalf("a %v, b %v, c %v", a.fired, b.fired, c.fired)
	}
	a.then = nil
	w.advance(40 * time.Millisecond)
	if len(a.fired) != 2 {
		t.Fatalf("a %v", a.fired)
	}
	w.advance(2 * time.Hour) // many turns at once
	if len(c.fired) != 1 || w.wait(2*time.Hour) >= 0 {
		t.Fatalf("c %v", c.fired)
	}
	w.stop(&c.timer) // idle: nothing happens
}

// Moving and firing timers costs no memory.
func TestWheelAllocates(t *testing.T) {
	w := newWheel()
	var a alarm
	a.fired = make([]time.Duration, 0, 1000)
	now := time.Duration(0)
	if n := testing.AllocsPerRun(500, func() {
		now += wheelTick
		w.set(&a.timer, now+time.Second, &a)
		w.set(&a.timer, now, &a)
		w.wait(now)
		w.advance(now + wheelTick)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
