package worker

import (
	"context"
	"time"
)

// Namespace is one namespace of an application: what it does for its sockets, and a way to reach
// them all, wherever they are. Its methods may be called from any goroutine.
type Namespace struct {
	*Handlers
	app     *App
	name    string
	match   string    // of a Parent's: the pattern, anchored, as routers and gateways are told
	parents []*Parent // of one that is not decided yet; read by its socket's goroutine alone
}

// Name returns the name, "/" for the root.
func (n *Namespace) Name() string { return n.name }

// All is every socket in the namespace.
func (n *Namespace) All() Target { return Target{nsp: n} }

// To is the sockets in rooms, or with ids.
func (n *Namespace) To(rooms ...string) Target { return n.All().To(rooms...) }

// Except is every socket but those in rooms, or with ids.
func (n *Namespace) Except(rooms ...string) Target { return n.All().Except(rooms...) }

// Compress says whether messages may be compressed; see [Target.Compress].
func (n *Namespace) Compress(on bool) Target { return n.All().Compress(on) }

// Timeout sets how long EmitAck waits; see [Target.Timeout].
func (n *Namespace) Timeout(d time.Duration) Target { return n.All().Timeout(d) }

// Local is the sockets that one gateway holds; see [Socket.Node].
func (n *Namespace) Local(node string) Target { return n.All().Local(node) }

// Volatile is every socket, as a target of volatile messages.
func (n *Namespace) Volatile() Target { return n.All().Volatile() }

// Emit sends an event to every socket; see [Target.Emit].
func (n *Namespace) Emit(event string, args ...any) error { return n.All().Emit(event, args...) }

// Send is Emit of the event "message".
func (n *Namespace) Send(args ...any) error { return n.Emit("message", args...) }

// EmitAck emits to every socket and waits for their acknowledgements; see [Target.EmitAck].
func (n *Namespace) EmitAck(ctx context.Context, event string, args ...any) ([]Response, error) {
	return n.All().EmitAck(ctx, event, args...)
}

// Count returns how many sockets are in any of the rooms, or in the namespace if none is named. It counts the
// whole cluster, and includes what this worker has done. The error may be ErrIncomplete: the count is then of those
// that are known.
func (n *Namespace) Count(ctx context.Context, rooms ...string) (int, error) {
	if len(rooms) == 0 {
		return n.All().Count(ctx)
	}
	return n.To(rooms...).Count(ctx)
}

// RoomSizes returns the rooms of the namespace and how many sockets each has. The error may be
// ErrIncomplete, as with Count.
func (n *Namespace) RoomSizes(ctx context.Context) (map[string]int, error) {
	return n.app.roomSizes(ctx, n.name)
}

// Sockets returns every socket in the namespace, sorted by id; see [Target.Sockets].
func (n *Namespace) Sockets(ctx context.Context) ([]RemoteSocket, error) { return n.All().Sockets(ctx) }
