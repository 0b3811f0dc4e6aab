package worker

import (
	"context"

	"patchbay/backplane"
)

// EmitterOptions configures an Emitter. The zero value works against a local NATS server.
type EmitterOptions struct {
	// Options are a worker's. Of them the emitter uses Backplane, ID, the timeouts, Log and Metrics.
	Options
	// Namespace is where the emitter emits to; "/" if empty. See [Emitter.Of].
	Namespace string `name:"namespace" default:"/" help:"Namespace to emit to."`
}

// Emitter reaches sockets from outside of the application: from a cron job, another service, a command-line tool. It has all
// that a [Target] has, and no sockets of its own: routers do not know of it, it needs no lease, and whether it comes or
// goes changes nothing. Its methods may be called from any goroutine.
//
// A program in another language, or one that only emits, needs no Emitter: docs/emitting.md has the form for any NATS client.
type Emitter struct {
	nsp *Namespace
}

// OpenEmitter connects to NATS, waiting for it until ctx ends. The emitter needs a Close, as do all that [Emitter.Of]
// has returned: one for all of them.
func OpenEmitter(ctx context.Context, o EmitterOptions) (*Emitter, error) {
	if o.ID == "" {
		o.ID = backplane.NewID('e')
	}
	if o.Backplane.Name == "" {
		o.Backplane.Name = "emitter " + o.ID
	}
	a, err := New(o.Options)
	if err != nil {
		return nil, err
	}
	a.run.guest = true
	if o.Namespace == "" {
		o.Namespace = "/"
	}
	e := &Emitter{nsp: a.Namespace(o.Namespace)}
	return e, a.Start(ctx)
}

// Close sends what is on its way and disconnects. It is for all emitters that came from one OpenEmitter.
func (e *Emitter) Close(ctx context.Context) error { return e.nsp.app.Stop(ctx) }

// ID is the emitter's id, which is no worker's.
func (e *Emitter) ID() string { return e.nsp.app.ID() }

// Of is the emitter for another namespace, on the same connection.
func (e *Emitter) Of(namespace string) *Emitter {
	a := e.nsp.app
	return &Emitter{nsp: &Namespace{Handlers: &Handlers{}, app: a, name: namespace}}
}

// All is every socket in the namespace; a Target joins, leaves, disconnects, fetches and counts as well.
func (e *Emitter) All() Target { return e.nsp.All() }

// To is the sockets in rooms, or with ids.
func (e *Emitter) To(rooms ...string) Target { return e.nsp.To(rooms...) }

// User is all sockets of users; see [Socket.SetUser].
func (e *Emitter) User(users ...string) Target { return e.nsp.User(users...) }

// Except is every socket but those in rooms, or with ids.
func (e *Emitter) Except(rooms ...string) Target { return e.nsp.Except(rooms...) }

// Socket is one socket by its id.
func (e *Emitter) Socket(id string) Remote { return e.nsp.Socket(id) }

// Emit sends an event to every socket in the namespace; see [Target.Emit].
func (e *Emitter) Emit(event string, args ...any) error { return e.nsp.Emit(event, args...) }

// EmitPeers sends an event to the workers; see [Namespace.EmitPeers].
func (e *Emitter) EmitPeers(event string, args ...any) error { return e.nsp.EmitPeers(event, args...) }

// AskPeers sends an event to the workers that serve the namespace, and waits for their answers; see [Namespace.AskPeers].
func (e *Emitter) AskPeers(ctx context.Context, event string, args ...any) ([]Response, error) {
	return e.nsp.AskPeers(ctx, event, args...)
}

// RoomSizes returns the rooms of the namespace and how many sockets each has; see [Namespace.RoomSizes].
func (e *Emitter) RoomSizes(ctx context.Context) (map[string]int, error) { return e.nsp.RoomSizes(ctx) }

// Watch tells who comes to a room and who leaves it; see [Namespace.Watch].
func (e *Emitter) Watch(ctx context.Context, room string) (*Watch, error) {
	return e.nsp.Watch(ctx, room)
}
