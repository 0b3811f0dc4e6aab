package router

import (
	"encoding/json"
	"time"

	"patchbay/backplane"
)

// Bounds of admission.
const (
	// DefaultHold is how long a CONNECT waits for a worker: as long as a worker that dies
	// stays in the books.
	DefaultHold = 5 * time.Second
	// DefaultMaxHeld is how many CONNECTs may wait; past it they are refused at once, so that a
	// crowd that meets no worker does not fill memory.
	DefaultMaxHeld = 10_000
	// DefaultMaxHeldBytes bounds what they hold: auth payloads are the clients' own, up to the gateways' limits each.
	DefaultMaxHeldBytes = 64 << 20
	// maxTries is how many workers a CONNECT is passed to, each having turned out not to be there.
	maxTries = 4
)

// connectRequest is a CONNECT on its way.
type connectRequest struct {
	nsp    string
	socket string
	msg    *backplane.Msg
	at     time.Time // when it came
	tries  int       // workers that it was passed to
}

// refusalOf makes what a client gets: its connect_error's text and data. "Invalid namespace"
// is Socket.IO's own and has no data; the others say with a code what is wrong, and may
// all be tried again.
func refusalOf(code refusalCode) *backplane.ConnectError {
	switch code {
	case refuseNamespace:
		return &backplane.ConnectError{Message: "Invalid namespace"}
	case refuseBusy:
		return retryLater("server busy", code)
	case refuseStopping:
		return retryLater("server stopping", code)
	}
	return retryLater("no worker available", refuseNoWorker)
}

func retryLater(message string, code refusalCode) *backplane.ConnectError {
	return &backplane.ConnectError{Message: message, Data: json.RawMessage(`{"code":"` + string(code) + `","retry":true}`)}
}

// refusalCode names a refusal.
type refusalCode string

// The refusals.
const (
	refuseNamespace refusalCode = "E_NAMESPACE" // workers are known, and none has it
	refuseNoWorker  refusalCode = "E_NO_WORKER" // none came in time
	refuseBusy      refusalCode = "E_BUSY"      // too many wait already
	refuseStopping  refusalCode = "E_STOPPING"  // this router ends
)

// verdict is what becomes of a CONNECT: exactly one of Worker and Refuse is set, or neither if
// it waits.
type verdict struct {
	Request *connectRequest
	Worker  string
	Refuse  refusalCode
}

// admission decides CONNECTs: pass on, hold, or refuse. It has no clock. Owned by the
// router's loop.
type admission struct {
	workers  *workers
	flights  *flights
	hold     time.Duration
	maxHeld  int
	maxBytes int
	learnt   time.Time // from when on a namespace that no worker serves is known not to exist
	late     bool      // learnt has passed and held was looked at
	closing  bool      // the router stops: everything is held, for another router if there is one
	held     []*connectRequest
	bytes    int
}

// admit decides a CONNECT that came, or came back.
func (a *admission) admit(r *connectRequest, now time.Time) verdict {
	if a.closing { // without a bound: no more can come than the inbox had
		a.held = append(a.held, r)
		a.bytes += len(r.msg.Data)
		return verdict{Request: r}
	}
	v := a.decide(r, now)
	if v.Worker != "" || v.Refuse != "" {
		return v
	}
	if len(a.held) >= a.maxHeld || a.bytes+len(r.msg.Data) > a.maxBytes {
		v.Refuse = refuseBusy
		return v
	}
	a.held = append(a.held, r)
	a.bytes += len(r.msg.Data)
	return v
}

func (a *admission) decide(r *connectRequest, now time.Time) verdict {
	v := verdict{Request: r}
	if r.tries >= maxTries || now.Sub(r.at) >= a.hold {
		v.Refuse = refuseNoWorker
		return v
	}
	worker, why := a.workers.choose(r.nsp)
	switch {
	case why == chosen:
		v.Worker = worker
		r.tries++
		a.flights.start(worker, r, now)
	case why == noneServes && !now.Before(a.learnt):
		v.Refuse = refuseNamespace
	}
	return v
}

// retry decides anew what is held, after workers have come.
func (a *admission) retry(now time.Time) (list []verdict) {
	for _, r := range a.take() {
		if v := a.admit(r, now); v.Worker != "" || v.Refuse != "" {
			list = append(list, v)
		}
	}
	return list
}

// tick refuses what has waited too long.
func (a *admission) tick(now time.Time) (list []verdict) {
	if !a.late && !now.Before(a.learnt) {
		a.late = true
		return a.retry(now)
	}
	waiting := a.held[:0]
	for _, r := range a.held {
		if now.Sub(r.at) < a.hold {
			waiting = append(waiting, r)
			continue
		}
		list = append(list, verdict{Request: r, Refuse: refuseNoWorker})
		a.bytes -= len(r.msg.Data)
	}
	clear(a.held[len(waiting):])
	a.held = waiting
	return list
}

// missed takes it that a worker was not there: what was passed to it goes elsewhere.
func (a *admission) missed(worker string, now time.Time) (list []verdict) {
	a.workers.missed(worker)
	return a.again(worker, now)
}

// again decides anew what was passed to a worker and has not shown in the table.
func (a *admission) again(worker string, now time.Time) (list []verdict) {
	for _, r := range a.flights.abort(worker) {
		if v := a.admit(r, now); v.Worker != "" || v.Refuse != "" {
			list = append(list, v)
		}
	}
	return list
}

// take empties what is held.
func (a *admission) take() []*connectRequest {
	list := a.held
	a.held, a.bytes = nil, 0
	return list
}

// stop refuses all that is held: the router ends.
func (a *admission) stop() (list []verdict) {
	for _, r := range a.take() {
		list = append(list, verdict{Request: r, Refuse: refuseStopping})
	}
	return list
}
