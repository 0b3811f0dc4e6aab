package load_test

import (
	"testing"
	"time"

	"patchbay/loadtest/load"
)

// deadline is generous: a test that fails waits for it, one that passes does not.
const deadline = 30 * time.Second

func mustLoop(t *testing.T) *load.Loop {
	t.Helper()
	l, err := load.NewLoop(load.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(deadline):
		t.Fatalf("%s: it did not come", what)
	}
}

// A timer that sets itself again for a time that has passed must not keep the loop from anything else: on a machine so busy that a turn takes
// longer than an interval, every periodic timer is such a one.
func TestLateTimerDoesNotStarve(t *testing.T) {
	l := mustLoop(t)
	started, posted := make(chan struct{}), make(chan struct{})
	var again func()
	times := 0
	again = func() {
		if times++; times == 1 {
			close(started)
		}
		l.At(l.Now(), again)
	}
	l.Post(again)
	await(t, "the timer", started)
	l.Post(func() { close(posted) })
	await(t, "what was posted", posted)
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
}

// Timers run in the order of their times, and not before them.
func TestTimersInOrder(t *testing.T) {
	l := mustLoop(t)
	done := make(chan struct{})
	var order []int
	l.Post(func() {
		start := l.Time()
		for _, i := range []int{3, 1, 2} {
			at := start + int64(i)*int64(time.Millisecond)
			l.At(at, func() {
				if l.Time() < at {
					t.Errorf("timer %d is early", i)
				}
				if order = append(order, i); len(order) == 3 {
					close(done)
				}
			})
		}
	})
	await(t, "the timers", done)
	if err := l.Stop(); err != nil {
		t.Error(err)
	}
	if order[0] != 1 || order[1] != 2 || order[2] != 3 {
		t.Errorf("got the order %v", order)
	}
	if l.Post(func() {}) {
		t.Error("a loop that has ended took work")
	}
}
