package worker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// Handshake is what is known of the client from its session's first request, and
// the auth payload of its CONNECT.
type Handshake struct {
	Headers http.Header
	Query   url.Values
	Address string // the peer's IP address
	URL     string
	Time    time.Time
	Secure  bool // over TLS
	XDomain bool // with an Origin header

	// User is whom the client's token names, where gateways ask for one; see Claims.
	User string

	auth, claims json.RawMessage
}

// Auth decodes the auth payload into what v points to. Without a payload it leaves v alone.
func (h *Handshake) Auth(v any) error {
	if len(h.auth) == 0 {
		return nil
	}
	return decode(h.auth, nil, v)
}

// Claims decodes what the client's token said when it connected into what v points to, a struct or a map. The gateway has checked the token.
// Where gateways ask for none it leaves v alone.
func (h *Handshake) Claims(v any) error {
	if len(h.claims) == 0 {
		return nil
	}
	return decode(h.claims, nil, v)
}

// socketState says how far a socket has come.
type socketState byte

const (
	stateConnecting socketState = iota // middleware runs; rooms and data are still collected here
	stateAccepted                      // the gateway has been told, and has not said that it is done
	stateOpen
	stateGone
)

// Socket is one client's presence in one namespace. Its methods may be called from any
// goroutine, and after the socket is gone.
type Socket struct {
	id      string
	nsp     *Namespace
	request backplane.Connect // less its data
	queue   queue
	own     atomic.Pointer[Handlers]
	data    data
	progress

	mu     sync.Mutex // guards what follows
	state  socketState
	node   string
	epoch  uint64
	moves  int      // how often another gateway has taken it over
	rooms  []string // as heard last, its own left out; nil once the disconnecting handlers have run
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newSocket(nsp *Namespace, request backplane.Connect) *Socket {
	s := &Socket{id: request.Socket, nsp: nsp, request: request, node: request.Node, epoch: request.Epoch}
	s.data.load(request.Data)
	s.request.Data = nil
	s.rooms = request.Rooms
	if request.User != "" && !request.Recovered && len(request.User) <= backplane.MaxUser {
		s.rooms = append(s.rooms, UserRoom(request.User)) // until SetUser says another
	}
	return s
}

// ID is the socket's public id, by which any worker can emit to it: `io.To(id)`.
func (s *Socket) ID() string { return s.id }

// Namespace is the socket's namespace.
func (s *Socket) Namespace() *Namespace { return s.nsp }

// Recovered reports whether the socket was connected before, and comes to this worker with its rooms and
// data: its former worker is gone.
func (s *Socket) Recovered() bool { return s.request.Recovered }

// Node is the gateway that holds the socket, as far as this worker has heard; [Socket.Info] asks.
func (s *Socket) Node() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node
}

// Handshake returns what is known of the client. It is decoded at each call.
func (s *Socket) Handshake() *Handshake {
	return decodeHandshake(s.request.Handshake, s.request.Auth, s.request.User, s.request.Claims)
}

// Context ends when the socket disconnects, as soon as that is known: while earlier events may still wait for
// their handlers. context.Cause is then ErrDisconnected. The contexts of its middleware, connection and event handlers end with it;
// what must be done all the same takes context.WithoutCancel.
func (s *Socket) Context() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx == nil {
		s.ctx, s.cancel = context.WithCancelCause(s.nsp.app.ctx)
		if s.state == stateGone {
			s.cancel(ErrDisconnected)
		}
	}
	return s.ctx
}

// Connected reports whether the socket can be emitted to: it is neither connecting nor gone, as far as this worker
// has heard.
func (s *Socket) Connected() bool { return s.mayAsk() == nil }

// handlerContext is the context of the socket's handlers: its Context, which is not made before somebody
// needs it.
func (s *Socket) handlerContext() context.Context { return (*handlerContext)(s) }

// handlerContext is a socket as its own context.
type handlerContext Socket

