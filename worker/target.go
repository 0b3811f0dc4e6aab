package worker

import (
	"context"
	"slices"

	"patchbay/backplane"
)

// Target is whom something is for. It is an immutable value: each method returns another.
//
//	io.To("a", "b").Except("c").Emit("news", 1)
type Target struct {
	nsp      *Namespace
	socket   *Socket  // to this one alone
	rooms    []string // sorted, no two the same
	narrowed bool     // rooms are meant, even if there are none
	except   []string
	node     string
	volatile bool
}

// To adds rooms, or sockets by their ids; whoever is in several gets one copy.
// An empty list adds none: `To()` alone is for nobody.
func (t Target) To(rooms ...string) Target {
	t.rooms = slices.Concat(t.rooms, rooms)
	slices.Sort(t.rooms)
	t.rooms = slices.Compact(t.rooms)
	t.narrowed = true
	return t
}

// Except leaves out rooms, or sockets by their ids.
func (t Target) Except(rooms ...string) Target {
	t.except = slices.Concat(t.except, rooms)
	return t
}

// Local restricts to the sockets that a gateway holds; see [Socket.Node].
func (t Target) Local(node string) Target {
	t.node = node
	return t
}

// Volatile lets gateways drop the message for clients that are not ready for it now, rather than
// queue it.
func (t Target) Volatile() Target {
	t.volatile = true
	return t
}

// nobody reports whether the target is empty whatever the cluster holds.
func (t Target) nobody() bool { return t.narrowed && len(t.rooms) == 0 }

// Emit sends an event. Arguments become JSON as with encoding/json, []byte anywhere in them becomes an
// attachment, [Arg] and [Args] go out as they came in. They are not kept.
//
// Emit returns once the message is on its way: its errors are arguments that cannot be encoded, a message larger
// than NATS takes, and a lost NATS whose buffer is full. One goroutine's emits arrive in order.
func (t Target) Emit(event string, args ...any) error {
	if t.nobody() {
		return nil
	}
	a := t.nsp.app
	conn := a.conn.Load()
	if conn == nil {
		return ErrNotRunning
	}
	enc := a.encoders.get()
	defer a.encoders.put(enc)
	p, err := enc.event(event, args)
	if err != nil {
		return err
	}
	a.metrics.emits.Inc()
	return t.publish(conn, &backplane.Emit{Payload: p, Except: t.except, Volatile: t.volatile})
}

// publish publishes an emit on the subjects of the target.
func (t Target) publish(conn *backplane.Conn, e *backplane.Emit) error {
	name := t.nsp.name
	switch {
	case t.socket != nil:
		return conn.Emit(e, "", conn.SocketEmit(t.socket.id))
	case t.node != "":
		e.Namespace, e.Rooms = name, t.rooms
		return conn.Emit(e, "", conn.Node(t.node, "emit", ""))
	case !t.narrowed:
		return conn.Emit(e, "", conn.AddressAll(e, name))
	}
	if len(t.rooms) > 1 {
		e.Rooms = t.rooms
	}
	var room [4]string
	subjects := room[:0]
	for _, one := range t.rooms {
		subjects = append(subjects, conn.Address(e, name, one))
	}
	return conn.Emit(e, "", subjects...)
}

// Response is one socket's, or one worker's, answer to a question to many.
type Response struct {
	From string // the socket's or worker's id
	Args Args
	Err  error // ErrAckTimeout, ErrDisconnected, …
}

// EmitAck emits to every socket of the target and waits for their acknowledgements, at most Options.AckTimeout
// if ctx has no deadline. There is a Response for each socket, in the order of their ids; the error is
// about finding the sockets. Who is asked is a matter of membership: sockets that join
// later are not.
func (t Target) EmitAck(ctx context.Context, event string, args ...any) ([]Response, error) {
	if t.socket != nil {
		answer, err := t.socket.EmitAck(ctx, event, args...)
		return []Response{{From: t.socket.id, Args: answer, Err: err}}, nil
	}
	a := t.nsp.app
	ctx, cancel := within(ctx, a.options.AckTimeout)
	defer cancel()
	sockets, err := t.Sockets(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Response, len(sockets))
	for i := range sockets {
		list[i] = Response{From: sockets[i].ID, Err: ErrAckTimeout}
	}
	enc := a.encoders.get()
	defer a.encoders.put(enc)
	p, err := enc.event(event, args)
	if err != nil {
		return nil, err
	}
	emit := backplane.Emit{Payload: p}
	q := question{size: len(list), publish: func(conn *backplane.Conn, i int, reply string) error {
		return conn.Emit(&emit, reply, conn.SocketEmit(list[i].From))
	}}
	// What ends the waiting early is in the responses already.
	err = a.ask(ctx, q, func(i int, m *backplane.Msg) { list[i].Args, list[i].Err = ackArgs(m) })
	if ctx.Err() == nil && err != nil {
		return list, err
	}
	return list, nil
}

// Emit sends an event to the socket; see [Target.Emit].
func (s *Socket) Emit(event string, args ...any) error {
	if err := s.mayAsk(); err != nil {
		return err
	}
	return s.alone().Emit(event, args...)
}

// Volatile is the socket as a target of volatile messages.
func (s *Socket) Volatile() Target { return s.alone().Volatile() }

// To is rooms of the namespace, less the socket itself.
func (s *Socket) To(rooms ...string) Target { return s.Broadcast().To(rooms...) }

// Broadcast is everyone in the namespace but the socket itself.
func (s *Socket) Broadcast() Target { return Target{nsp: s.nsp, except: []string{s.id}} }

func (s *Socket) alone() Target { return Target{nsp: s.nsp, socket: s} }

// EmitAck sends an event and waits for the client's acknowledgement, at most Options.AckTimeout if ctx has
// no deadline. Its errors are ErrAckTimeout, ErrDisconnected, ErrAckRefused, those of Emit and ctx's. Called in
// a handler it holds up the socket's other events; [Socket.Go] does not.
func (s *Socket) EmitAck(ctx context.Context, event string, args ...any) (Args, error) {
	if err := s.mayAsk(); err != nil {
		return nil, err
	}
	a := s.nsp.app
	ctx, cancel := within(ctx, a.options.AckTimeout)
	defer cancel()
	enc := a.encoders.get()
	p, err := enc.event(event, args)
	if err != nil {
		a.encoders.put(enc)
		return nil, err
	}
	a.metrics.emits.Inc()
	emit := backplane.Emit{Payload: p}
	var answer Args
	var bad error
	err = a.ask(ctx, question{
		size: 1,
		gone: s.Context().Done(),
		publish: func(conn *backplane.Conn, _ int, reply string) error {
			return conn.Emit(&emit, reply, conn.SocketEmit(s.id))
		},
		published: func() { a.encoders.put(enc) },
	}, func(_ int, m *backplane.Msg) { answer, bad = ackArgs(m) })
	if err != nil {
		return nil, ackFailed(err)
	}
	return answer, bad
}

// Ask is [Socket.EmitAck] for an answer of one argument.
func Ask[T any](ctx context.Context, s *Socket, event string, args ...any) (v T, err error) {
	answer, err := s.EmitAck(ctx, event, args...)
	if err != nil {
		return v, err
	}
	return v, answer.Decode(&v)
}
