package router

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"patchbay/backplane"
)

func TestMetricsShared(t *testing.T) {
	r := prometheus.NewRegistry()
	one, two := newMetrics(r), newMetrics(r)
	one.gaps.Inc()
	two.gaps.Inc()
	one.connects.WithLabelValues("held").Inc()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range families {
		if f.GetName() == "patchbay_router_gaps_total" {
			found = f.GetMetric()[0].GetCounter().GetValue() == 2
		}
	}
	if !found {
		t.Error("two routers of one process do not share their counters")
	}
	newMetrics(nil).gaps.Inc()
}

func TestOpLabelIsBounded(t *testing.T) {
	for op, want := range map[backplane.QueryOp]string{backplane.QueryCount: "count", backplane.QueryNodes: "nodes", "made up": "other", "": "other"} {
		if got := opLabel(op); got != want {
			t.Errorf("%q: %q, want %q", op, got, want)
		}
	}
}
