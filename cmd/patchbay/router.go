package main

import (
	"context"
	"net/http"

	"go.uber.org/zap"

	"patchbay/internal/ops"
	"patchbay/router"
	"patchbay/router/status"
)

type routerCommand struct {
	Router router.Options `embed:""`
	Status status.Options `embed:""`
	Ops    ops.Options    `embed:"" set:"internal=127.0.0.1:9101"`
}

// Run runs a router until ctx ends. kong calls it.
func (c *routerCommand) Run(ctx context.Context, log *zap.Logger, a *again) error {
	return ops.Run(ctx, c.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) {
		r, err := openRouter(ctx, c.Router, c.Status, p)
		return routerPart{r, a}, err
	})
}

// routerPart is a router whose log level can change.
type routerPart struct {
	*router.Router
	again *again
}

// Reload implements ops.Reloader.
func (p routerPart) Reload(context.Context) error { return p.again.reload(nil) }

// openRouter opens a router, with its status page on the internal listener if there is one.
func openRouter(ctx context.Context, o router.Options, page status.Options, p ops.Process) (*router.Router, error) {
	o.Log, o.Metrics = p.Log, p.Metrics
	o.Backplane.Log, o.Backplane.Metrics = p.Log, p.Metrics
	r, err := router.Open(ctx, o)
	if err == nil && p.Internal != nil {
		p.Internal.Handle(status.Path, status.Handler(r, page))
		p.Internal.Handle("GET /{$}", http.RedirectHandler(status.Path, http.StatusSeeOther))
	}
	return r, err
}
