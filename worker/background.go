package worker

import (
	"context"
	"runtime/debug"

	"go.uber.org/zap"
)

// OnStart has f run beside the handlers, on a goroutine of its own, from the worker's start on, or from now on if it runs already: for
// what is not about one socket, such as a [Watch]. ctx ends when the worker has stopped to serve; Stop waits for f. A panic
// in f is logged.
func (a *App) OnStart(f func(ctx context.Context)) {
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	if a.conn.Load() != nil {
		a.background(f)
		return
	}
	a.run.first = append(a.run.first, f)
}

// background runs f on a goroutine that Stop waits for.
func (a *App) background(f func(ctx context.Context)) {
	a.extra.run(func() {
		defer func() {
			if v := recover(); v != nil {
				a.metrics.panics.Inc()
				a.options.Log.Error("background work panicked", zap.Error(&PanicError{Value: v, Stack: debug.Stack()}))
			}
		}()
		f(a.run.ctx)
	})
}
