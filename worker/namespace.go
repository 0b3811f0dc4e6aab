package worker

import (
	"context"
	"regexp"
)

// Namespace is one namespace of an application: what it does for its sockets, and a way to reach
// them all, wherever they are. Its methods may be called from any goroutine.
type Namespace struct {
	*Handlers
	app  *App
	name string
}

// pattern is the handlers of all namespaces that match.
type pattern struct {
	text     string // anchored, as routers are told
	match    *regexp.Regexp
	handlers *Handlers
}

// Name returns the name, "/" for the root.
func (n *Namespace) Name() string { return n.name }

// All is every socket in the namespace.
func (n *Namespace) All() Target { return Target{nsp: n} }

// To is the sockets in rooms, or with ids.
func (n *Namespace) To(rooms ...string) Target { return n.All().To(rooms...) }

// Except is every socket but those in rooms, or with ids.
func (n *Namespace) Except(rooms ...string) Target { return n.All().Except(rooms...) }

// Local is the sockets that one gateway holds; see [Socket.Node].
func (n *Namespace) Local(node string) Target { return n.All().Local(node) }

// Volatile is every socket, as a target of volatile messages.
func (n *Namespace) Volatile() Target { return n.All().Volatile() }

// Emit sends an event to every socket; see [Target.Emit].
func (n *Namespace) Emit(event string, args ...any) error { return n.All().Emit(event, args...) }

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
