package gateway

import (
	"encoding/json"
	"strconv"
	"time"

	"patchbay/backplane"
)

// reasonNoWorker is why a session ends whose socket found no new home in time, or before too many of its events waited.
const reasonNoWorker = "no worker"

// formerTimeout is how long a worker that stops may take for the events that it has: longer than its own patience with their handlers.
const formerTimeout = 30 * time.Second

// homing is a joined socket's search for a new home, after its worker was lost or has begun to stop. New events wait meanwhile, in order.
type homing struct {
	joining
	moved   bool                 // its worker is there, but may not have had all from the former node
	leaving bool                 // its worker stops, and is still to be done with what it has been given
	answer  *backplane.Connected // the new home's, which waits for that
}

// workerLost is a worker's end, on its way through the loops.
type workerLost struct {
	worker  string
	leaving bool // it works off what it has been given
}

func (t workerLost) run(l *loop) {
	if h := l.homes[t.worker]; h != nil && !t.leaving {
		h.forget()
	}
	l.suspects.held = true
	for _, k := range l.sockets {
		if k.here() && !k.frozen() {
			k.workerLost(t)
		}
	}
	l.suspects.held = false
	l.advance()
}

func (k *socket) workerLost(t workerLost) {
	h := k.homing
	switch {
	case h != nil && h.answer != nil && h.answer.Worker == t.worker: // the new one, before it was given anything
		h.answer = nil
		h.giveUp = k.nsp.loop.now + k.nsp.loop.gw.options.Engine.AdmitTimeout
		k.ask(&h.joining)
		k.session.schedule()
	case k.worker != t.worker:
	case h == nil:
		k.seekHome(t.leaving)
	case h.moved:
		k.homing = nil
		k.seekHome(t.leaving)
	case h.leaving && !t.leaving:
		h.leaving = false
		k.takeBack()
		k.moveIn()
	}
}

// seekHome asks the routers for a new worker, which is told what the old one knew. What the old one was not done with is given to
// the new one, unless it is leaving and will get it done.
func (k *socket) seekHome(leaving bool) {
	s, gw := k.session, k.nsp.loop.gw
	gw.metrics.homeless.Inc()
	if !leaving {
		k.takeBack()
	}
	k.homing = &homing{joining: joining{request: k.request(true), giveUp: s.loop.now + gw.options.Engine.AdmitTimeout}, leaving: leaving}
	k.ask(&k.homing.joining)
	s.schedule()
}

// settle takes the answer to a search for a home.
func (k *socket) settle(t *connected) {
	h, s, gw := k.homing, k.session, k.nsp.loop.gw
	switch {
	case h.moved: // not what was asked
	case h.answer != nil: // another was quicker
		if t.answer.Worker != "" && t.answer.Error == nil && t.answer.Worker != h.answer.Worker {
			gw.toWorker(t.answer.Worker, "disconnect", k.id, []byte(reasonTransportClose))
		}
	case t.none || t.answer.Error != nil && retriable(t.answer.Error):
		h.retry = s.loop.now + joinRetry
		s.schedule()
	case t.answer.Error != nil: // the new worker does not want it
		k.homing = nil
		k.dismiss()
	default:
		h.answer = &t.answer
		h.retry, h.giveUp = 0, s.loop.now+formerTimeout
		k.moveIn()
		s.schedule()
	}
}

// moveIn gives the socket to its new home, if there is one and the former is done with what it was given, or will never be.
func (k *socket) moveIn() {
	if h := k.homing; h.answer != nil && (!h.leaving || k.ledger == nil || k.ledger.given == 0) {
		k.settleIn()
	}
}

// settleIn gives the socket to its new home, with what waits.
func (k *socket) settleIn() {
	h, gw, former := k.homing, k.nsp.loop.gw, k.worker
	k.homing = nil
	k.worker = gw.workerName(h.answer.Worker)
	gw.metrics.rehomed.Inc()
	gw.feed.add(backplane.Change{Op: backplane.WorkerChanged, Socket: k.id, Worker: k.worker})
	if len(k.data) > 0 { // it may have changed since the worker was asked
		gw.toWorker(k.worker, "data", k.id, k.data)
	}
	if former != k.worker {
		gw.toWorker(former, "rehomed", k.id, nil) // if it lives, it lets go of it
	}
	k.open()
	k.give()
}

// open tells the worker that it can use the socket, and after which event it comes in.
func (k *socket) open() {
	var number [20]byte
	k.nsp.loop.gw.toWorker(k.worker, "open", k.id, strconv.AppendUint(number[:0], k.base(), 10))
}

// retriable reports whether a refusal says that trying again may help.
func retriable(e *backplane.ConnectError) bool {
	var data struct {
		Retry bool `json:"retry"`
	}
	// Data of another form does not say so.
	return json.Unmarshal(e.Data, &data) == nil && data.Retry
}

// search goes on looking for a home, or gives up: then the client is sent away to come back.
func (k *socket) search(now time.Duration) {
	h := k.homing
	switch {
	case h.moved && now >= h.giveUp:
		k.arrived(backplane.Standing{})
	case h.moved:
	case h.answer != nil && now >= h.giveUp: // the former does not get done
		h.leaving = false
		k.takeBack()
		k.moveIn()
	case h.answer != nil:
	case now >= h.giveUp:
		k.session.close(reasonNoWorker, closeServer)
	case h.retry != 0 && now >= h.retry:
		k.ask(&h.joining)
	}
}
