package scenario_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/loadtest/cost"
	"patchbay/loadtest/scenario"
)

// metrics is a page of process metrics whose CPU time grows by a second with each look.
func metrics(t *testing.T, change func(look int64, seconds *int64) bool) cost.Source {
	t.Helper()
	var looks atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := looks.Add(1)
		seconds := n
		if change(n, &seconds) {
			fmt.Fprintf(w, "process_cpu_seconds_total %d\nprocess_resident_memory_bytes 1e6\n", seconds)
		}
	}))
	t.Cleanup(s.Close)
	return cost.Source{Name: "server", URL: s.URL}
}

// What a server used is known only if it could be read when it mattered, and if it has not begun anew in between.
func TestUsage(t *testing.T) {
	f := startFake(t, nil, nil)
	for _, c := range []struct {
		name   string
		change func(look int64, seconds *int64) bool
		want   string // in the reason; empty if it is known
	}{
		{"read", func(int64, *int64) bool { return true }, ""},
		{"no metrics", func(int64, *int64) bool { return false }, "no process metrics"},
		{"no metrics at first", func(look int64, _ *int64) bool { return look > 1 }, "no process metrics"},
		{"gone in between", func(look int64, _ *int64) bool { return look < 5 }, "no process metrics"},
		{"restarted", func(look int64, seconds *int64) bool {
			if look > 4 {
				*seconds = look - 4
			}
			return true
		}, "restarted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(f.URL)
			o.Traffic.InFlight = 1
			plan, err := scenario.NewPlan("fanout", o)
			if err != nil {
				t.Fatal(err)
			}
			r := scenario.Runner{
				Sources: []cost.Source{metrics(t, c.change)}, Interval: 10 * time.Millisecond,
			}
			out, err := r.Run(context.Background(), plan)
			if err != nil {
				t.Fatal(err)
			}
			if got := out.Unknown("server"); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("it is unknown because of %q, want %q", got, c.want)
			}
			if why := out.Unknown(scenario.Generator); why != "" {
				t.Errorf("the generator: %s", why)
			}
		})
	}
}
