// Package run is the main program that the example workers share: flags, logs, the internal listener and a
// graceful stop around an application.
package run

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/internal/ops"
	"patchbay/internal/tracing"
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
	backplane.QuietMonitor()
	var f flags
	kong.Parse(&f, kong.Name(name), kong.Description(description), kong.PostBuild(ops.NameEnvironment),
		kong.Vars{"internal": "127.0.0.1:9301", "version": ops.Version(name)})
	ctx, stop := ops.Interruptible(context.Background())
	err := f.run(ctx, name, register)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

func (f *flags) run(ctx context.Context, name string, register func(*worker.App, *zap.Logger) error) error {
	log, err := ops.NewLog(f.LogLevel)
	if err != nil {
		return err
	}
	return ops.Run(ctx, f.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) {
		t, err := openTracing(ctx, name, p)
		if err != nil {
			return nil, err
		}
		f.Worker.Log, f.Worker.Metrics, f.Worker.Tracer = p.Log, p.Metrics, t.Provider()
		w, err := worker.New(f.Worker)
		if err == nil {
			err = register(w, p.Log)
		}
		if err == nil {
			err = w.Start(ctx)
		}
		if err != nil {
			return nil, errors.Join(err, t.Stop(context.WithoutCancel(ctx)))
		}
		return traced{w, t}, nil
	})
}

// openTracing begins to send spans if the environment says where to; else it returns nil.
func openTracing(ctx context.Context, name string, p ops.Process) (*tracing.Tracing, error) {
	if !tracing.Wanted(os.LookupEnv) {
		return nil, nil
	}
	return tracing.Open(ctx, tracing.Options{Service: name, Lookup: os.LookupEnv, Log: p.Log, Metrics: p.Metrics})
}

// traced is a part whose last spans are sent when it has stopped.
type traced struct {
	ops.Part
	tracing *tracing.Tracing
}

// Stop implements ops.Part.
func (t traced) Stop(ctx context.Context) error {
	return errors.Join(t.Part.Stop(ctx), t.tracing.Stop(ctx))
}
