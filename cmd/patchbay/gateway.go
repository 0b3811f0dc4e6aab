package main

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"patchbay/gateway"
	"patchbay/internal/ops"
)

type gatewayCommand struct {
	Gateway gateway.Options `embed:""`
	Ops     ops.Options     `embed:"" set:"internal=127.0.0.1:9201"`
}

// Run runs a gateway until ctx ends. kong calls it.
func (c *gatewayCommand) Run(ctx context.Context, log *zap.Logger, a *again) error {
	return ops.Run(ctx, c.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) {
		o := c.Gateway
		t, err := openTracing(ctx, &o, "patchbay-gateway", p)
		if err != nil {
			return nil, err
		}
		g, err := openGateway(ctx, o, p)
		if err != nil {
			return nil, errors.Join(err, t.Stop(context.WithoutCancel(ctx)))
		}
		return stack{t, gatewayPart{g, a, func(c *cli) gateway.Options { return c.Gateway.Gateway }}}, nil
	})
}

// gatewayPart is a gateway whose settings can be read again.
type gatewayPart struct {
	*gateway.Gateway
	again   *again
	options func(*cli) gateway.Options
}

// Reload implements ops.Reloader.
func (p gatewayPart) Reload(ctx context.Context) error {
	return p.again.reload(func(c *cli) error { return p.Reconfigure(ctx, p.options(c)) })
}

func openGateway(ctx context.Context, o gateway.Options, p ops.Process) (*gateway.Gateway, error) {
	o.Log, o.Metrics = p.Log, p.Metrics
	o.Backplane.Log, o.Backplane.Metrics = p.Log, p.Metrics
	return gateway.Open(ctx, o)
}
