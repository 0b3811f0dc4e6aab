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
	Embed   embedOptions    `embed:""`
	Ops     ops.Options     `embed:"" set:"internal=127.0.0.1:9201"`
}

// Run runs a gateway until ctx ends. kong calls it.
func (c *gatewayCommand) Run(ctx context.Context, log *zap.Logger, a *again) error {
	return underServer(ctx, func(ctx context.Context, ended func()) error {
		return ops.Run(ctx, c.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) { return c.open(ctx, p, a, ended) })
	})
}

// open opens the gateway, upon a NATS server of its own if it is to have one, of whose end ended is told.
func (c *gatewayCommand) open(ctx context.Context, p ops.Process, a *again, ended func()) (part ops.Part, err error) {
	var all stack
	defer func() {
		if err != nil {
			err = errors.Join(err, all.Stop(context.WithoutCancel(ctx)))
		}
	}()
	o := c.Gateway
	t, err := openTracing(ctx, &o, "patchbay-gateway", p)
	if err != nil {
		return nil, err
	}
	all = append(all, t)
	var nats natsPart
	if c.Embed.On {
		if nats, err = c.Embed.start(ctx, &o, p, ended); err != nil {
			return nil, err
		}
		all = append(all, nats)
	}
	g, err := openGateway(ctx, o, p)
	if err != nil {
		return nil, err
	}
	all = append(all, gatewayPart{g, a, func(c *cli) gateway.Options { return c.Gateway.Gateway }})
	if c.Embed.On {
		return embedded{all, nats}, nil
	}
	return all, nil
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
