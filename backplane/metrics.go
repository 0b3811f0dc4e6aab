package backplane

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are one connection's.
type metrics struct {
	disconnects prometheus.Counter
	gapSeconds  prometheus.Counter
	errors      prometheus.Counter
	failures    prometheus.Counter
	unconfirmed prometheus.Counter
	again       prometheus.Counter
}

func newMetrics(r prometheus.Registerer) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "patchbay", Subsystem: "backplane", Name: name, Help: help,
		})
		if r == nil {
			return c
		}
		// Several parts in one process share a registry, and so these counters.
		var already prometheus.AlreadyRegisteredError
		if err := r.Register(c); errors.As(err, &already) {
			if existing, ok := already.ExistingCollector.(prometheus.Counter); ok {
				return existing
			}
		}
		return c
	}
	return &metrics{
		disconnects: counter("disconnects_total", "Times that the connection to NATS was lost."),
		gapSeconds:  counter("gap_seconds_total", "Seconds without a connection to NATS; what others published then is lost here."),
		errors:      counter("faults_total", "Faults that NATS reported, among them messages dropped at a full channel."),
		failures:    counter("publish_failures_total", "Publishes and requests that failed."),
		again:       counter("again_total", "Emits and acknowledgements published again because a link to NATS was lost, this process's or another's."),
		unconfirmed: counter("unconfirmed_total", "Joins that were answered although a NATS server had not confirmed in time that it knows of them."),
	}
}
