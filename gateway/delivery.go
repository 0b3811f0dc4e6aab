package gateway

import (
	"strconv"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// reasonTooMuch is why a session ends whose events its worker does not get done.
const reasonTooMuch = "too many unconfirmed events"

// debts are what a client and applications owe a socket.
type debts struct {
	acks   *owedAcks // by the client; nil until an emit asks for one
	number uint64    // of the client's last event
	ledger *ledger   // events that the worker is not done with; nil if there are none
}

// event passes a client's event to the socket's worker, and keeps it until that is done with it.
func (k *socket) event(p socketio.Packet, payload backplane.Payload) {
	if payload.JSON == nil {
		return // harmless, and nothing to tell
	}
	if k.refreshes(payload.JSON) {
		k.refresh(p, payload.JSON)
		return
	}
	k.nsp.loop.gw.metrics.events.Inc()
	if !k.keep(payload, entry{wantsAck: p.HasAck, ackID: p.AckID, trace: k.nsp.loop.gw.tracer.begin(k, payload)}) {
		return
	}
	k.give()
}

// keep adds an event to the ledger. It closes the session, and reports false, if there are too many.
func (k *socket) keep(payload backplane.Payload, e entry) bool {
	l := k.nsp.loop
	limits := l.gw.live()
	if k.ledger == nil {
		k.ledger = l.open(k, k.number+1)
	}
	g := k.ledger
	g.add(payload, e)
	k.number++
	if g.len() == 1 || g.len() <= limits.Unconfirmed && g.size <= limits.UnconfirmedBytes {
		return true
	}
	reason := reasonTooMuch
	if k.homing != nil {
		reason = reasonNoWorker
	}
	l.gw.log.Warn("too many events wait for a worker", zap.String("socket", k.id), zap.Int("events", g.len()), zap.Int("bytes", g.size))
	k.session.close(reason, closeServer)
	return false
}

// give publishes what waits to the socket's worker, if it has one.
func (k *socket) give() {
	g := k.ledger
	if g == nil || k.homing != nil || g.given == g.len() || k.frozen() || !k.here() {
		return
	}
	l := k.nsp.loop
	h := l.home(k.worker)
	if h.doubted() {
		return
	}
	end := g.len()
	if g.suspect() {
		if g.given > 0 || !l.may(g) {
			return
		}
		end = 1
	}
	for ; g.given < end; g.given++ {
		k.publish(g.first+uint64(g.given), g.at(g.given), g.payload(g.given))
	}
	h.attach(g)
}

// publish sends an event to the worker. Its subject and reply subject are parts of one string.
func (k *socket) publish(number uint64, e *entry, payload backplane.Payload) {
	l, conn := k.nsp.loop, k.nsp.loop.gw.conn
	line := conn.AppendWorker(l.line[:0], k.worker, "event", k.id)
	end := len(line)
	l.line = conn.AppendReceipt(line, k.id, backplane.Receipt{Number: number, Again: uint64(e.again), AckID: e.ackID, WantsAck: e.wantsAck})
	text := string(l.line)
	if e.again == 0 && e.trace == nil {
		l.gw.publish(text[:end], text[end:], payload)
		return
	}
	m := backplane.EncodePayload(text[:end], text[end:], payload)
	if e.again > 0 {
		l.gw.metrics.redelivered.Inc()
		backplane.SetRedelivered(m)
	}
	if e.trace != nil {
		e.trace.sent(m, k.worker)
	}
	l.gw.countPublish(l.gw.conn.PublishMsg(m))
}

// confirm drops the events up to a number: a worker is done with them. A number that says nothing new is harmless.
func (k *socket) confirm(number uint64) {
	g := k.ledger
	if g == nil || number < g.first || k.frozen() {
		return
	}
	n := g.had(int(min(number-g.first+1, uint64(g.len()))))
	if n == 0 {
		return
	}
	if g.home != nil {
		g.home.confirmed()
	}
	suspect := g.suspect()
	g.drop(n)
	if g.given == 0 {
		g.detach()
	}
	k.tidy()
	if suspect {
		k.nsp.loop.cleared(g)
		k.give() // what was behind it
	}
	if k.homing != nil {
		k.moveIn()
	}
}

// tidy takes an empty ledger away.
func (k *socket) tidy() {
	if g := k.ledger; g.len() == 0 {
		g.detach()
		k.ledger = nil
		k.nsp.loop.cleared(g)
		k.nsp.loop.close(g)
	}
}

// abandonEvents forgets what is not confirmed: the client is gone, or its socket has moved.
func (k *socket) abandonEvents() {
	if g := k.ledger; g != nil {
		g.mark(g.len(), outcomeAbandoned)
		g.drop(g.len())
		k.tidy()
	}
}

// abandonGiven forgets what the worker has been given: it gets it done, and the client does not wait for that.
func (k *socket) abandonGiven() {
	if g := k.ledger; g != nil && g.given > 0 {
		g.mark(g.given, outcomeAbandoned)
		g.drop(g.given)
		g.detach()
		k.tidy()
	}
}

// takeBack takes what a lost worker has had and was not done with, to be given to another. What has been too often the oldest
// of those is likely to be why they died, and is dropped.
func (k *socket) takeBack() {
	g, gw := k.ledger, k.nsp.loop.gw
	if g == nil || g.given == 0 {
		return
	}
	g.detach()
	for i := range g.given {
		if e := g.at(i); e.again < 255 {
			e.again++
		}
	}
	oldest := g.at(0)
	oldest.fatal++
	g.given = 0
	k.nsp.loop.cleared(g)
	if int(oldest.fatal) < min(gw.live().Deliveries, 255) {
		return
	}
	gw.log.Error("an event is dropped: each worker that had it was lost before it was done with it",
		zap.String("socket", k.id), zap.String("namespace", k.nsp.name), zap.Uint64("number", g.first), zap.Int("deliveries", int(oldest.fatal)))
	gw.metrics.poison.Inc()
	g.mark(1, outcomePoison)
	g.drop(1)
	k.tidy()
}

// reconcile compares with what a worker says that it has had, which it had been given up to a number: what is missing was lost on its way.
func (k *socket) reconcile(s backplane.Standing, upTo uint64) {
	if !s.Counts {
		return
	}
	k.confirm(s.Done)
	if s.Received < upTo {
		k.giveFrom(s.Received + 1)
	}
}

// giveFrom gives an event and those behind it to the worker again, which has not had them.
func (k *socket) giveFrom(number uint64) {
	if g := k.ledger; g != nil && number >= g.first && number < g.first+uint64(g.given) {
		k.nsp.loop.gw.metrics.repeated.Inc()
		g.takeFrom(number)
		k.give()
	}
}

// base is the number of the last event before those that the worker will be given.
func (k *socket) base() uint64 {
	if k.ledger != nil {
		return k.ledger.first - 1
	}
	return k.number
}

// confirmations is a worker's word of what it is done with, for several sockets.
type confirmations struct{ data []byte }

func (t confirmations) run(l *loop) {
	for data := t.data; ; {
		socket, number, rest, ok := backplane.NextConfirmation(data)
		if !ok {
			return
		}
		if k := l.sockets[string(socket)]; k != nil { // else it has moved, and its new node asks
			k.confirm(number)
		}
		data = rest
	}
}

// confirmed checks such a message and shows it to all loops. On intake.
func (in *intake) confirmed(m *backplane.Msg) {
	data := m.Data
	for ok := true; ok; {
		_, _, data, ok = backplane.NextConfirmation(data)
	}
	if len(data) > 0 {
		in.bad(m, "confirm: malformed")
		return
	}
	for _, l := range in.gw.loops {
		l.post(confirmations{m.Data})
	}
}

// receipt takes what comes on the reply subject of an event. On intake.
func (in *intake) receipt(m *backplane.Msg, id, verb, arg string) {
	r, ok := backplane.ParseReceipt(verb, arg)
	if !ok {
		in.bad(m, "receipt: no such event")
		return
	}
	if backplane.NoResponders(m) {
		if l := in.gw.loopOf(id); l != nil {
			l.post(unheard{socket: id, number: r.Number})
		}
		return
	}
	t := &answered{id: id, receipt: r, trace: in.gw.tracer.parent(m)}
	if r.WantsAck {
		var err error
		t.payload, err = backplane.DecodePayload(m)
		if err == nil {
			err = socketio.ValidArray(t.payload.JSON, &in.gw.served)
		}
		if err != nil {
			in.bad(m, "ack: "+err.Error())
			return
		}
	}
	in.toOwn(id, "", own{answered: t}, t.payload)
}

// answered is a worker's word that it is done with an event, with the acknowledgement if the client asked for one, on its way to the
// socket.
type answered struct {
	id      string
	receipt backplane.Receipt
	payload backplane.Payload
	trace   *trace.SpanContext // of the worker's span; nil for nearly all
}

func (t *answered) run(l *loop) {
	k := l.sockets[t.id]
	if k == nil || !k.here() || k.stale(t.receipt) {
		return
	}
	if t.trace != nil {
		defer l.gw.tracer.deliver(l, t.trace, "acknowledgement").End()
	}
	k.confirm(t.receipt.Number)
	if !t.receipt.WantsAck {
		return
	}
	k.session.sendWire(encodePacket(socketio.Packet{
		Type: socketio.Ack, Namespace: k.nsp.name, HasAck: true, AckID: t.receipt.AckID,
	}, t.payload))
}

// stale reports whether a receipt is of a worker that had the event before it was given to another: that one answers.
func (k *socket) stale(r backplane.Receipt) bool {
	g := k.ledger
	if g == nil || r.Number < g.first || r.Number >= g.first+uint64(g.given) {
		return false
	}
	return uint64(g.at(int(r.Number-g.first)).again) != r.Again
}

// missing is a worker's word that it has not had an event, but one behind it.
type missing struct {
	socket string
	number uint64
}

func (t missing) run(l *loop) {
	if k := l.sockets[t.socket]; k != nil && k.here() {
		k.giveFrom(t.number)
	}
}

// missing takes that word. On intake.
func (in *intake) missing(m *backplane.Msg, id, arg string) {
	number, err := strconv.ParseUint(arg, 10, 64)
	if err != nil {
		in.bad(m, "missing: no such event")
		return
	}
	if l := in.gw.loopOf(id); l != nil {
		l.post(missing{socket: id, number: number})
	}
}
