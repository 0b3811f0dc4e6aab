// Command chat is the chat example's worker: run any number of them. The page that goes with it is in page/.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"patchbay/examples/chat/app"
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
	kong.Parse(&f, kong.Description("The chat example's worker."), kong.Vars{"internal": "127.0.0.1:9301"})
	ctx, stop := ops.Interruptible(context.Background())
	err := run(ctx, f)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chat:", err)
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
		app.Register(w, p.Log)
		return w, w.Start(ctx)
	})
}
