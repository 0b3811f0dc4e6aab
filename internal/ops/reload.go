package ops

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
)

// reloader is a part that can read some of its settings again.
type reloader interface {
	Reload(ctx context.Context) error
}

// onHangup reloads a part at each SIGHUP, until ctx ends. Parts that cannot reload are left alone, and the process with
// them: the signal would end it.
func onHangup(ctx context.Context, part Part, log *zap.Logger) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		}
		can, ok := part.(reloader)
		if !ok {
			log.Warn("nothing can be reloaded here")
			continue
		}
		if err := can.Reload(ctx); err != nil {
			log.Error("cannot reload all; what failed stays as it was", zap.Error(err))
			continue
		}
		log.Info("reloaded")
	}
}
