package main

import (
	"context"

	"go.uber.org/zap"

	"patchbay/internal/ops"
	"patchbay/router"
)

type routerCommand struct {
	Router router.Options `embed:""`
	Ops    ops.Options    `embed:"" set:"internal=127.0.0.1:9101"`
}

// Run runs a router until ctx ends. kong calls it.
func (c *routerCommand) Run(ctx context.Context, log *zap.Logger) error {
	return ops.Run(ctx, c.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) {
		return openRouter(ctx, c.Router, p)
	})
}

func openRouter(ctx context.Context, o router.Options, p ops.Process) (*router.Router, error) {
	o.Log, o.Metrics = p.Log, p.Metrics
	o.Backplane.Log, o.Backplane.Metrics = p.Log, p.Metrics
	return router.Open(ctx, o)
}
