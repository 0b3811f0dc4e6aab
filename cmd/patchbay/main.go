// Command patchbay runs the parts of Patchbay, one per subcommand, or all of them at once
// (patchbay demo). patchbay --help lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"patchbay/backplane"
	"patchbay/internal/ops"
	"patchbay/loadtest/report"
)

// servers are the subcommands that messages wake all the time.
var servers = []string{"demo", "gateway", "router", "nats"}

func main() {
	if slices.ContainsFunc(os.Args[1:], func(word string) bool { return slices.Contains(servers, word) }) {
		backplane.QuietMonitor()
	}
	ctx, stop := ops.Interruptible(context.Background())
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "patchbay:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode tells a load test that missed its objectives from one that could not be run.
func exitCode(err error) int {
	if errors.Is(err, report.ErrMissed) {
		return 3
	}
	return 1
}

func run(ctx context.Context, args []string) error {
	if done, err := completes(os.Stdout, args); done {
		return err
	}
	c := &cli{}
	command, err := c.parse(args)
	if err != nil {
		return err
	}
	level, err := ops.ParseLevel(c.LogLevel)
	if err != nil {
		return err
	}
	return command(ctx, ops.NewLogAt(level), &again{args: args, level: level})
}
