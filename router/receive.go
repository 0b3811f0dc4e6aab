package router

import (
	"encoding/binary"
	"encoding/json"
	"strconv"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// receiveFeed takes a batch from a node's feed.
func (l *loop) receiveFeed(m *backplane.Msg, now time.Time) {
	b, err := backplane.DecodeBatch(m.Data)
	if err != nil || m.Subject != l.conn.Feed(b.Node) {
		l.metrics.batches.WithLabelValues(string(malformed)).Inc()
		l.o.Log.Debug("malformed batch", zap.Error(err))
		return
	}
	result, out := l.table.feed(&b, now)
	l.metrics.batches.WithLabelValues(string(result)).Inc()
	if result == stale || result == malformed {
		return
	}
	if result == gapped {
		l.metrics.gaps.Inc()
		l.o.Log.Info("gap in feed", zap.String("node", b.Node), zap.Uint64("epoch", b.Epoch), zap.Uint64("version", b.Version))
	}
	if result == parted {
		l.leases.drop(holderNode, b.Node)
		l.o.Log.Info("node left", zap.String("node", b.Node), zap.Uint64("epoch", b.Epoch))
	} else {
		l.leases.renew(holderNode, b.Node, b.Epoch, now)
	}
	l.landed(b.Changes)
	l.perform(out)
	if (len(b.Changes) > 0 || result == parted) && len(l.queries.waiting) > 0 {
		l.replies(l.queries.poll(now))
	}
}

// receiveSnapshot takes a part of a snapshot.
func (l *loop) receiveSnapshot(m *backplane.Msg, request uint64, now time.Time) {
	b, err := backplane.DecodeBatch(m.Data)
	if err != nil {
		l.metrics.batches.WithLabelValues(string(malformed)).Inc()
		return
	}
	out := l.table.snapshot(request, &b, now)
	if n := l.table.nodes[b.Node]; n != nil && n.epoch == b.Epoch {
		l.leases.renew(holderNode, b.Node, b.Epoch, now)
	}
	l.landed(b.Changes)
	l.perform(out)
	if out.Finished {
		l.metrics.snapshots.WithLabelValues("applied").Inc()
		l.replies(l.queries.poll(now))
	}
}

// landed ends the flights of sockets that are in the table now, or are not any more.
func (l *loop) landed(changes []backplane.Change) {
	for i := range changes {
		if changes[i].Op == backplane.SocketAdded {
			l.admission.flights.end(changes[i].Socket)
		}
	}
}

// perform carries out what the table asks for.
func (l *loop) perform(out effects) {
	for _, r := range out.Requests {
		l.metrics.snapshots.WithLabelValues("requested").Inc()
		l.publish(&backplane.Msg{
			Subject: l.conn.Node(r.Node, "snapshot", ""), Reply: l.own + inboxSnapshot + strconv.FormatUint(r.ID, 10),
		})
	}
	for i := range out.Lost {
		l.announce(&out.Lost[i])
	}
}

// announce tells everybody that a node's or worker's epoch is over.
func (l *loop) announce(lost *backplane.Lost) {
	l.o.Log.Warn("lost", zap.String("node", lost.Node), zap.String("worker", lost.Worker), zap.Uint64("epoch", lost.Epoch))
	l.publishJSON(l.conn.Lost(), lost)
}

// receiveLost takes another router's word that a lease has run out. It is as good as one's own: whom it is about has been told to let its
// clients go. Waiting for the own lease to end would have two routers give different answers meanwhile.
func (l *loop) receiveLost(m *backplane.Msg, now time.Time) {
	var lost backplane.Lost
	if err := json.Unmarshal(m.Data, &lost); err != nil {
		l.o.Log.Warn("malformed word of a loss", zap.Error(err))
		return
	}
	switch {
	case lost.Node != "" && l.leases.revoke(holderNode, lost.Node, lost.Epoch):
		l.perform(l.table.drop(lost.Node, lost.Epoch, now))
		l.replies(l.queries.poll(now))
	case lost.Worker != "" && l.leases.revoke(holderWorker, lost.Worker, lost.Epoch):
		l.workers.drop(lost.Worker, lost.Epoch)
		l.carry(l.admission.again(lost.Worker, now))
	}
}

// receivePulse takes our own pulse, and ends the leases that it proves to have run out.
func (l *loop) receivePulse(m *backplane.Msg, now time.Time) {
	since, n := binary.Varint(m.Data)
	if n <= 0 {
		return
	}
	lost, deaf := l.leases.beaten(l.clock.start.Add(time.Duration(since)), now)
	if deaf {
		l.metrics.deaf.Inc()
		l.o.Log.Warn("the router could not hear for a while; leases begin anew")
		l.hello()
	}
	for i := range lost {
		one := &lost[i]
		l.announce(one)
		if one.Node != "" {
			l.metrics.expired.WithLabelValues("node").Inc()
			l.perform(l.table.drop(one.Node, one.Epoch, now))
			continue
		}
		l.metrics.expired.WithLabelValues("worker").Inc()
		l.workers.drop(one.Worker, one.Epoch)
		l.carry(l.admission.again(one.Worker, now))
	}
}

// receiveBeat takes a worker's sign of life.
func (l *loop) receiveBeat(m *backplane.Msg, now time.Time) {
	var b backplane.WorkerBeat
	if err := json.Unmarshal(m.Data, &b); err != nil {
		l.o.Log.Warn("malformed beat", zap.Error(err))
		return
	}
	out := l.workers.beat(&b)
	if out.Ignored {
		l.o.Log.Debug("beat ignored", zap.String("worker", b.Worker), zap.Uint64("epoch", b.Epoch))
		return
	}
	if len(out.Bad) > 0 {
		l.o.Log.Warn("namespace patterns that cannot be used", zap.String("worker", b.Worker), zap.Strings("patterns", out.Bad))
	}
	if b.Leaving {
		l.leases.drop(holderWorker, b.Worker)
	} else {
		l.leases.renew(holderWorker, b.Worker, b.Epoch, now)
	}
	if out.Lost != nil {
		l.announce(out.Lost)
		if !b.Leaving { // it was started anew: what was on its way to the old process goes again
			l.carry(l.admission.again(b.Worker, now))
		}
	}
	if out.Changed {
		l.carry(l.admission.retry(now))
	}
}

// receiveConnect takes a CONNECT. The socket's id is read off its reply subject, so that the
// request itself, which is passed on as it is, need not be decoded.
func (l *loop) receiveConnect(m *backplane.Msg, now time.Time) {
	if len(m.Data) == 0 { // a router that stops wants to know whether another is there; NATS tells it
		return
	}
	nsp, ok := l.conn.ParseConnect(m.Subject)
	if !ok {
		nsp, _ = backplane.NamespaceOf(m) // a broken one is none
	}
	verb, socket, ok := l.conn.ParseOwned(m.Reply)
	if _, _, valid := backplane.SplitSocketID(socket); !ok || !valid || verb != "connected" || nsp == "" {
		l.metrics.connects.WithLabelValues("malformed").Inc()
		l.o.Log.Debug("malformed connect", zap.String("subject", m.Subject), zap.String("reply", m.Reply))
		return
	}
	v := l.admission.admit(&connectRequest{nsp: nsp, socket: socket, msg: m, at: now}, now)
	if v.Worker == "" && v.Refuse == "" {
		l.metrics.connects.WithLabelValues("held").Inc()
		return
	}
	l.carryOne(&v)
}

func (l *loop) carry(list []verdict) {
	for i := range list {
		l.carryOne(&list[i])
	}
}

// carryOne passes a CONNECT on to its worker, with the gateway's reply subject, or refuses it.
func (l *loop) carryOne(v *verdict) {
	m := v.Request.msg
	if v.Refuse != "" {
		l.metrics.connects.WithLabelValues(string(v.Refuse)).Inc()
		l.publishJSON(m.Reply, backplane.Connected{Error: refusalOf(v.Refuse)})
		return
	}
	l.metrics.connects.WithLabelValues("forwarded").Inc()
	l.probes[v.Worker] = v.Request.socket
	l.publish(&backplane.Msg{
		Subject: l.conn.Worker(v.Worker, "connect", v.Request.socket), Reply: m.Reply, Header: m.Header, Data: m.Data,
	})
}

// receiveQuery takes a question.
func (l *loop) receiveQuery(m *backplane.Msg, now time.Time) {
	if m.Reply == "" {
		return
	}
	q, ok := decodeQuery(m.Data)
	if !ok {
		l.reply(&reply{To: m.Reply, Answer: backplane.Answer{Error: queryMalformed}})
		return
	}
	if r, ready := l.queries.ask(q, m.Reply, now); ready {
		l.reply(&r)
	}
}

func (l *loop) replies(list []reply) {
	for i := range list {
		l.reply(&list[i])
	}
}

func (l *loop) reply(r *reply) {
	if r.Watch != nil {
		l.openWatch(r, time.Now())
	} else if !l.publishJSON(r.To, &r.Answer) {
		r.Answer = backplane.Answer{Error: queryTooLarge}
		l.publishJSON(r.To, &r.Answer)
	}
	outcome := "complete"
	switch {
	case r.Answer.Error != "":
		outcome = "error"
	case !r.Answer.Complete:
		outcome = "incomplete"
	}
	l.metrics.queries.WithLabelValues(opLabel(r.Op), outcome).Inc()
	l.metrics.took.WithLabelValues(opLabel(r.Op)).Observe(r.Took.Seconds())
}
