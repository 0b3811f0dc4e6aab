package worker

import (
	"context"
	"fmt"
	"regexp"
)

// Parent is what an application does in all namespaces that match a pattern, and a way to emit to them all. A namespace exists
// while sockets are in it: nothing has to be made or cleaned up.
type Parent struct {
	*Handlers
	everyone *Namespace // none of them: what emits to all name as theirs
	match    *regexp.Regexp
	allow    func(ctx context.Context, name string, h *Handshake) bool // nil: all that match
}

// Pattern returns the handlers of all namespaces that match a regular expression (Go's syntax) as a whole and are
// not served by name. Of several patterns the first counts. [Socket.Namespace] has the namespace that a socket is in.
func (a *App) Pattern(expression string) (*Parent, error) { return a.PatternFunc(expression, nil) }

// PatternFunc is Pattern for namespaces that a function allows as well, by their names and what is known of the client that asks.
// One that it does not allow is left to the patterns after it; one that none takes does not exist, and the client is told so. The function runs
// before the middleware, on the goroutine of the socket, and may block.
//
// Routers know of the expression alone: all workers that serve it should decide alike.
func (a *App) PatternFunc(expression string, allow func(ctx context.Context, name string, h *Handshake) bool) (*Parent, error) {
	text := "^(?:" + expression + ")$" // what begins with no slash is a pattern to the routers
	match, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("namespace pattern: %w", err)
	}
	h := &Handlers{}
	p := &Parent{Handlers: h, everyone: &Namespace{Handlers: h, app: a, match: text}, match: match, allow: allow}
	a.serves.mu.Lock()
	a.serves.patterns = append(a.serves.patterns, p)
	a.serves.mu.Unlock()
	a.beat()
	return p, nil
}

// Child is one of the namespaces, to emit to it or ask about it; nil if its name does not match. Handlers that are added to
// it are those of all.
func (p *Parent) Child(name string) *Namespace {
	if !p.match.MatchString(name) {
		return nil
	}
	return &Namespace{Handlers: p.Handlers, app: p.everyone.app, name: name}
}

// All is every socket in all the namespaces. It can be emitted to, and that is all: EmitAck, Sockets and the like
// fail with ErrParent.
func (p *Parent) All() Target { return Target{nsp: p.everyone} }

// To is the sockets in rooms of any of the namespaces.
func (p *Parent) To(rooms ...string) Target { return p.All().To(rooms...) }

// Except is every socket but those in rooms, or with ids.
func (p *Parent) Except(rooms ...string) Target { return p.All().Except(rooms...) }

// Volatile is every socket, as a target of volatile messages.
func (p *Parent) Volatile() Target { return p.All().Volatile() }

// Emit sends an event to every socket in every namespace whose name matches, wherever it is and whichever worker let it in. It is one
// publish. See [Target.Emit].
func (p *Parent) Emit(event string, args ...any) error { return p.All().Emit(event, args...) }

// Send is Emit of the event "message".
func (p *Parent) Send(args ...any) error { return p.Emit("message", args...) }

// choose finds the parent that takes a namespace, of those that match; without one it is refused. Until then the namespace has
// no handlers.
func (n *Namespace) choose(s *Socket) error {
	if n.parents == nil {
		return nil
	}
	h := s.Handshake()
	for _, p := range n.parents {
		allowed := p.allow == nil
		if !allowed {
			if err := s.guard(func() error { allowed = p.allow(s.handlerContext(), n.name, h); return nil }); err != nil {
				return err
			}
		}
		if allowed {
			n.Handlers, n.parents = p.Handlers, nil
			return nil
		}
	}
	return &Refusal{Message: "Invalid namespace"}
}
