package gateway

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the gateway's. Labels are bounded sets: transports, reasons, outcomes.
type metrics struct {
	accepted, refusedConns, upgrades, received, events, emits prometheus.Counter
	delivered, dropped, duplicates, badMessages, failures     prometheus.Counter
	connectTimeouts, homeless, rehomed                        prometheus.Counter
	sockets, rooms                                            prometheus.Gauge
	opened, closed, refusals, connects, badPackets            *prometheus.CounterVec
	replayed                                                  prometheus.Counter
	detached                                                  prometheus.Gauge
	recoveries                                                *prometheus.CounterVec
	relays                                                    *prometheus.HistogramVec
}

func newMetrics(gw *Gateway) (*metrics, error) {
	r := gw.options.Metrics
	if r == nil {
		r = prometheus.NewRegistry()
	}
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help})
		all = append(all, g)
		return g
	}
	vector := func(name, help, label string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help}, []string{label})
		all = append(all, v)
		return v
	}
	m := &metrics{
		accepted:        counter("connections_accepted_total", "TCP connections accepted."),
		refusedConns:    counter("connections_refused_total", "TCP connections closed at once because max-conns was reached."),
		upgrades:        counter("upgrades_total", "Sessions that went from polling to WebSocket."),
		received:        counter("messages_received_total", "Engine.IO messages from clients."),
		events:          counter("events_total", "Client events passed to workers."),
		emits:           counter("emits_total", "Emits taken from the backplane."),
		delivered:       counter("deliveries_total", "Events delivered to sockets, one for each recipient."),
		dropped:         counter("volatile_dropped_total", "Volatile events dropped because the client was not ready."),
		duplicates:      counter("duplicate_emits_total", "Further copies of emits to several rooms, ignored."),
		badMessages:     counter("bad_messages_total", "Backplane messages that were malformed or misaddressed."),
		failures:        counter("publish_failures_total", "Messages that the backplane did not take."),
		connectTimeouts: counter("connect_timeouts_total", "Sessions closed because they joined no namespace in time."),
		homeless:        counter("sockets_homeless_total", "Sockets whose worker was lost."),
		rehomed:         counter("sockets_rehomed_total", "Sockets that got a new home after their worker was lost."),
		replayed:        counter("recovery_events_total", "Missed events given to clients that came back."),
		detached:        gauge("detached_sockets", "Sockets without a transport whose clients may come back."),
		recoveries:      vector("recoveries_total", "Attempts to come back, and ends of detached sockets, by outcome.", "outcome"),
		sockets:         gauge("sockets", "Sockets that have joined a namespace."),
		rooms:           gauge("rooms", "Rooms with a member, counted once for each loop."),
		opened:          vector("sessions_opened_total", "Sessions opened, by first transport.", "transport"),
		closed:          vector("sessions_closed_total", "Sessions closed, by reason.", "reason"),
		refusals:        vector("requests_refused_total", "Requests refused with an Engine.IO error, by kind.", "kind"),
		connects:        vector("connects_total", "CONNECTs by outcome.", "outcome"),
		badPackets:      vector("bad_packets_total", "Input from clients that broke a rule, by layer.", "layer"),
	}
	m.relays = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "patchbay", Subsystem: "gateway", Name: "relay_seconds",
		Help:    "Polling requests relayed to the node that owns the session, by outcome (a status, aborted or failed), until answered; a GET waits for packets.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .05, .25, 1, 5, 30},
	}, []string{"outcome"})
	all = append(all, m.relays,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "patchbay", Subsystem: "gateway", Name: "connections", Help: "TCP connections open now.",
		}, func() float64 { return float64(gw.listener.open.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "patchbay", Subsystem: "gateway", Name: "subscriptions", Help: "Room and namespace subjects subscribed, lingering ones included.",
		}, func() float64 { return float64(gw.interest.Len()) }),
	)
	for _, c := range all {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
