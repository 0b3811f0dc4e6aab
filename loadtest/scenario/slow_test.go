package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/loadtest/scenario"
)

// Clients that never read are closed when their budget is used up, no other is, and the gateway's counts by reason are the load tester's.
func TestSlow(t *testing.T) {
	registry := prometheus.NewRegistry()
	const budget = 2 << 20
	c := cluster.Start(t, cluster.Shape{App: cluster.Contract, Gateway: func(_ int, o *gateway.Options) {
		o.Metrics, o.Limits.QueueBytes = registry, budget
	}})
	o := options(c.URL(0))
	// In flight is a fraction of the budget, so that none is late who reads.
	o.Clients, o.Traffic.InFlight, o.Traffic.Payload, o.Timing.Duration = 8, 4, 120_000, time.Minute
	plan, err := scenario.NewPlan("slow", o)
	if err != nil {
		t.Fatal(err)
	}
	r := scenario.Runner{Interval: 10 * time.Millisecond, Enough: func(p scenario.Point) bool { return p.Sample.Counters.Closes >= 2 }}
	out, err := r.Run(context.Background(), plan)
	if err != nil {
		t.Fatal(err)
	}
	clean(t, out)
	if n := out.Audit.Unread; n.Clients != 2 || n.Closed != 2 {
		t.Errorf("%+v: want 2 of 8, both closed", n)
	}
	if n := out.Rest.Counters.Closes; n != 2 {
		t.Errorf("%d connections ended, want those of the 2", n)
	}
	total, deadline, look := 0.0, time.Now().Add(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer look.Stop()
	for ; total < 9 && time.Now().Before(deadline); <-look.C { // the last are leaving
		total = sum(t, registry, "patchbay_gateway_sessions_closed_total", "")
	}
	slow := sum(t, registry, "patchbay_gateway_sessions_closed_total", "slow consumer")
	if queued := sum(t, registry, "patchbay_gateway_closed_queued_bytes_total", "slow consumer"); slow != 2 || queued < 2*budget || total != 9 {
		t.Errorf("%v sessions closed, with the publisher's, %v of them slow consumers, with %v bytes queued; want 9, 2 and at least %d", total, slow, queued, 2*budget)
	}
}

// Those who do not read are not waited for, even where a loop has nobody else.
func TestSlowInFlight(t *testing.T) {
	o := options(startFake(t, nil, nil).URL)
	// Of the loops of the 3 members one has a single member, that does not read.
	o.Clients, o.Trouble.Share, o.Traffic.InFlight, o.Timing.Patience = 3, 0.3, 4, 30*time.Second
	out := mustRun(t, "slow", o)
	clean(t, out)
	if n := out.Rest.Counters; n.Sent <= 8 || n.Stalls != 0 || out.Audit.Unread.Clients != 1 {
		t.Errorf("%d sent, %d stalls, %+v: want more than what is in flight", n.Sent, n.Stalls, out.Audit.Unread)
	}
}

// sum adds up a counter over its reasons, or takes that of one.
func sum(t *testing.T, registry *prometheus.Registry, name, reason string) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if reason == "" || m.GetLabel()[0].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
