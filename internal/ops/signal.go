package ops

import (
	"context"
	"os/signal"
	"syscall"
)

// Interruptible returns a context that ends at the next SIGINT or SIGTERM. From then on
// signals have their default effect, so that another one kills a process that is slow to
// stop. The function returned releases what the context holds.
func Interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}
