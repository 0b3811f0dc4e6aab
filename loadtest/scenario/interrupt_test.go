package scenario_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"patchbay/loadtest/cost"
	"patchbay/loadtest/scenario"
)

// A run that is interrupted while it measures gives what it has found; before, it says that there is nothing.
func TestInterrupted(t *testing.T) {
	f := startFake(t, nil, nil)
	for _, perProcess := range []int{100, 6} {
		for _, when := range []string{"connect", "warm up", "measure", "settle"} {
			o := options(f.URL)
			o.Traffic.Rate, o.Timing.Duration, o.Shape.PerProcess = 100, time.Hour, perProcess
			if when == "settle" {
				o.Timing.Duration = 100 * time.Millisecond
			}
			f.set(func(f *fake) {
				f.deliver = func(_ int, text string) []string {
					if when == "settle" {
						return nil // so that there is something to wait for
					}
					return []string{text}
				}
			})
			plan, err := scenario.NewPlan("fanout", o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			points := 0
			r := scenario.Runner{Interval: 20 * time.Millisecond, Progress: func(stage string, _ float64, _ scenario.Point) {
				if stage == "measure" {
					points++
				}
				if stage == when && (when != "measure" || points == 3) {
					cancel()
				}
			}}
			out, err := r.Run(ctx, plan)
			cancel()
			if !errors.Is(err, scenario.ErrInterrupted) {
				t.Errorf("%s: got %v, want ErrInterrupted", when, err)
			}
			switch when {
			case "connect", "warm up":
				if out != nil || !strings.Contains(err.Error(), "nothing is reported") {
					t.Errorf("%s: got %v and an outcome: %v", when, err, out != nil)
				}
			case "measure":
				if out == nil || !out.Interrupted || len(out.Points) != 4 || out.Unknown(scenario.Generator) != "" {
					t.Fatalf("%s: no outcome, or not all of it: %+v", when, out)
				}
				clean(t, out)
			case "settle":
				if out == nil || !out.Interrupted || out.Audit.Lost != out.Audit.Expected {
					t.Fatalf("%s: got %+v", when, out)
				}
			}
		}
	}
}

// Clients that are not all there in time: what they wait for is said, also while a page of metrics hangs, and if they are in several processes.
func TestNotConnected(t *testing.T) {
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hung.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	strange := startFake(t, nil, nil)
	strange.set(func(f *fake) { f.strange = true })
	for _, c := range []struct {
		name, url, want string
		perProcess      int
		sources         []cost.Source
	}{
		{"silent", "http://" + silent.Addr().String(), "13 wait for the server's handshake", 100, nil},
		{"without the load events", strange.URL, "12 wait for an answer to join", 100, nil},
		{"several processes, metrics that hang", "http://" + silent.Addr().String(), "13 wait for the server's handshake", 5, []cost.Source{{Name: "server", URL: hung.URL}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(c.url)
			o.Traffic.InFlight, o.Timing.ConnectTimeout, o.Shape.PerProcess = 1, 300*time.Millisecond, c.perProcess
			plan, err := scenario.NewPlan("fanout", o)
			if err != nil {
				t.Fatal(err)
			}
			out, err := (&scenario.Runner{Sources: c.sources}).Run(context.Background(), plan)
			if out != nil || !errors.Is(err, scenario.ErrNotConnected) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "map[") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
