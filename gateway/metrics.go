package gateway

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the gateway's. Labels are bounded sets: transports, reasons, outcomes.
type metrics struct {
	clientMetrics
	messageMetrics
	socketMetrics
	autopsyMetrics
	drainMetrics
	relays          *prometheus.HistogramVec
	overRate        *prometheus.CounterVec
	refusedSessions *prometheus.CounterVec
	limited         *prometheus.CounterVec
	tokens          *prometheus.CounterVec
	revoked         prometheus.Counter
	handoffs        *prometheus.CounterVec
	gaps            *prometheus.CounterVec
	repeated        prometheus.Counter
}

// drainMetrics count what becomes of clients while the node drains.
type drainMetrics struct {
	drained   *prometheus.CounterVec
	remaining *prometheus.GaugeVec
}

// clientMetrics count connections, sessions and what clients do wrong.
type clientMetrics struct {
	accepted, refusedConns, upgrades, connectTimeouts prometheus.Counter
	refusedOfAddress                                  prometheus.Counter
	deaths                                            prometheus.Counter
	opened, closed, refusals, badPackets              *prometheus.CounterVec
}

// messageMetrics count what passes through.
type messageMetrics struct {
	received, events, emits, delivered, dropped prometheus.Counter
	duplicates, badMessages, failures           prometheus.Counter
	redelivered, repeated, poison               prometheus.Counter
}

// socketMetrics count sockets, and where they stand.
type socketMetrics struct {
	sockets, rooms, detached    prometheus.Gauge
	homeless, rehomed, replayed prometheus.Counter
	lostWorkers                 prometheus.Counter
	connects, recoveries        *prometheus.CounterVec
}

// registrar makes metrics and registers them.
type registrar struct {
	to     prometheus.Registerer
	failed error
}

func newMetrics(gw *Gateway) (*metrics, error) {
	r := &registrar{to: gw.options.Metrics}
	if r.to == nil {
		r.to = prometheus.NewRegistry()
	}
	m := &metrics{clientMetrics: newClientMetrics(r), messageMetrics: newMessageMetrics(r), socketMetrics: newSocketMetrics(r), autopsyMetrics: newAutopsyMetrics(r)}
	m.relays = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace: "patchbay", Subsystem: "gateway", Name: "relay_seconds",
		Help:    "Polling requests relayed to the node that owns the session, by outcome (a status, aborted or failed), until answered; a GET waits for packets.",
		Buckets: []float64{.0005, .001, .0025, .005, .01, .05, .25, 1, 5, 30},
	}, []string{"outcome"})
	r.add(m.relays)
	m.overRate = r.vector("over_rate_total", "Packets that came from clients beyond their rates, by what became of them.", "outcome")
	m.refusedSessions = r.vector("sessions_refused_total", "Sessions refused because too many are opened (rate) or come from one address (address).", "limit")
	m.limited = r.vector("limited_total", "Times that a limit kept a client, or the application, from something, by limit: namespaces, auth, rooms, room name, data, pending acks.", "limit")
	m.tokens = r.vector("tokens_total", "Clients' tokens checked at CONNECT and at a refresh, and those that ended on a live socket, by outcome.", "outcome")
	m.revoked = r.counter("revoked_sockets_total", "Sockets ended because they, their user or their token were revoked.")
	r.measured("gathers", "1 while what clients send waits for more, since it comes fast (--gather-above); 0 while it is read at once.", func() float64 {
		if gw.gathers(time.Since(gw.started)) {
			return 1
		}
		return 0
	})
	m.gaps = r.vector("backplane_gaps_total", "Losses of the link to NATS, by outcome: repaired, or incomplete if some did not say again what they had emitted.", "outcome")
	m.repeated = r.counter("backplane_gap_emits_total", "Emits missed in a gap of the backplane, and delivered when they were said again.")
	m.handoffs = r.vector("handoffs_total", "Sessions and sockets taken from another node, by cause and outcome.", "cause", "outcome")
	m.drainMetrics = newDrainMetrics(r)
	r.measured("connections", "TCP connections open now.", func() float64 { return float64(gw.listener.open.Load()) })
	r.measured("subscriptions", "Room and namespace subjects subscribed, lingering ones included.", func() float64 { return float64(gw.interest.Len()) })
	return m, r.failed
}

func newDrainMetrics(r *registrar) drainMetrics {
	return drainMetrics{
		drained: r.vector("drained_total", "What became of sessions and sockets while this node drained: closed (sessions, to come back elsewhere), "+
			"handed over (detached sockets, to a peer), no peer, cut off (at the deadline).", "outcome"),
		remaining: r.gauges("drain_remaining", "What this node, while it drains, still has: sessions, detached sockets, handoffs that are not finished.", "what"),
	}
}

