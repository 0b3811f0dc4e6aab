package scenario_test

import (
	"testing"
	"time"
)

// A server that dies in mid-run: what could not be said is counted, and so are the clients that are not back.
func TestDeadServer(t *testing.T) {
	f := startFake(t, nil, nil)
	f.set(func(f *fake) {
		f.deliver = func(n int, text string) []string {
			if n == 60 {
				f.Listener.Close()
				for c := range f.all {
					c.Close()
				}
			}
			return []string{text}
		}
	})
	o := options(f.URL)
	o.Traffic.Rate, o.Timing.Patience = 100, 100*time.Millisecond
	out := mustRun(t, "fanout", o)
	if n := out.Rest.Counters.Skipped; n == 0 {
		t.Error("nothing was skipped")
	}
	if n := out.Rest.Away; n != 13 || out.Rest.Missing != 0 {
		t.Errorf("%d clients are away, want all 13", n)
	}
	if len(out.Audit.Waiting) == 0 {
		t.Error("it is not said what they wait for")
	}
}

// An avalanche whose server lets only half of the clients back in.
func TestHeldBack(t *testing.T) {
	f := startFake(t, nil, nil)
	f.set(func(f *fake) { f.hold = func(n int) bool { return n > 12 && n%2 == 0 } })
	o := options(f.URL)
	o.Publishers, o.Trouble.Away, o.Timing.Patience = 0, 0, 2*time.Second
	out := mustRun(t, "avalanche", o)
	if cut, back := out.Rest.Counters.Cuts, out.Histograms().Back.Count(); cut != 12 || back != 6 || out.Rest.Away != 6 || out.Rest.Present != 6 {
		t.Errorf("%d cut, %d back, %d present, %d away: want 12, and 6 of each", cut, back, out.Rest.Present, out.Rest.Away)
	}
	if got := out.Audit.Waiting; got["for the server's handshake"] != 6 {
		t.Errorf("they wait for %v", got)
	}
}

// Those whom jitter keeps away are where the scenario wants them.
func TestKeptAway(t *testing.T) {
	f := startFake(t, nil, nil)
	o := options(f.URL)
	o.Traffic.Rate, o.Trouble.Away, o.Timing.Patience = 100, time.Hour, 100*time.Millisecond
	out := mustRun(t, "jitter", o)
	if out.Rest.Away != 0 || out.Rest.Present != 10 || out.Rest.Counters.Cuts != 3 || len(out.Audit.Waiting) != 0 {
		t.Errorf("%d away, %d present, %d cut, waiting: %v; want 0, 10, 3 and none", out.Rest.Away, out.Rest.Present, out.Rest.Counters.Cuts, out.Audit.Waiting)
	}
}
