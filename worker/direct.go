package worker

import (
	"context"
	"errors"
	"time"

	"patchbay/backplane"
)

// Direct is one socket, with how to emit to it. It is an immutable value: each method returns another.
//
//	s.Volatile().Emit("position", x, y)
//	answer, err := s.Timeout(time.Second).EmitAck(ctx, "question")
type Direct struct{ t Target }

func (s *Socket) direct() Direct { return Direct{Target{nsp: s.nsp, socket: s}} }

// Volatile is the socket for messages that may be dropped; see [Target.Volatile].
func (s *Socket) Volatile() Direct { return s.direct().Volatile() }

// Compress says whether messages may be compressed; see [Target.Compress].
func (s *Socket) Compress(on bool) Direct { return s.direct().Compress(on) }

// Timeout sets how long EmitAck waits; see [Target.Timeout].
func (s *Socket) Timeout(d time.Duration) Direct { return s.direct().Timeout(d) }

// Emit sends an event to the socket; see [Target.Emit].
func (s *Socket) Emit(event string, args ...any) error { return s.direct().Emit(event, args...) }

// Send is Emit of the event "message".
func (s *Socket) Send(args ...any) error { return s.Emit("message", args...) }

// EmitAck sends an event and waits for the client's acknowledgement, at most Options.AckTimeout if ctx has
// no deadline. Its errors are ErrAckTimeout, ErrDisconnected, ErrAckRefused, those of Emit and ctx's. Called in
// a handler it holds up the socket's other events; [Socket.Go] does not.
func (s *Socket) EmitAck(ctx context.Context, event string, args ...any) (Args, error) {
	return s.direct().EmitAck(ctx, event, args...)
}

// Volatile is the socket for messages that may be dropped; see [Target.Volatile].
func (d Direct) Volatile() Direct { return Direct{d.t.Volatile()} }

// Compress says whether messages may be compressed; see [Target.Compress].
func (d Direct) Compress(on bool) Direct { return Direct{d.t.Compress(on)} }

// Timeout sets how long EmitAck waits; see [Target.Timeout].
func (d Direct) Timeout(limit time.Duration) Direct { return Direct{d.t.Timeout(limit)} }

// Emit sends an event to the socket; see [Target.Emit].
func (d Direct) Emit(event string, args ...any) error {
	if err := d.t.socket.mayAsk(); err != nil {
		return err
	}
	return d.t.Emit(event, args...)
}

// Send is Emit of the event "message".
func (d Direct) Send(args ...any) error { return d.Emit("message", args...) }

// EmitAck sends an event and waits for the client's acknowledgement; see [Socket.EmitAck].
func (d Direct) EmitAck(ctx context.Context, event string, args ...any) (Args, error) {
	s := d.t.socket
	if err := s.mayAsk(); err != nil {
		return nil, err
	}
	ctx, cancel := d.t.patience(ctx)
	defer cancel()
	t := d.t.Traced(ctx)
	return t.askSocket(ctx, s.id, s.Context().Done(), event, args)
}

// askSocket emits to one socket and waits for its acknowledgement, or until gone is closed. Without gone, of a socket that is not
// this worker's, the namespace is checked by the gateway.
func (t *Target) askSocket(ctx context.Context, id string, gone <-chan struct{}, event string, args []any) (Args, error) {
	a := t.nsp.app
	enc := a.encoders.get()
	p, err := enc.event(event, args)
	if err != nil {
		a.encoders.put(enc)
		return nil, err
	}
	t.tell(event, args)
	a.metrics.emits.Inc()
	span := t.begin(event)
	emit := t.emit(p)
	if gone == nil {
		emit.Namespace = t.nsp.name
	}
	var answer Args
	var bad error
	err = a.ask(ctx, question{
		size: 1,
		gone: gone,
		publish: func(conn *backplane.Conn, _ int, reply string) error {
			return conn.Emit(&emit, reply, conn.SocketEmit(id))
		},
		published: func() { a.encoders.put(enc) },
	}, func(_ int, m *backplane.Msg) { answer, bad = ackArgs(m) })
	if err != nil {
		finish(span, err)
		return nil, ackFailed(err)
	}
	finish(span, bad)
	return answer, bad
}

// patience is the context of waiting for acknowledgements.
func (t *Target) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if t.timeout > 0 {
		return context.WithTimeout(ctx, t.timeout)
	}
	return within(ctx, t.nsp.app.options.AckTimeout)
}

// Asker is who can be asked for an acknowledgement: a [Socket], or one with options.
type Asker interface {
	EmitAck(ctx context.Context, event string, args ...any) (Args, error)
}

// Ask is EmitAck for an answer of one argument.
func Ask[T any](ctx context.Context, to Asker, event string, args ...any) (v T, err error) {
	answer, err := to.EmitAck(ctx, event, args...)
	if err != nil {
		return v, err
	}
	return argument[T](answer, 0)
}

// AskAll is [Target.EmitAck] for the first argument of each answer, in the order of the sockets' ids. Answers that do not
// fit are left out; the error then has an [ArgumentError].
func AskAll[T any](ctx context.Context, to Target, event string, args ...any) ([]T, error) {
	answers, err := to.EmitAck(ctx, event, args...)
	values := make([]T, 0, len(answers))
	for i := range answers {
		v, bad := argument[T](answers[i].Args, 0)
		if bad != nil {
			err = errors.Join(err, bad)
			continue
		}
		values = append(values, v)
	}
	return values, err
}