// Deadline implements context.Context.
func (c *handlerContext) Deadline() (time.Time, bool) { return (*Socket)(c).Context().Deadline() }

// Done implements context.Context.
func (c *handlerContext) Done() <-chan struct{} { return (*Socket)(c).Context().Done() }

// Err implements context.Context.
func (c *handlerContext) Err() error { return (*Socket)(c).Context().Err() }

// Value implements context.Context.
func (c *handlerContext) Value(key any) any { return (*Socket)(c).Context().Value(key) }

// Go runs f on a goroutine that the worker waits for when it stops. ctx is the socket's Context. It returns false,
// and runs nothing, when the worker has stopped. A panic in f goes to the error handlers.
func (s *Socket) Go(f func(ctx context.Context)) bool {
	return s.nsp.app.extra.run(func() {
		err := s.guard(func() error { f(s.Context()); return nil })
		if err != nil {
			s.failed("", err)
		}
	})
}

// work does the socket's tasks until there are none. It is the socket's goroutine.
func (s *Socket) work() {
	for {
		t, ok := s.queue.next()
		if !ok {
			return
		}
		switch t.kind {
		case taskConnect:
			s.await(t.former)
			s.admit(t.msg.Reply)
		case taskOpen:
			s.handleConnect()
		case taskEvent:
			s.serve(t)
		case taskFull:
			s.failed("", ErrQueueFull)
		case taskDisconnect:
			s.handleDisconnect(t.text)
		case taskEnded:
			close(t.former)
		}
	}
}

// await waits until a former socket of the same id has come to its end; nil is none.
func (s *Socket) await(former <-chan struct{}) {
	if former == nil {
		return
	}
	select {
	case <-former:
	case <-s.nsp.app.ctx.Done():
	}
}

// open notes that the gateway has let the socket in. It reports whether that is news.
func (s *Socket) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateAccepted {
		return false
	}
	s.state = stateOpen
	return true
}

// gone notes that the socket is disconnected, before its handlers hear of it. It reports what
// the state was.
func (s *Socket) gone(cause error) socketState {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.state
	s.state = stateGone
	if s.cancel != nil {
		s.cancel(cause)
	}
	return was
}

func (s *Socket) handleDisconnect(reason string) {
	own := s.own.Load()
	s.part(reason, own.forDisconnecting())
	s.part(reason, s.nsp.Handlers.forDisconnecting())
	s.mu.Lock()
	s.rooms = nil
	s.mu.Unlock()
	s.part(reason, own.forDisconnect())
	s.part(reason, s.nsp.Handlers.forDisconnect())
}

func (s *Socket) part(reason string, list []*DisconnectHandler) {
	for _, h := range list {
		if err := s.guard(func() error { (*h)(s.nsp.app.ctx, s, reason); return nil }); err != nil {
			s.failed("disconnect", err)
		}
	}
}

// guard runs a handler; a panic becomes an error.
func (s *Socket) guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.nsp.app.metrics.panics.Inc()
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f()
}

// failed tells the error handlers, or the log if there are none. A handler that panics here is logged.
func (s *Socket) failed(event string, err error) {
	a := s.nsp.app
	a.metrics.failures.Inc()
	handlers := slices.Concat(s.own.Load().forError(), s.nsp.Handlers.forError())
	if len(handlers) == 0 {
		log := a.options.Log.Error
		var argument *ArgumentError
		if errors.As(err, &argument) || errors.Is(err, ErrDisconnected) {
			log = a.options.Log.Debug // the client's doing: it must not fill the log
		}
		log("handler failed", zap.String("socket", s.id), zap.String("namespace", s.nsp.name),
			zap.String("event", event), zap.Error(err))
	}
	for _, h := range handlers {
		if err := s.guard(func() error { (*h)(a.ctx, s, event, err); return nil }); err != nil {
			a.options.Log.Error("error handler failed", zap.String("socket", s.id), zap.Error(err))
		}
	}
}
