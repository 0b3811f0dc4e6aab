package worker

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// The kinds of handlers. They run on the socket's goroutine, one at a time for each socket.
type (
	// Middleware decides whether a socket may connect: nil lets it in, an error (see [Refusal])
	// keeps it out. It may join rooms and set data; the client hears nothing yet.
	Middleware func(ctx context.Context, s *Socket) error
	// ConnectHandler runs when a socket has connected. Its error goes to the error handlers; the
	// socket stays.
	ConnectHandler func(ctx context.Context, s *Socket) error
	// EventHandler takes an event as it came.
	EventHandler func(ctx context.Context, s *Socket, e *Event) error
	// DisconnectHandler runs once, after the last event, with Socket.IO's reason, such as "transport close".
	// Its context does not end with the socket.
	DisconnectHandler func(ctx context.Context, s *Socket, reason string)
	// ErrorHandler is told what went wrong: a handler's error, a [PanicError], an [ArgumentError],
	// ErrQueueFull. event is the event's name, or "connect", "disconnect" or "middleware". Its context does not end
	// with the socket.
	ErrorHandler func(ctx context.Context, s *Socket, event string, err error)
	// OutgoingHandler is told of what this worker emits, before it is sent, on the goroutine that emits. args are
	// as they were given; they must not be changed.
	OutgoingHandler func(to Target, event string, args []any)
)

// Handlers are what an application does for the sockets of a namespace, of all namespaces that match a
// pattern, or of one socket. Handlers of one event run in the order of their registration. They
// may be added at any time, from any goroutine.
//
// What adds a handler returns a function that removes it. Removed, a handler is not called again, except by an
// event that is being handled already. The function may be called from anywhere, handlers included, and more than once.
type Handlers struct {
	outgoing atomic.Pointer[[]*OutgoingHandler] // nil if there are none, so that asking costs next to nothing

	mu            sync.RWMutex
	middleware    []*Middleware
	connect       []*ConnectHandler
	filters       []*EventHandler
	all           []*EventHandler
	events        map[string][]*EventHandler
	disconnecting []*DisconnectHandler
	disconnect    []*DisconnectHandler
	failed        []*ErrorHandler
}

// Lists of handlers are never changed: who adds or removes makes another. So those who go through one hold no lock.

// add adds a handler to one of the lists.
func add[F any](h *Handlers, list *[]*F, f F, first bool) (remove func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*list = with(*list, &f, first)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		*list = without(*list, &f)
	}
}

func with[F any](list []*F, f *F, first bool) []*F {
	if first {
		return slices.Concat([]*F{f}, list)
	}
	return append(slices.Clip(list), f)
}

func without[F any](list []*F, f *F) []*F {
	i := slices.Index(list, f)
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}

// Use adds middleware. Without [Options.Recheck] it is not run again for a socket that comes back ([Socket.Recovered]): that was let
// in before.
func (h *Handlers) Use(m Middleware) (remove func()) { return add(h, &h.middleware, m, false) }

// OnConnect adds a handler for sockets that connect. The client's events wait until it returns.
func (h *Handlers) OnConnect(f ConnectHandler) (remove func()) {
	return add(h, &h.connect, f, false)
}

// UseEvents adds middleware for events: it sees each before its handlers do, those of [Handlers.OnAny] excepted. An
// error keeps it from them, and goes to the error handlers. The client hears of that if the middleware
// acknowledges the event itself. It may replace e.Args; handlers get them so.
func (h *Handlers) UseEvents(f EventHandler) (remove func()) { return add(h, &h.filters, f, false) }

// OnEvent adds a handler for an event with whatever arguments it has. [On] and [OnAck] decode them.
func (h *Handlers) OnEvent(event string, f EventHandler) (remove func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = map[string][]*EventHandler{}
	}
	h.events[event] = with(h.events[event], &f, false)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.events[event] = without(h.events[event], &f); len(h.events[event]) == 0 {
			delete(h.events, event)
		}
	}
}

// Off removes all handlers of an event.
func (h *Handlers) Off(event string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.events, event)
}

// OnAny adds a handler for every event, before the event's own, and before the middleware for events, which may
// still refuse it.
func (h *Handlers) OnAny(f EventHandler) (remove func()) { return add(h, &h.all, f, false) }

// PrependAny is OnAny for a handler that runs before those added so far.
func (h *Handlers) PrependAny(f EventHandler) (remove func()) { return add(h, &h.all, f, true) }

// OnDisconnecting adds a handler for sockets that are about to be gone, run before those of OnDisconnect.
// [Socket.Rooms] still tells the rooms that the socket was in. It can no longer be emitted to.
func (h *Handlers) OnDisconnecting(f DisconnectHandler) (remove func()) {
	return add(h, &h.disconnecting, f, false)
}

// OnDisconnect adds a handler for sockets that are gone. It does not run when the worker stops:
// its sockets then get new homes.
func (h *Handlers) OnDisconnect(f DisconnectHandler) (remove func()) {
	return add(h, &h.disconnect, f, false)
}

// OnError adds a handler for what goes wrong. Without any, errors are logged.
func (h *Handlers) OnError(f ErrorHandler) (remove func()) { return add(h, &h.failed, f, false) }

// OnAnyOutgoing adds a handler for all that this worker emits to sockets of the namespace: one call for an emit, however many
// sockets it reaches. What other workers emit it does not see.
func (h *Handlers) OnAnyOutgoing(f OutgoingHandler) (remove func()) { return h.addOutgoing(f, false) }

// PrependAnyOutgoing is OnAnyOutgoing for a handler that runs before those added so far.
func (h *Handlers) PrependAnyOutgoing(f OutgoingHandler) (remove func()) {
	return h.addOutgoing(f, true)
}

func (h *Handlers) addOutgoing(f OutgoingHandler, first bool) (remove func()) {
	change := func(list []*OutgoingHandler) {
		if len(list) == 0 {
			h.outgoing.Store(nil)
			return
		}
		h.outgoing.Store(&list)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	change(with(h.forOutgoing(), &f, first))
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		change(without(h.forOutgoing(), &f))
	}
}

func (h *Handlers) forOutgoing() []*OutgoingHandler {
	if h == nil {
		return nil
	}
	if list := h.outgoing.Load(); list != nil {
		return *list
	}
	return nil
}

// forEvent is what an event is given to: all is called before filters.
func (h *Handlers) forEvent(event string) (all, filters, own []*EventHandler) {
	if h == nil {
		return nil, nil, nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.all, h.filters, h.events[event]
}

// handlers returns a list; none of nil Handlers.
func handlers[F any](h *Handlers, list func(h *Handlers) []*F) []*F {
	if h == nil {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return list(h)
}

func (h *Handlers) forMiddleware() []*Middleware {
	return handlers(h, func(h *Handlers) []*Middleware { return h.middleware })
}

func (h *Handlers) forConnect() []*ConnectHandler {
	return handlers(h, func(h *Handlers) []*ConnectHandler { return h.connect })
}

func (h *Handlers) forDisconnecting() []*DisconnectHandler {
	return handlers(h, func(h *Handlers) []*DisconnectHandler { return h.disconnecting })
}

func (h *Handlers) forDisconnect() []*DisconnectHandler {
	return handlers(h, func(h *Handlers) []*DisconnectHandler { return h.disconnect })
}

func (h *Handlers) forError() []*ErrorHandler {
	return handlers(h, func(h *Handlers) []*ErrorHandler { return h.failed })
}
