package gateway

import (
	"math/rand/v2"
	"testing"

	"patchbay/gateway/handoff"
)

// TestWindowAgainstNaive: a window knows exactly which of the latest emits it has had, and takes older ones for had.
func TestWindowAgainstNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		var w windows
		had, last := map[uint64]bool{}, uint64(0)
		at := uint64(random.IntN(10_000))
		for range 5000 {
			switch random.IntN(10) {
			case 0:
				at += uint64(random.IntN(2 * windowSize))
			default:
				at += uint64(random.IntN(4))
			}
			sequence := max(1, at-min(at, uint64(random.IntN(windowSize+100))))
			if len(had) == 0 {
				sequence = max(1, at)
			}
			want := had[sequence] || len(had) > 0 && sequence+windowSize <= last
			m := handoff.Mark{Publisher: "p", Sequence: sequence}
			if w.has(m) != want {
				t.Fatalf("has %d: %v, want %v; the last is %d", sequence, !want, want, last)
			}
			if w.add(m) != want {
				t.Fatalf("add %d: %v, want %v; the last is %d", sequence, !want, want, last)
			}
			had[sequence], last = true, max(last, sequence)
		}
	}
}

// TestWindowsForget: silent publishers are forgotten at the second turn, and there are never too many.
func TestWindowsForget(t *testing.T) {
	var w windows
	add := func(name string) bool { return w.add(handoff.Mark{Publisher: name, Sequence: 1}) }
	add("a")
	add("b")
	w.turn()
	w.add(handoff.Mark{Publisher: "a", Sequence: 2})
	w.turn()
	if len(w.all) != 1 || !add("a") {
		t.Errorf("%d publishers are left", len(w.all))
	}
	for n := range 2 * maxWindows {
		add("p" + string(rune('0'+n%10)) + handoff.Mark{Publisher: "x", Sequence: uint64(n + 1)}.String()[2:])
	}
	if len(w.all) > maxWindows {
		t.Errorf("%d publishers", len(w.all))
	}
	if w.add(handoff.Mark{}) {
		t.Error("what has no identity was had before")
	}
}
