// Command contract runs the contract app: behaviour that tests, clients and load generators can all be pointed at.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"patchbay/examples/contract/app"
	"patchbay/internal/ops"
	"patchbay/worker"
)

type flags struct {
	LogLevel string         `name:"log-level" default:"info" help:"debug, info, warn or error."`
	Worker   worker.Options `embed:""`
	Ops      ops.Options    `embed:""`
}

func main() {
	var f flags
	kong.Parse(&f, kong.Description("The contract app, as one worker."), kong.Vars{"internal": "127.0.0.1:9301"})
	ctx, stop := ops.Interruptible(context.Background())
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "contract:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags) error {
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
		if err := app.Register(w); err != nil {
			return nil, err
		}
		return w, w.Start(ctx)
	})
}
