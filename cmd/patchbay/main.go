// Command patchbay runs the parts of Patchbay, one per subcommand, or all of them at once
// (patchbay demo). patchbay --help lists them.
package main

import (
	"context"
	"fmt"
	"os"

	"patchbay/internal/ops"
)

func main() {
	ctx, stop := ops.Interruptible(context.Background())
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "patchbay:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	c := &cli{}
	command, err := c.parse(args)
	if err != nil {
		return err
	}
	log, err := ops.NewLog(c.LogLevel)
	if err != nil {
		return err
	}
	return command(ctx, log)
}
