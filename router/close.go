package router

import (
	"context"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// close leaves the queues, hands over or answers what is held or still on its way, and ends the connection. The
// package comment has the order and its reasons. ctx bounds each wait for NATS.
func (l *loop) close(ctx context.Context) {
	defer l.conn.Close()
	l.admission.closing = true // from here on CONNECTs are collected
	for _, sub := range l.queues.subs {
		if err := sub.Drain(); err != nil {
			l.o.Log.Debug("leave queue", zap.Error(err))
		}
	}
	if l.settle(ctx) {
		l.handOver(ctx)
	}
	if len(l.admission.held) > 0 {
		now := time.Now()
		l.admission.closing = false
		l.carry(l.admission.retry(now)) // to a worker, if there is one
		l.admission.closing = true
		l.settle(ctx) // if it was not there, this tells
		l.carry(l.admission.stop())
	}
	l.replies(l.queries.stop(time.Now()))
	l.tell(l.watches.flush())
	l.tell(l.watches.stop())
}

// settle waits until NATS has processed all that was published, and reads all that came until then. It
// returns false if NATS cannot be reached.
func (l *loop) settle(ctx context.Context) bool {
	l.probe()
	if !l.conn.Connected() {
		return false
	}
	err := l.conn.Flush(ctx)
	if err != nil {
		l.o.Log.Warn("stop: what was under way may be lost", zap.Error(err))
	}
	now := time.Now()
	for len(l.inbox.C) > 0 {
		l.receive(<-l.inbox.C, now)
	}
	return err == nil
}

// handOver publishes the CONNECTs that are held to the queue again, as they came, for another router. If there
// is none they are held as before.
//
// NATS does not tell us that a CONNECT has no receiver, because its reply subject is the gateway's. So they are
// followed by one message with a reply subject of ours, which routers ignore: if that finds nobody, then
// nobody was there for what went before it, or whoever was has left since.
func (l *loop) handOver(ctx context.Context) {
	list := l.admission.take()
	if len(list) == 0 {
		return
	}
	for _, r := range list {
		l.publish(&backplane.Msg{Subject: r.msg.Subject, Reply: r.msg.Reply, Header: r.msg.Header, Data: r.msg.Data})
	}
	l.queues.alone = false
	l.publish(&backplane.Msg{Subject: l.conn.Connect("/"), Reply: l.own + inboxAlone})
	if l.settle(ctx) && !l.queues.alone {
		l.metrics.connects.WithLabelValues("handed_over").Add(float64(len(list)))
		return
	}
	for _, r := range list {
		l.admission.admit(r, time.Now())
	}
}