// remain shows what a drain has before it.
func (m *drainMetrics) remain(r remains) {
	m.remaining.WithLabelValues("sessions").Set(float64(r.sessions))
	m.remaining.WithLabelValues("detached").Set(float64(r.detached))
	m.remaining.WithLabelValues("handoffs").Set(float64(r.moving))
}

func newClientMetrics(r *registrar) clientMetrics {
	return clientMetrics{
		accepted:         r.counter("connections_accepted_total", "TCP connections accepted."),
		refusedConns:     r.counter("connections_refused_total", "TCP connections closed at once because max-conns was reached."),
		refusedOfAddress: r.counter("connections_of_address_refused_total", "TCP connections closed at once because max-conns-per-address was reached."),
		upgrades:         r.counter("upgrades_total", "Sessions that went from polling to WebSocket."),
		deaths:           r.counter("taken_for_dead_total", "Times that the routers declared this node dead while it was alive, and it let its clients go."),
		connectTimeouts:  r.counter("connect_timeouts_total", "Sessions closed because they joined no namespace in time."),
		opened:           r.vector("sessions_opened_total", "Sessions opened, by first transport.", "transport"),
		closed:           r.vector("sessions_closed_total", "Sessions closed, by reason.", "reason"),
		refusals:         r.vector("requests_refused_total", "Requests refused with an Engine.IO error, by kind.", "kind"),
		badPackets:       r.vector("bad_packets_total", "Input from clients that broke a rule, by layer.", "layer"),
	}
}

func newMessageMetrics(r *registrar) messageMetrics {
	return messageMetrics{
		received:    r.counter("messages_received_total", "Engine.IO messages from clients."),
		events:      r.counter("events_total", "Client events passed to workers."),
		emits:       r.counter("emits_total", "Emits taken from the backplane."),
		delivered:   r.counter("deliveries_total", "Events delivered to sockets, one for each recipient."),
		dropped:     r.counter("volatile_dropped_total", "Volatile events dropped because the client was not ready."),
		duplicates:  r.counter("duplicate_emits_total", "Further copies of emits to several rooms, ignored."),
		badMessages: r.counter("bad_messages_total", "Backplane messages that were malformed or misaddressed."),
		failures:    r.counter("publish_failures_total", "Messages that the backplane did not take."),
		redelivered: r.counter("events_redelivered_total", "Client events given to another worker, because the one before was lost and had not confirmed them."),
		repeated:    r.counter("events_repeated_total", "Times that client events were given to the same worker again, because they had not come."),
		poison:      r.counter("poison_events_total", "Client events dropped because workers were lost with them too often."),
	}
}

func newSocketMetrics(r *registrar) socketMetrics {
	return socketMetrics{
		sockets:     r.gauge("sockets", "Sockets that have joined a namespace."),
		rooms:       r.gauge("rooms", "Rooms with a member, counted once for each loop."),
		detached:    r.gauge("detached_sockets", "Sockets without a transport whose clients may come back."),
		homeless:    r.counter("sockets_homeless_total", "Sockets whose worker was lost."),
		rehomed:     r.counter("sockets_rehomed_total", "Sockets that got a new home after their worker was lost."),
		lostWorkers: r.counter("workers_lost_total", "Workers taken for dead by this node, because nobody listens on their subjects or answers."),
		replayed:    r.counter("recovery_events_total", "Missed events given to clients that came back."),
		connects:    r.vector("connects_total", "CONNECTs by outcome.", "outcome"),
		recoveries:  r.vector("recoveries_total", "Attempts to come back, and ends of detached sockets, by outcome.", "outcome"),
	}
}

func (r *registrar) add(c prometheus.Collector) {
	r.failed = errors.Join(r.failed, r.to.Register(c))
}

func (r *registrar) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help})
	r.add(c)
	return c
}

func (r *registrar) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help})
	r.add(g)
	return g
}

func (r *registrar) vector(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help}, labels)
	r.add(v)
	return v
}

func (r *registrar) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help, Buckets: buckets}, labels)
	r.add(h)
	return h
}

func (r *registrar) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help}, labels)
	r.add(v)
	return v
}

// measured is a gauge that is read when it is asked for.
func (r *registrar) measured(name, help string, value func() float64) {
	r.add(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "patchbay", Subsystem: "gateway", Name: name, Help: help}, value))
}
