package worker

import (
	"context"
	"slices"
	"sync"
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
	DisconnectHandler func(ctx context.Context, s *Socket, reason string)
	// ErrorHandler is told what went wrong: a handler's error, a [PanicError], an [ArgumentError],
	// ErrQueueFull. event is the event's name, or "connect", "disconnect" or "middleware".
	ErrorHandler func(ctx context.Context, s *Socket, event string, err error)
)

// Handlers are what an application does for the sockets of a namespace, of all namespaces that match a
// pattern, or of one socket. Handlers of one event run in the order of their registration. They
// may be added at any time, from any goroutine; they are never removed.
type Handlers struct {
	mu         sync.RWMutex
	middleware []Middleware
	connect    []ConnectHandler
	events     map[string][]EventHandler
	all        []EventHandler
	disconnect []DisconnectHandler
	failed     []ErrorHandler
}

// Use adds middleware. It is not run again for a socket that comes back ([Socket.Recovered]): that was let
// in before.
func (h *Handlers) Use(m Middleware) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.middleware = append(h.middleware, m)
}

// OnConnect adds a handler for sockets that connect. The client's events wait until it returns.
func (h *Handlers) OnConnect(f ConnectHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.connect = append(h.connect, f)
}

// OnEvent adds a handler for an event with whatever arguments it has. [On] and [OnAck] decode them.
func (h *Handlers) OnEvent(event string, f EventHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.events == nil {
		h.events = map[string][]EventHandler{}
	}
	h.events[event] = append(h.events[event], f)
}

// OnAny adds a handler for every event, before the event's own.
func (h *Handlers) OnAny(f EventHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, f)
}

// OnDisconnect adds a handler for sockets that are gone. It does not run when the worker stops:
// its sockets then get new homes.
func (h *Handlers) OnDisconnect(f DisconnectHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.disconnect = append(h.disconnect, f)
}

// OnError adds a handler for what goes wrong. Without any, errors are logged.
func (h *Handlers) OnError(f ErrorHandler) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed = append(h.failed, f)
}

// The lists only grow, so that what these return stays as it was.

func (h *Handlers) forEvent(dst []EventHandler, event string) []EventHandler {
	if h == nil {
		return dst
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	dst = append(dst, h.all...)
	return append(dst, h.events[event]...)
}

func (h *Handlers) forMiddleware() []Middleware {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clip(h.middleware)
}

func (h *Handlers) forConnect() []ConnectHandler {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clip(h.connect)
}

func (h *Handlers) forDisconnect() []DisconnectHandler {
	if h == nil {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clip(h.disconnect)
}

func (h *Handlers) forError() []ErrorHandler {
	if h == nil {
		return nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return slices.Clip(h.failed)
}
