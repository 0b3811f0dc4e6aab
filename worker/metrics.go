package worker

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are one worker's.
type metrics struct {
	accepted, refused    prometheus.Counter
	disconnects          prometheus.Counter
	emits                prometheus.Counter
	failures, panics     prometheus.Counter
	queueFull, malformed prometheus.Counter
	confirmations        prometheus.Counter
	repeated, missed     prometheus.Counter
	ghosts, released     prometheus.Counter
	seconds              prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, sockets, waiting func() float64) *metrics {
	const namespace, subsystem = "patchbay", "worker"
	counter := func(name, help string) prometheus.Counter {
		return register(r, prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		}))
	}
	gauge := func(name, help string, value func() float64) {
		register(r, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Subsystem: subsystem, Name: name, Help: help,
		}, value))
	}
	gauge("sockets", "Sockets whose home is this worker.", sockets)
	gauge("replies_waiting", "Acknowledgements and answers that are waited for.", waiting)
	return &metrics{
		accepted:      counter("accepted_total", "Sockets let in."),
		refused:       counter("refused_total", "Sockets that middleware refused."),
		disconnects:   counter("disconnects_total", "Sockets gone."),
		emits:         counter("emits_total", "Emits of the application."),
		failures:      counter("failures_total", "Events and connections whose handlers failed."),
		panics:        counter("panics_total", "Handlers that panicked."),
		queueFull:     counter("queue_full_total", "Sockets disconnected because their events waited beyond the limits."),
		malformed:     counter("malformed_total", "Messages on the worker's subjects that made no sense."),
		confirmations: counter("confirmations_total", "Messages by which gateways were told what events are done with; one stands for several events."),
		repeated:      counter("repeated_events_total", "Events that had come before, ignored."),
		missed:        counter("missed_events_total", "Times that events had to be asked for again because they had not come."),
		ghosts:        counter("ghosts_total", "Sockets that were gone when a loss of NATS was over, and whose disconnection had not been heard."),
		released:      counter("released_total", "Sockets let go because another worker was found to have them when a loss of NATS was over."),
		seconds: register(r, prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Subsystem: subsystem, Name: "handler_seconds",
			Help:    "Time to handle an event; its count is the events.",
			Buckets: []float64{.00001, .0001, .001, .01, .1, 1, 10},
		})),
	}
}

// register registers a metric. Several workers in one process share their counters; the gauges are then
// the first one's.
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
