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
	Args Args // without the name

	app   *App
	reply string
	acked atomic.Bool
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
	if len(p.Attachments) == 0 {
		return conn.Publish(e.reply, p.JSON)
	}
	return conn.PublishMsg(backplane.EncodePayload(e.reply, "", p))
}

// parseEvent reads an event. ok is false for those that no handler can have: they are harmless, and
// ignored as Socket.IO ignores them.
func (a *App) parseEvent(m *backplane.Msg) (e *Event, ok bool, err error) {
	p, err := backplane.DecodePayload(m)
	if err != nil {
		return nil, false, errors.Join(ErrPayload, err)
	}
	args, err := parseArgs(p)
	if err != nil || len(args) == 0 {
		return nil, false, err
	}
	name, ok := eventName(args[0])
	if !ok {
		return nil, false, nil
	}
	return &Event{Name: name, Args: args[1:], app: a, reply: m.Reply}, true, nil
}

// handleEvent runs the handlers of an event. A handler that fails does not keep the others from it.
func (s *Socket) handleEvent(m *backplane.Msg) {
	a := s.nsp.app
	e, ok, err := a.parseEvent(m)
	if err != nil {
		s.failed("", err)
		return
	}
	if !ok {
		return
	}
	var room [4]EventHandler
	handlers := s.nsp.Handlers.forEvent(room[:0], e.Name)
	handlers = s.own.Load().forEvent(handlers, e.Name)
	for _, h := range handlers {
		if err := s.guard(func() error { return h(a.ctx, s, e) }); err != nil {
			s.failed(e.Name, err)
		}
	}
}
