package worker

import (
	"context"
	"reflect"
	"sync"
	"sync/atomic"
)

// Listener is what events can be listened to on: a [Namespace], a [Parent] or one [Socket].
type Listener interface {
	OnEvent(event string, f EventHandler) (remove func())
}

// Once is a listener whose handlers are each called once at most: for the first of their events, and no more. On a namespace
// that is one event of one socket.
//
//	worker.On(worker.Once(s), "hello", func(ctx context.Context, s *worker.Socket, name string) error { … })
func Once(l Listener) Listener { return once{l} }

type once struct{ l Listener }

// OnEvent implements Listener.
func (o once) OnEvent(event string, f EventHandler) (remove func()) {
	var called atomic.Bool
	var registered sync.Mutex // until remove is known: the event may come before that
	registered.Lock()
	defer registered.Unlock()
	remove = o.l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		if called.Swap(true) {
			return nil
		}
		registered.Lock()
		off := remove
		registered.Unlock()
		off()
		return f(ctx, s, e)
	})
	return remove
}

// On adds a handler for an event with one argument. An argument that does not fit is told to
// the error handlers, and the handler is not run; arguments beyond are ignored. A parameter of type [Args] takes
// all that remain, one of type [Arg] takes its argument as it came.
func On[A any](l Listener, event string, f func(ctx context.Context, s *Socket, a A) error) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		a, err := argument[A](e.Args, 0)
		if err != nil {
			return err
		}
		return f(ctx, s, a)
	})
}

// On0 adds a handler for an event whose arguments do not matter.
func On0(l Listener, event string, f func(ctx context.Context, s *Socket) error) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		return f(ctx, s)
	})
}

// On2 is [On] for two arguments.
func On2[A, B any](l Listener, event string, f func(ctx context.Context, s *Socket, a A, b B) error) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		a, err := argument[A](e.Args, 0)
		if err != nil {
			return err
		}
		b, err := argument[B](e.Args, 1)
		if err != nil {
			return err
		}
		return f(ctx, s, a, b)
	})
}

// On3 is [On] for three arguments.
func On3[A, B, C any](l Listener, event string, f func(ctx context.Context, s *Socket, a A, b B, c C) error) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		a, err := argument[A](e.Args, 0)
		if err != nil {
			return err
		}
		b, err := argument[B](e.Args, 1)
		if err != nil {
			return err
		}
		c, err := argument[C](e.Args, 2)
		if err != nil {
			return err
		}
		return f(ctx, s, a, b, c)
	})
}

// OnAck adds a handler whose result acknowledges the event, if the client asks. [Values] and [Args]
// acknowledge with several arguments, or none. If the handler fails there is no acknowledgement.
func OnAck[A, R any](l Listener, event string, f func(ctx context.Context, s *Socket, a A) (R, error)) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		a, err := argument[A](e.Args, 0)
		if err != nil {
			return err
		}
		r, err := f(ctx, s, a)
		return e.result(r, err)
	})
}

// OnAck0 is [OnAck] for an event whose arguments do not matter.
func OnAck0[R any](l Listener, event string, f func(ctx context.Context, s *Socket) (R, error)) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		r, err := f(ctx, s)
		return e.result(r, err)
	})
}

// OnAck2 is [OnAck] for two arguments.
func OnAck2[A, B, R any](l Listener, event string, f func(ctx context.Context, s *Socket, a A, b B) (R, error)) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		a, err := argument[A](e.Args, 0)
		if err != nil {
			return err
		}
		b, err := argument[B](e.Args, 1)
		if err != nil {
			return err
		}
		r, err := f(ctx, s, a, b)
		return e.result(r, err)
	})
}

// OnAck3 is [OnAck] for three arguments.
func OnAck3[A, B, C, R any](l Listener, event string, f func(ctx context.Context, s *Socket, a A, b B, c C) (R, error)) (remove func()) {
	return l.OnEvent(event, func(ctx context.Context, s *Socket, e *Event) error {
		a, err := argument[A](e.Args, 0)
		if err != nil {
			return err
		}
		b, err := argument[B](e.Args, 1)
		if err != nil {
			return err
		}
		c, err := argument[C](e.Args, 2)
		if err != nil {
			return err
		}
		r, err := f(ctx, s, a, b, c)
		return e.result(r, err)
	})
}

// argument decodes the argument with an index into a handler's parameter.
func argument[T any](args Args, i int) (v T, err error) {
	switch p := any(&v).(type) {
	case *Args:
		*p = args[min(i, len(args)):]
		return v, nil
	case *Arg:
		if i < len(args) {
			*p = args[i]
		}
		return v, nil
	}
	if i >= len(args) {
		switch reflect.TypeFor[T]().Kind() {
		case reflect.Pointer, reflect.Interface:
			return v, nil
		}
		return v, &ArgumentError{Index: i, Err: ErrMissing}
	}
	if err := args[i].Decode(&v); err != nil {
		return v, &ArgumentError{Index: i, Err: err}
	}
	return v, nil
}

// result acknowledges with a handler's result, unless it failed.
func (e *Event) result(r any, err error) error {
	if err != nil || e.reply == "" {
		return err
	}
	return e.Ack(r)
}
