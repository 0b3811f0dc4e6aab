package scenario_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/loadtest/scenario"
)

// TestMain is a process of the generator as well: runs of several processes start this program anew.
func TestMain(m *testing.M) {
	if os.Getenv(scenario.EnvironmentPlan) != "" {
		if err := scenario.ServeSquad(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// options are small and quick: a run's figures mean nothing here, its audit does.
func options(urls ...string) scenario.Options {
	return scenario.Options{
		Clients:    12,
		Publishers: 1,
		Server:     scenario.Server{URLs: urls, Transport: "websocket"},
		Traffic:    scenario.Traffic{Payload: 100},
		Timing: scenario.Timing{
			Duration: 200 * time.Millisecond, WarmUp: 50 * time.Millisecond, Patience: 10 * time.Second, ConnectTimeout: time.Minute, Connecting: 64,
		},
		Trouble: scenario.Trouble{Share: 0.25, Away: 50 * time.Millisecond, Every: 100 * time.Millisecond},
		Shape:   scenario.Shape{Loops: 2, PerProcess: 100},
	}
}

func mustRun(t *testing.T, name string, o scenario.Options) *scenario.Outcome {
	t.Helper()
	plan, err := scenario.NewPlan(name, o)
	if err != nil {
		t.Fatal(err)
	}
	out, err := (&scenario.Runner{}).Run(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// clean fails if the audit found anything, or nothing was audited.
func clean(t *testing.T, out *scenario.Outcome) {
	t.Helper()
	a, c := out.Audit, out.Rest.Counters
	if a.Expected == 0 {
		t.Error("nothing was audited")
	}
	if a.Lost+a.LostAcks+a.Repeated+a.Reordered+c.Stray+c.Damaged != 0 {
		t.Errorf("audit: %+v, counters: %+v", a, c)
	}
	if c.Delivered+c.Acked != a.Expected {
		t.Errorf("%d delivered and %d acknowledged, %d expected", c.Delivered, c.Acked, a.Expected)
	}
}

// The scenarios against a real cluster of two gateways, whose clients come to both.
func TestScenarios(t *testing.T) {
	c := cluster.Start(t, cluster.Shape{
		Gateways: 2, App: cluster.Contract,
		Gateway: func(_ int, o *gateway.Options) { o.HTTP.Deflate.On = true },
	})
	base := func(change func(*scenario.Options)) scenario.Options {
		o := options(c.URL(0), c.URL(1))
		change(&o)
		return o
	}
	encodings(t, func(change func(*scenario.Options)) scenario.Options {
		return base(func(o *scenario.Options) {
			o.Timing.Duration, o.Timing.WarmUp = 100*time.Millisecond, 0
			change(o)
		})
	})
	t.Run("idle", func(t *testing.T) {
		out := mustRun(t, "idle", base(func(*scenario.Options) {}))
		if n := out.Rest.Present; n != 12 {
			t.Errorf("%d clients at the end, want 12", n)
		}
	})
	t.Run("connect", func(t *testing.T) {
		out := mustRun(t, "connect", base(func(o *scenario.Options) { o.Timing.ConnectRate = 100 }))
		// Each of two loops begins its six at half the rate.
		if least := 5 * 20 * time.Millisecond; out.Connecting < least {
			t.Errorf("12 clients at 100 a second connected in %v, want at least %v", out.Connecting, least)
		}
		if n := out.Histograms().Connect.Count(); n != 12 {
			t.Errorf("%d connections timed, want 12", n)
		}
	})
	for _, transport := range []string{"websocket", "polling", "upgrade"} {
		t.Run("fanout over "+transport, func(t *testing.T) {
			clean(t, mustRun(t, "fanout", base(func(o *scenario.Options) {
				o.Server.Transport, o.Traffic.InFlight = transport, 4
			})))
		})
		t.Run("echo over "+transport, func(t *testing.T) {
			clean(t, mustRun(t, "echo", base(func(o *scenario.Options) {
				o.Server.Transport, o.Traffic.InFlight = transport, 6
			})))
		})
	}
	t.Run("fanout at a rate, several publishers", func(t *testing.T) {
		out := mustRun(t, "fanout", base(func(o *scenario.Options) { o.Traffic.Rate, o.Publishers = 100, 3 }))
		clean(t, out)
		if late := out.Histograms().Late.Count(); late < 20 {
			t.Errorf("the delay of %d sends was noted, want all 20", late)
		}
	})
	t.Run("rooms", func(t *testing.T) {
		clean(t, mustRun(t, "rooms", base(func(o *scenario.Options) { o.RoomSize, o.Publishers, o.Traffic.Rate = 5, 2, 100 })))
	})
	t.Run("saturated rooms", func(t *testing.T) {
		clean(t, mustRun(t, "rooms", base(func(o *scenario.Options) { o.RoomSize, o.Traffic.InFlight = 4, 2 })))
	})
	t.Run("echo at a rate", func(t *testing.T) {
		clean(t, mustRun(t, "echo", base(func(o *scenario.Options) { o.Traffic.Rate = 200 })))
	})
	t.Run("avalanche", func(t *testing.T) {
		out := mustRun(t, "avalanche", base(func(o *scenario.Options) { o.Timing.Duration, o.Trouble.Away = time.Minute, 0 }))
		if cut, back := out.Rest.Counters.Cuts, out.Histograms().Back.Count(); cut != 12 || back != 12 {
			t.Errorf("%d cut and %d back, want 12 of each", cut, back)
		}
	})
	t.Run("jitter", func(t *testing.T) {
		out := mustRun(t, "jitter", base(func(o *scenario.Options) {
			o.Traffic.Rate, o.Trouble.Recover, o.Timing.Duration = 100, true, time.Second
		}))
		clean(t, out)
		if c := out.Rest.Counters; c.Cuts == 0 || c.Recovered != c.Cuts || c.Renewed != 0 {
			t.Errorf("counters: %+v, want as many recovered as cut", c)
		}
	})
	t.Run("slow", func(t *testing.T) {
		out := mustRun(t, "slow", base(func(o *scenario.Options) { o.Traffic.Rate = 100 }))
		clean(t, out)
		if n := out.Audit.Unread; n.Clients != 3 || n.Closed != 0 {
			t.Errorf("%+v: want 3 of 12, and none closed for so little", n)
		}
	})
	t.Run("several processes", func(t *testing.T) {
		out := mustRun(t, "fanout", base(func(o *scenario.Options) { o.Traffic.InFlight, o.Shape.PerProcess = 3, 6 }))
		clean(t, out)
		if out.Plan.Processes != 3 {
			t.Errorf("%d processes, want 3", out.Plan.Processes)
		}
	})
	// The last: it stops one of the gateways.
	t.Run("drain", func(t *testing.T) { drain(t, c) })
}

// encodings runs what clients with msgpack do, and with compression.
func encodings(t *testing.T, base func(func(*scenario.Options)) scenario.Options) {
	for _, transport := range []string{"websocket", "polling", "upgrade"} {
		t.Run("msgpack over "+transport, func(t *testing.T) {
			packed := func(change func(*scenario.Options)) scenario.Options {
				o := base(func(o *scenario.Options) { o.Server.Transport, o.Server.Parser = transport, "msgpack" })
				change(&o)
				return o
			}
			clean(t, mustRun(t, "fanout", packed(func(o *scenario.Options) { o.Traffic.InFlight = 4 })))
			clean(t, mustRun(t, "rooms", packed(func(o *scenario.Options) { o.RoomSize, o.Publishers, o.Traffic.Rate = 5, 2, 100 })))
			clean(t, mustRun(t, "echo", packed(func(o *scenario.Options) { o.Traffic.InFlight = 6 })))
		})
	}
	t.Run("msgpack that comes back", func(t *testing.T) {
		out := mustRun(t, "jitter", base(func(o *scenario.Options) {
			o.Server.Parser, o.Traffic.Rate, o.Trouble.Recover, o.Timing.Duration = "msgpack", 100, true, 500*time.Millisecond
		}))
		clean(t, out)
		if c := out.Rest.Counters; c.Cuts == 0 || c.Recovered != c.Cuts {
			t.Errorf("counters: %+v, want as many recovered as cut", c)
		}
	})
	const size = 3000
	for _, c := range []struct {
		transport, parser string
		most              uint64 // percent of the plain size
	}{
		{"websocket", "json", 75}, {"websocket", "msgpack", 75}, {"upgrade", "json", 75}, {"polling", "json", 75},
		{"polling", "msgpack", 85}, // base64 hides words that repeat
	} {
		t.Run("compressed "+c.parser+" over "+c.transport, func(t *testing.T) {
			perDelivery := func(deflate bool) uint64 {
				out := mustRun(t, "fanout", base(func(o *scenario.Options) {
					o.Server.Transport, o.Server.Parser, o.Server.Deflate = c.transport, c.parser, deflate
					o.Traffic.InFlight, o.Traffic.Payload = 2, size
				}))
				clean(t, out)
				return out.Rest.Counters.Bytes / out.Rest.Counters.Delivered
			}
			if plain, squeezed := perDelivery(false), perDelivery(true); plain < size || squeezed > plain*c.most/100 {
				t.Errorf("%d bytes a delivery, and %d compressed", plain, squeezed)
			}
		})
	}
}

// What is due and cannot be sent is counted: at the end nothing that was due is unaccounted for.
func TestUnsent(t *testing.T) {
	o := options(startFake(t, nil, nil).URL)
	o.Clients, o.Traffic.Rate, o.Timing.Duration, o.Timing.WarmUp = 1, 1e9, 10*time.Millisecond, 0
	out := mustRun(t, "fanout", o)
	n, due := out.Rest.Counters, uint64(o.Timing.Duration)
	if n.Unsent == 0 || n.Sent+n.Skipped+n.Unsent < due {
		t.Errorf("%d sent, %d skipped, %d unsent: want all %d that were due at least", n.Sent, n.Skipped, n.Unsent, due)
	}
	if out.Audit.Lost != 0 || len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "not sent") {
		t.Errorf("%d lost, notes %q: what was not sent is not lost", out.Audit.Lost, out.Notes)
	}
	o.Traffic.Rate = 100
	if n := mustRun(t, "fanout", o).Rest.Counters.Unsent; n != 0 {
		t.Errorf("%d unsent at a rate that is met", n)
	}
}

// drain runs the scenario while a gateway stops. Whatever that loses, the audit must account for every message.
func drain(t *testing.T, c *cluster.Cluster) {
	o := options(c.URL(0), c.URL(1))
	marker := t.TempDir() + "/restarted"
	o.Traffic.Rate, o.Trouble.Recover, o.Trouble.Restart = 50, true, []string{"true", "touch " + marker}
	o.Timing.Duration, o.Timing.Patience = 3*time.Second, 3*time.Second
	plan, err := scenario.NewPlan("drain", o)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stopped := make(chan error, 1)
	r := scenario.Runner{Progress: func(stage string, _ float64, _ scenario.Point) {
		if stage == "measure" {
			once.Do(func() { go func() { stopped <- c.StopPart(c.Gateways[0]) }() })
		}
	}}
	out, err := r.Run(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	a, n := out.Audit, out.Rest.Counters
	if n.Closes == 0 || n.Connects <= 13 {
		t.Errorf("counters: %+v, want connections that ended and came back", n)
	}
	if n.Delivered+a.Lost != a.Expected || a.Repeated+a.Reordered != 0 {
		t.Errorf("%d delivered, audit: %+v: not every message is accounted for", n.Delivered, a)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("the restart command has not run: %v", err)
	}
	if len(out.Notes) != 0 {
		t.Errorf("notes: %q, want none", out.Notes)
	}
}
