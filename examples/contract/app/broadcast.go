package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"patchbay/worker"
)

// What one event may make the server do. The app is for tests; whoever runs it should not be
// brought down by it all the same.
const (
	maxBurst   = 1_000_000
	maxBuffers = 16 << 20 // bytes
)

// registerBroadcasts: in each, the event's remaining arguments are those of the emit.
func registerBroadcasts(io *worker.Handlers) {
	type (
		ctxt   = context.Context
		socket = *worker.Socket
		args   = worker.Args
		none   = worker.Values
	)
	worker.OnAck3(io, "to-room", func(_ ctxt, s socket, to rooms, event string, a args) (none, error) {
		return done(s.To(to...).Emit(event, a))
	})
	worker.OnAck3(io, "in-room", func(_ ctxt, s socket, to rooms, event string, a args) (none, error) {
		return done(s.Namespace().To(to...).Emit(event, a))
	})
	worker.OnAck3(io, "to-room-except", func(_ ctxt, s socket, to, except rooms, a args) (none, error) {
		event, a, err := cutName(a)
		if err != nil {
			return nil, err
		}
		return done(s.Namespace().To(to...).Except(except...).Emit(event, a))
	})
	worker.OnAck2(io, "broadcast", func(_ ctxt, s socket, event string, a args) (none, error) {
		return done(s.Broadcast().Emit(event, a))
	})
	worker.OnAck2(io, "broadcast-all", func(_ ctxt, s socket, event string, a args) (none, error) {
		return done(s.Namespace().Emit(event, a))
	})
	worker.OnAck2(io, "broadcast-local", func(_ ctxt, s socket, event string, a args) (none, error) {
		return done(s.Namespace().Local(s.Node()).Emit(event, a))
	})
	worker.OnAck3(io, "broadcast-except", func(_ ctxt, s socket, except rooms, event string, a args) (none, error) {
		return done(s.Namespace().Except(except...).Emit(event, a))
	})
	worker.OnAck3(io, "broadcast-with-ack", func(ctx ctxt, s socket, to rooms, ms float64, a args) (any, error) {
		event, a, err := cutName(a)
		if err != nil {
			return nil, err
		}
		answers, err := worker.AskAll[worker.Arg](ctx, s.Namespace().To(to...).Timeout(milliseconds(ms)), event, a)
		late := errors.Is(err, worker.ErrAckTimeout)
		if late {
			err = nil
		}
		return map[string]any{"error": late, "responses": answers}, err
	})
}

// cutName takes an event's name from the front of arguments.
func cutName(a worker.Args) (event string, rest worker.Args, err error) {
	if err := a.Decode(&event); err != nil {
		return "", nil, err
	}
	return event, a[1:], nil
}

func milliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

func registerBursts(io *worker.Handlers) {
	worker.OnAck3(io, "room-burst", func(_ context.Context, s *worker.Socket, room, event string, count int) (worker.Values, error) {
		to := s.Namespace().To(room)
		return done(times(count, func(i int) error { return to.Emit(event, i) }))
	})
	worker.OnAck3(io, "burst", func(_ context.Context, s *worker.Socket, event string, count int, size *int) (worker.Values, error) {
		if size == nil || *size <= 0 {
			return done(times(count, func(i int) error { return s.Emit(event, i) }))
		}
		text := filler(size)
		return done(times(count, func(i int) error { return s.Emit(event, i, text) }))
	})
	worker.OnAck3(io, "volatile-burst", func(_ context.Context, s *worker.Socket, event string, count int, size *int) (worker.Values, error) {
		text := filler(size)
		volatile := s.Volatile()
		if err := times(count, func(i int) error { return volatile.Emit(event, i, text) }); err != nil {
			return nil, err
		}
		return done(s.Emit(event+"-end", count))
	})
	worker.On(io, "binary", binary)
	worker.OnAck3(io, "server-emit-with-ack", func(ctx context.Context, s *worker.Socket, ms float64, event string, a worker.Args) (any, error) {
		answer, err := s.Timeout(milliseconds(ms)).EmitAck(ctx, event, a)
		if err != nil {
			return map[string]any{"error": true}, nil
		}
		return map[string]any{"values": answer}, nil
	})
}

func times(count int, f func(i int) error) error {
	for i := range min(count, maxBurst) {
		if err := f(i); err != nil {
			return err
		}
	}
	return nil
}

func filler(size *int) string {
	if size == nil {
		return ""
	}
	return strings.Repeat("x", max(0, min(*size, maxBuffers)))
}

// binary emits buffers in several places of one argument.
func binary(_ context.Context, s *worker.Socket, sizes []int) error {
	list := make([][]byte, len(sizes))
	left := maxBuffers
	for i, size := range sizes {
		list[i] = make([]byte, max(0, min(size, left)))
		left -= len(list[i])
		for j := range list[i] {
			list[i][j] = byte(i)
		}
	}
	var first, last []byte // null if there is none
	if len(list) > 0 {
		first, last = list[0], list[len(list)-1]
	}
	type deep struct {
		Last []byte `json:"last"`
	}
	return s.Emit("binary-back", map[string]any{
		"list":   list,
		"first":  first,
		"nested": map[string]any{"deep": []deep{{last}}},
	}, len(list))
}
