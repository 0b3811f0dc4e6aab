// Package run is the main program that the example workers share: flags, logs, the internal listener and a
// graceful stop around an application.
package run

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"patchbay/internal/ops"
	"patchbay/worker"
)

// flags are an example's.
type flags struct {
	Version  kong.VersionFlag `name:"version" help:"Print the version and leave."`
	LogLevel string           `name:"log-level" default:"info" help:"debug, info, warn or error."`
	Worker   worker.Options   `embed:""`
	Ops      ops.Options      `embed:""`
}

// Worker runs an application as a worker until the process is told to stop, and ends the process. register
// adds the application's handlers.
func Worker(name, description string, register func(*worker.App, *zap.Logger) error) {
	var f flags
	kong.Parse(&f, kong.Name(name), kong.Description(description), kong.PostBuild(ops.NameEnvironment),
		kong.Vars{"internal": "127.0.0.1:9301", "version": ops.Version(name)})
	ctx, stop := ops.Interruptible(context.Background())
	err := f.run(ctx, register)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func (f *flags) run(ctx context.Context, register func(*worker.App, *zap.Logger) error) error {
	log, err := ops.NewLog(f.LogLevel)
	if err != nil {
		return err
	}
	return ops.Run(ctx, f.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) {
		f.Worker.Log, f.Worker.Metrics = p.Log, p.Metrics
		w, err := worker.New(f.Worker)
		if err != nil {
			return nil, err
		}
		if err := register(w, p.Log); err != nil {
			return nil, err
		}
		return w, w.Start(ctx)
	})
}
