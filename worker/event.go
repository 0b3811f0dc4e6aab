package worker

import (
	"errors"
	"sync/atomic"

	"patchbay/backplane"
)

// Event is what a client sent. It may be kept after its handler has returned, to
// acknowledge it later.
type Event struct {
	Name string
	Args Args // without the name; middleware may replace it

	app   *App
	reply string
	acked atomic.Bool
	room  [4]Arg // most events have no more, their names included
}

// WantsAck reports whether the client waits for an acknowledgement.
func (e *Event) WantsAck() bool { return e.reply != "" }

// Ack acknowledges the event with arguments, as in [Target.Emit]. It does nothing if the client does not
// ask, and returns ErrAcked the second time. It may be called from any goroutine.
func (e *Event) Ack(args ...any) error {
	if e.reply == "" {
		return nil
	}
	conn := e.app.conn.Load()
	if conn == nil {
		return ErrNotRunning
	}
	if e.acked.Swap(true) {
		return ErrAcked
	}
	enc := e.app.encoders.get()
	defer e.app.encoders.put(enc)
	p, err := enc.ack(args)
	if err != nil {
		e.acked.Store(false) // nothing was sent
		return err
	}
	return conn.Acknowledge(backplane.EncodePayload(e.reply, "", p))
}

// parseEvent reads an event. ok is false for those that no handler can have: they are harmless, and
// ignored as Socket.IO ignores them.
func (a *App) parseEvent(m *backplane.Msg) (e *Event, ok bool, err error) {
	p, err := backplane.DecodePayload(m)
	if err != nil {
		return nil, false, errors.Join(ErrPayload, err)
	}
	e = &Event{app: a, reply: m.Reply}
	args, err := appendArgs(e.room[:0], p)
	if err != nil || len(args) == 0 {
		return nil, false, err
	}
	e.Args = args[1:]
	e.Name, ok = eventName(args[0])
	return e, ok, nil
}

// handleEvent runs the handlers of an event. A handler that fails does not keep the others from it; middleware does.
func (s *Socket) handleEvent(m *backplane.Msg) {
	e, ok, err := s.nsp.app.parseEvent(m)
	if err != nil {
		s.failed("", err)
		return
	}
	if !ok {
		return
	}
	all, filters, handlers := s.nsp.Handlers.forEvent(e.Name)
	ownAll, ownFilters, own := s.own.Load().forEvent(e.Name)
	s.give(e, all)
	s.give(e, ownAll)
	if s.passes(e, filters) && s.passes(e, ownFilters) {
		s.give(e, handlers)
		s.give(e, own)
	}
}

// give runs handlers, whatever becomes of each.
func (s *Socket) give(e *Event, list []*EventHandler) {
	for _, h := range list {
		if err := s.guard(func() error { return (*h)(s.handlerContext(), s, e) }); err != nil {
			s.failed(e.Name, err)
		}
	}
}

// passes runs middleware until one refuses.
func (s *Socket) passes(e *Event, list []*EventHandler) bool {
	for _, h := range list {
		if err := s.guard(func() error { return (*h)(s.handlerContext(), s, e) }); err != nil {
			s.failed(e.Name, err)
			return false
		}
	}
	return true
}
