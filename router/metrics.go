package router

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"patchbay/backplane"
)

// metrics are the router's. Labels are bounded sets: the outcomes, refusals and query
// operations that this package names.
type metrics struct {
	index     indexMetrics
	watching  watchMetrics
	nodes     prometheus.Gauge
	workers   prometheus.Gauge
	held      prometheus.Gauge
	connects  *prometheus.CounterVec   // result
	queries   *prometheus.CounterVec   // op, outcome
	took      *prometheus.HistogramVec // op
	batches   *prometheus.CounterVec   // result
	gaps      prometheus.Counter
	snapshots *prometheus.CounterVec // result
	expired   *prometheus.CounterVec // kind
	deaf      prometheus.Counter
	strays    prometheus.Counter
}

// indexMetrics say how large the index is.
type indexMetrics struct{ sockets, rooms, bytes prometheus.Gauge }

// watchMetrics are those of the watches.
type watchMetrics struct {
	watches prometheus.Gauge
	told    prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return register(r, prometheus.NewGauge(prometheus.GaugeOpts(opts(name, help))))
	}
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts(opts(name, help))))
	}
	vector := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(r, prometheus.NewCounterVec(prometheus.CounterOpts(opts(name, help)), labels))
	}
	m := &metrics{
		index: indexMetrics{
			sockets: gauge("sockets", "Sockets in the index."),
			rooms:   gauge("rooms", "Rooms in the index, those of users among them."),
			bytes:   gauge("index_bytes", "Memory of the index, estimated from its tables' sizes: some 150 bytes for a socket in three rooms."),
		},
		watching: watchMetrics{
			watches: gauge("watches", "Watches of rooms and namespaces."),
			told:    counter("presence_messages_total", "Messages to those who watch rooms and namespaces."),
		},
		nodes:     gauge("nodes", "Gateways with a lease."),
		workers:   gauge("workers", "Workers with a lease."),
		held:      gauge("connects_held", "CONNECTs that wait for a worker."),
		connects:  vector("connects_total", "CONNECTs by what became of them; one may be held first and passed on later.", "result"),
		queries:   vector("queries_total", "Queries answered.", "op", "outcome"),
		batches:   vector("batches_total", "Batches of membership changes heard; repeated includes beats.", "result"),
		gaps:      counter("gaps_total", "Gaps in nodes' feeds."),
		snapshots: vector("snapshots_total", "Snapshots of nodes requested and applied.", "result"),
		expired:   vector("leases_expired_total", "Leases that ran out.", "kind"),
		deaf:      counter("pauses_total", "Pauses in which the router could not hear, after which leases began anew."),
		strays:    counter("stray_changes_total", "Membership changes that made no sense."),
		took: register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "patchbay", Subsystem: "router", Name: "query_seconds",
			Help:    "Time from a query's arrival to its answer, waiting included.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 2, 5},
		}, []string{"op"})),
	}
	// A series that begins with its first event does not show that event as an increase.
	for _, kind := range []string{"node", "worker"} {
		m.expired.WithLabelValues(kind)
	}
	return m
}

func opts(name, help string) prometheus.Opts {
	return prometheus.Opts{Namespace: "patchbay", Subsystem: "router", Name: name, Help: help}
}

// register registers a collector; several routers of one process share theirs.
func register[C prometheus.Collector](r prometheus.Registerer, c C) C {
	if r == nil {
		return c
	}
	var already prometheus.AlreadyRegisteredError
	if err := r.Register(c); errors.As(err, &already) {
		if existing, ok := already.ExistingCollector.(C); ok {
			return existing
		}
	}
	return c
}

// opLabel bounds the label: what a caller invents is "other".
func opLabel(op backplane.QueryOp) string {
	switch op {
	case backplane.QueryCount, backplane.QueryRooms, backplane.QuerySockets, backplane.QueryNodes,
		backplane.QueryUsers, backplane.QueryWhere, backplane.QueryWatch:
		return string(op)
	}
	return "other"
}
