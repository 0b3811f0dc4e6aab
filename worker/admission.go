package worker

import (
	"encoding/json"
	"errors"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// admit answers a socket's CONNECT: it runs the middleware.
func (s *Socket) admit(reply string) {
	if err := s.nsp.choose(s); err != nil {
		s.refuse(reply, err)
		return
	}
	if s.isChecked() {
		for _, m := range s.nsp.Handlers.forMiddleware() {
			if err := s.guard(func() error { return (*m)(s.handlerContext(), s) }); err != nil {
				s.refuse(reply, err)
				return
			}
		}
	}
	s.accept(reply)
}

// isChecked reports whether middleware decides about the socket: it is new, or its client comes back and that is to be checked. One whose
// worker was lost is not: its client has done nothing.
func (s *Socket) isChecked() bool {
	return !s.request.Recovered || s.nsp.app.options.Recheck && !s.request.Rehomed
}

// handleConnect runs the connection handlers.
func (s *Socket) handleConnect() {
	for _, h := range s.nsp.Handlers.forConnect() {
		if err := s.guard(func() error { return (*h)(s.handlerContext(), s) }); err != nil {
			s.failed("connect", err)
		}
	}
}

// accept answers that the socket may join, with the rooms and data that middleware gave it.
func (s *Socket) accept(reply string) {
	a := s.nsp.app
	s.data.mu.Lock() // no Set may come between the answer and the end of connecting
	defer s.data.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateGone {
		return // lost meanwhile
	}
	answer := &backplane.Connected{Worker: a.options.ID, Rooms: s.rooms, Data: s.data.encodeLocked()}
	if err := a.answer(reply, answer); err != nil {
		a.options.Log.Error("cannot answer a CONNECT", zap.String("socket", s.id), zap.Error(err))
	}
	s.state = stateAccepted
	a.metrics.accepted.Inc()
}

// reminders is for how many beats after a loss of NATS gateways are reminded: at the first other NATS servers may not know yet that the worker
// is back.
const reminders = 2

// remindGateways repeats, after a loss of the link to NATS, the acceptances of sockets of which no gateway has said that they are open. That word
// may have been lost with the link, and the connection handlers wait for it: a gateway that hears of a socket again says it again.
func (r *reader) remindGateways() {
	if r.remind == 0 || !r.conn.Connected() {
		return
	}
	r.remind--
	for _, s := range r.app.sockets.those((*Socket).awaitsOpen) {
		s.again(r.conn.Node(s.Node(), "connected", s.id))
	}
}

// awaitsOpen reports whether the socket is accepted, and its gateway has not said that it is open.
func (s *Socket) awaitsOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateAccepted
}

// refuse answers that the socket may not join.
func (s *Socket) refuse(reply string, err error) {
	a := s.nsp.app
	a.metrics.refused.Inc()
	a.sockets.drop(s)
	was := s.gone(ErrDisconnected)
	refusal := refusalOf(err)
	var panicked *PanicError
	if errors.As(err, &panicked) {
		s.failed("middleware", err)
	}
	if was == stateGone {
		return // lost meanwhile: whoever asked no longer waits
	}
	e := &backplane.ConnectError{Message: refusal.Message}
	if refusal.Data != nil {
		data, dataErr := json.Marshal(refusal.Data)
		if dataErr != nil {
			s.failed("middleware", dataErr)
		}
		e.Data = data
	}
	if err := a.answer(reply, &backplane.Connected{Error: e}); err != nil {
		a.options.Log.Error("cannot refuse a CONNECT", zap.String("socket", s.id), zap.Error(err))
	}
}

// refusalOf makes what the client is told. It is not told what a panic said.
func refusalOf(err error) *Refusal {
	var refusal *Refusal
	var panicked *PanicError
	switch {
	case errors.As(err, &refusal):
		return refusal
	case errors.As(err, &panicked):
		return &Refusal{Message: "server error"}
	}
	return &Refusal{Message: err.Error()}
}

// answer publishes the answer to a CONNECT.
func (a *App) answer(reply string, answer *backplane.Connected) error {
	data, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	conn := a.conn.Load()
	if conn == nil {
		return ErrNotRunning
	}
	return conn.Publish(reply, data)
}
