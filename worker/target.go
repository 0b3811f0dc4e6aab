package worker

import (
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"

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
	timeout  time.Duration // of acknowledgements; 0: Options.AckTimeout
	volatile bool
	plain    bool               // not to be compressed
	trace    *trace.SpanContext // what the emits are part of; nil if they are not traced
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

// Compress says whether gateways may compress the message for connections that have agreed on it; they may
// unless told otherwise. What is small, or compressed already, is not worth it.
func (t Target) Compress(on bool) Target {
	t.plain = !on
	return t
}

// Timeout sets how long EmitAck waits, in place of Options.AckTimeout. A context that ends sooner ends it sooner.
func (t Target) Timeout(d time.Duration) Target {
	t.timeout = d
	return t
}

// String says who is meant, for people.
func (t Target) String() string {
	text := t.nsp.name
	if t.nsp.match != "" {
		text = t.nsp.match
	}
	if t.socket != nil {
		return text + " to " + t.socket.id
	}
	if t.narrowed {
		text += " to " + strings.Join(t.rooms, ", ")
	}
	if len(t.except) > 0 {
		text += " except " + strings.Join(t.except, ", ")
	}
	if t.node != "" {
		text += " on " + t.node
	}
	return text
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
	t.tell(event, args)
	a.metrics.emits.Inc()
	span := t.begin(event)
	e := t.emit(p)
	err = t.publish(conn, &e, "")
	finish(span, err)
	return err
}

// Send is Emit of the event "message".
func (t Target) Send(args ...any) error { return t.Emit("message", args...) }

// emit makes the emit of a payload, as far as it does not depend on subjects.
func (t *Target) emit(p backplane.Payload) backplane.Emit {
	return backplane.Emit{Payload: p, Except: t.except, Volatile: t.volatile, Uncompressed: t.plain, Trace: t.trace}
}

// tell tells the handlers of OnAnyOutgoing.
func (t *Target) tell(event string, args []any) {
	all := t.nsp.Handlers.forOutgoing()
	var own []*OutgoingHandler
	if t.socket != nil {
		own = t.socket.own.Load().forOutgoing()
	}
	if len(all)+len(own) == 0 {
		return
	}
	copied := slices.Clone(args) // without handlers they stay on the caller's stack
	for _, h := range all {
		(*h)(*t, event, copied)
	}
	for _, h := range own {
		(*h)(*t, event, copied)
	}
}

// publish publishes an emit on the subjects of the target.
func (t *Target) publish(conn *backplane.Conn, e *backplane.Emit, reply string) error {
	var room [4]string
	return conn.Emit(e, reply, t.subjects(room[:0], conn, e)...)
}

// subjects appends where an emit goes, and completes its headers.
func (t *Target) subjects(dst []string, conn *backplane.Conn, e *backplane.Emit) []string {
	name := t.nsp.name
	switch {
	case t.nsp.match != "":
		e.Match, e.Rooms = t.nsp.match, t.rooms
		return append(dst, conn.Matching())
	case t.socket != nil:
		return append(dst, conn.SocketEmit(t.socket.id))
	case t.node != "":
		e.Namespace, e.Rooms = name, t.rooms
		return append(dst, conn.Node(t.node, "emit", ""))
	case !t.narrowed:
		return append(dst, conn.AddressAll(e, name))
	}
	if len(t.rooms) > 1 {
		e.Rooms = t.rooms
	}
	for _, one := range t.rooms {
		dst = append(dst, conn.Address(e, name, one))
	}
	return dst
}

// To is rooms of the namespace, less the socket itself.
func (s *Socket) To(rooms ...string) Target { return s.Broadcast().To(rooms...) }

// Except is everyone in the namespace but the socket itself and those in rooms.
func (s *Socket) Except(rooms ...string) Target { return s.Broadcast().Except(rooms...) }

// Broadcast is everyone in the namespace but the socket itself.
func (s *Socket) Broadcast() Target { return Target{nsp: s.nsp, except: []string{s.id}} }

// Local is everyone on the socket's gateway but the socket itself; see [Socket.Node].
func (s *Socket) Local() Target { return s.Broadcast().Local(s.Node()) }
