// Package app is a tour of the SDK: an event for each of its parts, so that what it does can be seen from a client.
package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"patchbay/worker"
)

type (
	ctxt   = context.Context
	socket = *worker.Socket
)

// watchers is the room of those who are told what becomes of others.
const watchers = "watchers"

// Register adds the tour to a worker.
func Register(w *worker.App) error {
	io := w.Namespace("/")
	registerHandlers(io)
	registerFailures(io)
	registerEmits(io)
	return registerDynamic(w, io)
}

// registerHandlers shows middleware for events, catch-all handlers, once, removal, and the end of a socket.
func registerHandlers(io *worker.Namespace) {
	io.UseEvents(func(_ ctxt, _ socket, e *worker.Event) error {
		switch {
		case strings.HasPrefix(e.Name, "admin:"):
			return errors.Join(errors.New("not for you"), e.Ack("refused"))
		case e.Name == "doubled":
			e.Args = append(e.Args, e.Args...)
		}
		return nil
	})
	worker.OnAck0(io, "admin:stop", func(ctxt, socket) (string, error) { return "stopped", nil })
	worker.OnAck(io, "doubled", func(_ ctxt, _ socket, args worker.Args) (worker.Args, error) { return args, nil })
	io.OnConnect(func(_ ctxt, s socket) error {
		var in, out []string
		s.OnAny(func(_ ctxt, _ socket, e *worker.Event) error { in = append(in, e.Name); return nil })
		s.PrependAny(func(ctxt, socket, *worker.Event) error { in = append(in, "before"); return nil })
		s.OnAnyOutgoing(func(_ worker.Target, event string, _ []any) { out = append(out, event) })
		worker.OnAck0(s, "seen", func(ctxt, socket) (map[string][]string, error) {
			return map[string][]string{"in": in, "out": out}, nil
		})
		worker.OnAck0(worker.Once(s), "once", func(ctxt, socket) (string, error) { return "once", nil })
		count := 0
		var remove func()
		remove = worker.On0(s, "twice", func(_ ctxt, s socket) error {
			if count++; count == 2 {
				remove()
			}
			return s.Emit("counted", count)
		})
		return s.Emit("welcome")
	})
	worker.On(io, "message", func(_ ctxt, s socket, args worker.Args) error { return s.Send(args) })
	worker.OnAck(io, "join", func(ctx ctxt, s socket, room string) (bool, error) { return true, s.Join(ctx, room) })
	io.OnDisconnecting(func(ctx ctxt, s socket, reason string) {
		rooms, err := s.Rooms(ctx)
		told(io, "leaving", s.ID(), reason, rooms, err == nil)
	})
	io.OnDisconnect(func(_ ctxt, s socket, reason string) { told(io, "left", s.ID(), reason) })
}

// told tells the watchers. It fails only while NATS is away, and then there is nobody to tell.
func told(io *worker.Namespace, event string, args ...any) {
	_ = io.To(watchers).Emit(event, args...)
}

// registerFailures shows what becomes of handlers that fail, are slow, or whose client is gone.
func registerFailures(io *worker.Namespace) {
	worker.On0(io, "panic", func(ctxt, socket) error { panic("oh no") })
	worker.On(io, "number", func(_ ctxt, s socket, n int) error { return s.Emit("number", n) })
	io.OnError(func(_ ctxt, s socket, event string, err error) {
		kind := "other"
		var panicked *worker.PanicError
		var misfit *worker.ArgumentError
		switch {
		case errors.As(err, &panicked):
			kind = "panic"
		case errors.As(err, &misfit):
			kind = "argument"
		case errors.Is(err, worker.ErrQueueFull):
			kind = "queue full"
		case errors.Is(err, worker.ErrAttachments):
			kind = "attachments"
		}
		if s.Connected() {
			_ = s.Emit("failed", event, kind)
		}
		told(io, "failure", s.ID(), event, kind)
	})
	worker.On0(io, "slow", func(ctx ctxt, s socket) error { // until its client is gone
		if err := s.Emit("busy"); err != nil {
			return err
		}
		<-ctx.Done()
		told(io, "cancelled", s.ID(), errors.Is(context.Cause(ctx), worker.ErrDisconnected))
		return nil
	})
}

// registerEmits shows acknowledgements, of one and of many, options, and too much binary.
func registerEmits(io *worker.Namespace) {
	worker.OnAck2(io, "ask-all", func(ctx ctxt, s socket, room string, ms int) (any, error) {
		start := time.Now()
		answers, err := worker.AskAll[any](ctx, io.To(room).Timeout(time.Duration(ms)*time.Millisecond), "question", s.ID())
		var missing *worker.AckError
		if errors.As(err, &missing) {
			return map[string]any{"answers": answers, "missing": missing.Sockets}, nil
		}
		return map[string]any{"answers": answers, "early": time.Since(start) < time.Duration(ms)*time.Millisecond}, err
	})
	worker.OnAck2(io, "ask", func(ctx ctxt, s socket, ms int, args worker.Args) (any, error) {
		answer, err := s.Timeout(time.Duration(ms)*time.Millisecond).EmitAck(ctx, "question", args)
		return map[string]any{"answer": answer, "late": errors.Is(err, worker.ErrAckTimeout)}, nil
	})
	worker.OnAck(io, "options", func(_ ctxt, s socket, n int) (bool, error) {
		err := errors.Join(
			s.Compress(false).Emit("option", "plain", n),
			s.Compress(true).Volatile().Emit("option", "volatile", n),
			io.To(s.ID()).Compress(false).Emit("option", "to", n),
			s.Local().Except(s.ID()).Emit("option", "not for the sender"),
		)
		return true, err
	})
	worker.On(io, "buffers", func(_ ctxt, s socket, n int) error {
		list := make([][]byte, n)
		for i := range list {
			list[i] = []byte{byte(i)}
		}
		return s.Emit("buffers", list)
	})
}

// registerDynamic shows namespaces by pattern and by function, and emits to all of them.
func registerDynamic(w *worker.App, io *worker.Namespace) error {
	games, err := w.Pattern(`/game-\d+`)
	if err != nil {
		return err
	}
	games.OnConnect(func(_ ctxt, s socket) error { return s.Emit("welcome", s.Namespace().Name()) })
	worker.OnAck(games, "join", func(ctx ctxt, s socket, room string) (bool, error) { return true, s.Join(ctx, room) })
	tenants, err := w.PatternFunc(`/tenant-[a-z]+`, func(_ ctxt, name string, h *worker.Handshake) bool {
		var auth struct{ Tenant string }
		return h.Auth(&auth) == nil && name == "/tenant-"+auth.Tenant
	})
	if err != nil {
		return err
	}
	tenants.OnConnect(func(_ ctxt, s socket) error { return s.Emit("welcome", s.Namespace().Name()) })
	worker.OnAck(io, "to-games", func(_ ctxt, _ socket, text string) (bool, error) {
		return true, errors.Join(games.Emit("news", text), games.To("red").Emit("news", text+", red"), games.Child("/game-1").Emit("news", text+", one"))
	})
	return nil
}
