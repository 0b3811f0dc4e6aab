package worker

import (
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// progress is how far a socket is with its client's events, which the gateway numbers and keeps until it hears that
// their handlers have finished.
type progress struct {
	received atomic.Uint64 // the last that came; written by the reader alone
	done     atomic.Uint64 // the last whose handlers have finished; written by the socket's goroutine, and before its first event by the reader
	counts   atomic.Bool   // received is known
	asked    uint64        // the event that was asked for last because it had not come; of the reader
	lost     atomic.Bool   // another worker has the socket: what waits here is its to do
	listed   bool          // waits in the confirmer's list, whose mutex guards it
}

// startAt notes after which event the socket comes here, if the gateway counts.
func (p *progress) startAt(text []byte) {
	if len(text) == 0 || p.counts.Load() { // as for nearly every event, and an error of the parser's would be on the heap
		return
	}
	if number, err := strconv.ParseUint(string(text), 10, 64); err == nil {
		p.received.Store(number)
		p.done.Store(number)
		p.counts.Store(true)
	}
}

// eventOrder says what is to be done with an event.
type eventOrder byte

const (
	eventNext  eventOrder = iota // it is the next, or is not counted
	eventKnown                   // it has come before
	eventEarly                   // there are some missing before it
)

// order looks at an event's number.
func (p *progress) order(number uint64) eventOrder {
	was := p.received.Load()
	switch {
	case number == 0:
		return eventNext
	case !p.counts.Load():
		p.done.Store(number - 1)
	case number <= was:
		return eventKnown
	case number > was+1:
		return eventEarly
	}
	p.received.Store(number)
	p.counts.Store(true)
	return eventNext
}

// standing is what a gateway that asks is told.
func (s *Socket) standing() backplane.Standing {
	// done first: it is never ahead of received.
	done := s.done.Load()
	return backplane.Standing{Received: s.received.Load(), Done: done, Counts: s.counts.Load()}
}

// event queues a client's event. One of a socket that is not ours comes late, and nobody waits for it.
func (r *reader) event(m *backplane.Msg, id string) {
	s := r.app.sockets.get(id)
	if s == nil {
		return
	}
	receipt, _ := r.conn.ReceiptOf(m.Reply)
	r.open(s, nil) // an event proves it as well
	switch s.order(receipt.Number) {
	case eventNext:
		r.add(s, task{kind: taskEvent, msg: m, receipt: receipt})
	case eventKnown:
		r.app.metrics.repeated.Inc()
	case eventEarly:
		r.askAgain(s)
	}
}

// askAgain asks the gateway for the events that have not come, once. If that is lost the gateway's own question will tell.
func (r *reader) askAgain(s *Socket) {
	missing := s.received.Load() + 1
	if s.asked == missing {
		return
	}
	s.asked = missing
	r.app.metrics.missed.Inc()
	if err := r.conn.Publish(r.conn.SocketMissing(s.id, missing), nil); err != nil {
		r.app.options.Log.Warn("cannot ask for a lost event", zap.String("socket", s.id), zap.Error(err))
	}
}

// alive answers a gateway that wonders whether this worker is there.
func (r *reader) alive(m *backplane.Msg, id string) {
	if m.Reply == "" {
		r.malformed(m, nil)
		return
	}
	if err := r.conn.PublishMsg(r.standingOf(id, m.Reply)); err != nil {
		r.app.options.Log.Warn("cannot answer a gateway", zap.String("socket", id), zap.Error(err))
	}
}

// standingOf is the answer to a gateway that asks about a socket.
func (r *reader) standingOf(id, reply string) *backplane.Msg {
	m := &backplane.Msg{Subject: reply}
	if s := r.app.sockets.get(id); s != nil {
		m.Data = s.standing().Append(nil)
	} else {
		m.Header = map[string][]string{backplane.HeaderError: {backplane.NoSocket}}
	}
	return m
}

// rehomed hears that another worker has a socket now: this one was taken for dead, or stops. The socket has not
// disconnected, and its events are the other's.
func (r *reader) rehomed(id string) {
	if s := r.app.sockets.remove(id); s != nil {
		r.release(s)
	}
}

// release lets go of a socket that is another worker's.
func (r *reader) release(s *Socket) {
	s.lost.Store(true)
	s.gone(ErrDisconnected)
}

// serve handles an event, unless it has become another worker's, and says when it is done.
func (s *Socket) serve(t task) {
	a := s.nsp.app
	start := time.Now()
	if !a.run.fence.pass(start) && !a.run.fence.wait(a.ctx) || s.lost.Load() {
		return
	}
	acked := s.handleEvent(t)
	a.metrics.seconds.Observe(time.Since(start).Seconds())
	if t.receipt.Number == 0 {
		return
	}
	s.done.Store(t.receipt.Number)
	if !acked { // else that has said it
		a.run.confirmer.add(s)
	}
}
