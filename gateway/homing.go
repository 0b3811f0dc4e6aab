package gateway

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// Bounds of what waits while a socket has no home. Past them its session is closed: events would be lost
// without anybody being told.
const (
	maxWaitingEvents = 1024
	maxWaitingBytes  = 1 << 20
)

// reasonNoWorker is why a session ends whose socket found no new home in time.
const reasonNoWorker = "no worker"

// homing is a joined socket's search for a new home, after its worker was lost. Events wait meanwhile, in order.
type homing struct {
	joining
	waiting []waitingEvent
	moved   bool // its worker is there, but may not have had all from the former node
	size    int
}

// waitingEvent is a client's event that no worker has had.
type waitingEvent struct {
	reply   string
	payload backplane.Payload
}

// workerLost is a worker's end, on its way through the loops.
type workerLost struct{ worker string }

func (t workerLost) run(l *loop) {
	for _, k := range l.sockets {
		if k.worker == t.worker && k.here() && k.homing != nil && k.homing.moved {
			k.arrived(true)
		} else if k.worker == t.worker && k.here() && k.homing == nil && !k.frozen() {
			k.seekHome()
		}
	}
}

// seekHome asks the routers for a new worker, which is told what the old one knew.
func (k *socket) seekHome() {
	s, gw := k.session, k.nsp.loop.gw
	gw.metrics.homeless.Inc()
	k.homing = &homing{joining: joining{request: k.request(true), giveUp: s.loop.now + gw.options.Engine.AdmitTimeout}}
	k.ask(&k.homing.joining)
	s.schedule()
}

// settle takes the answer to a search for a home.
func (k *socket) settle(t *connected) {
	h, s, gw := k.homing, k.session, k.nsp.loop.gw
	switch {
	case h.moved: // not what was asked
	case t.none || t.answer.Error != nil && retriable(t.answer.Error):
		h.retry = s.loop.now + joinRetry
		s.schedule()
	case t.answer.Error != nil: // the new worker does not want it
		k.homing = nil
		k.dismiss()
	default:
		k.homing = nil
		k.worker = gw.workerName(t.answer.Worker)
		gw.metrics.rehomed.Inc()
		gw.feed.add(backplane.Change{Op: backplane.WorkerChanged, Socket: k.id, Worker: k.worker})
		if len(k.data) > 0 { // it may have changed since the worker was asked
			gw.toWorker(k.worker, "data", k.id, k.data)
		}
		gw.toWorker(k.worker, "open", k.id, nil)
		for _, e := range h.waiting {
			gw.publish(gw.conn.Worker(k.worker, "event", k.id), e.reply, e.payload)
		}
	}
}

// retriable reports whether a refusal says that trying again may help.
func retriable(e *backplane.ConnectError) bool {
	var data struct {
		Retry bool `json:"retry"`
	}
	// Data of another form does not say so.
	return json.Unmarshal(e.Data, &data) == nil && data.Retry
}

// hold keeps an event until the socket has a home.
func (k *socket) hold(reply string, p backplane.Payload) {
	h := k.homing
	h.size += len(p.JSON)
	for _, a := range p.Attachments {
		h.size += len(a)
	}
	if len(h.waiting) >= maxWaitingEvents || h.size > maxWaitingBytes {
		k.nsp.loop.gw.log.Warn("too many events wait for a worker", zap.String("socket", k.id))
		k.session.close(reasonNoWorker, closeServer)
		return
	}
	p.JSON = bytes.Clone(p.JSON) // attachments are copies already
	h.waiting = append(h.waiting, waitingEvent{reply: reply, payload: p})
}

// search goes on looking for a home, or gives up: then the client is sent away to come back.
func (k *socket) search(now time.Duration) {
	h := k.homing
	switch {
	case h.moved && now >= h.giveUp:
		k.arrived(false)
	case h.moved:
	case now >= h.giveUp:
		k.session.close(reasonNoWorker, closeServer)
	case h.retry != 0 && now >= h.retry:
		k.ask(&h.joining)
	}
}

// ackReply is the reply subject of an event whose acknowledgement the client wants.
func (k *socket) ackReply(ackID uint64) string {
	return k.nsp.loop.gw.conn.SocketAck(k.id, strconv.FormatUint(ackID, 10))
}
