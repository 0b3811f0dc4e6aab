package worker

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"patchbay/backplane"
)

// Event is what a client sent. It may be kept after its handler has returned, to
// acknowledge it later.
type Event struct {
	Name string
	Args Args // without the name; middleware may replace it

	// Number counts the socket's events from 1, whatever their names, and whichever workers and gateways it has been at.
	// It is 0 from gateways that do not count.
	Number uint64
	// Redelivered says that another worker has had the event, and was lost before it said that it was done with it: its handlers
	// may have run, wholly or in part. An event that was acknowledged is never delivered again.
	Redelivered bool

	app   *App
	reply string // empty if the client does not wait
	acked atomic.Bool
	room  [4]Arg // most events have no more, their names included
	scope scope
	span  trace.Span // of its handlers; nil if it is not traced
}

// scope is the context of an event's handlers. It is part of the event, so that it costs nothing of its own.
type scope struct {
	context.Context
	event *Event
}

// eventKey finds the event in a scope.
type eventKey struct{}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	if _, ok := key.(eventKey); ok {
		return s.event
	}
	return s.Context.Value(key)
}

// EventFrom returns the event whose handler was given a context, or one derived from it; nil for any other.
func EventFrom(ctx context.Context) *Event {
	e, _ := ctx.Value(eventKey{}).(*Event)
	return e
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
	return e.acknowledge(conn, p)
}

// confirms reports whether the event was acknowledged, which tells the gateway that it is done with.
func (e *Event) confirms() bool { return e.acked.Load() }

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

// handleEvent runs the handlers of an event. A handler that fails does not keep the others from it; middleware does. It reports
// whether the event was acknowledged.
func (s *Socket) handleEvent(t task) (acked bool) {
	e, ok, err := s.nsp.app.parseEvent(t.msg)
	if err != nil {
		s.failed("", err)
		return false
	}
	if !ok {
		return false
	}
	e.Number, e.Redelivered = t.receipt.Number, backplane.Redelivered(t.msg)
	e.scope = scope{s.handlerContext(), e}
	if e.Number != 0 && !t.receipt.WantsAck { // the reply subject is for the worker's word that it is done
		e.reply = ""
	}
	all, filters, handlers := s.nsp.Handlers.forEvent(e.Name)
	ownAll, ownFilters, own := s.own.Load().forEvent(e.Name)
	e.trace(s, t.msg, len(handlers)+len(own) > 0)
	s.give(e, all)
	s.give(e, ownAll)
	if s.passes(e, filters) && s.passes(e, ownFilters) {
		s.give(e, handlers)
		s.give(e, own)
	}
	if e.span != nil {
		e.span.End()
	}
	return e.confirms()
}

// give runs handlers, whatever becomes of each.
func (s *Socket) give(e *Event, list []*EventHandler) {
	for _, h := range list {
		if err := s.guard(func() error { return (*h)(&e.scope, s, e) }); err != nil {
			e.failed(err)
			s.failed(e.Name, err)
		}
	}
}

// passes runs middleware until one refuses.
func (s *Socket) passes(e *Event, list []*EventHandler) bool {
	for _, h := range list {
		if err := s.guard(func() error { return (*h)(&e.scope, s, e) }); err != nil {
			e.failed(err)
			s.failed(e.Name, err)
			return false
		}
	}
	return true
}
