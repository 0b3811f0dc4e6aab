package cluster

import (
	"context"

	"patchbay/backplane"
	"patchbay/examples/contract/app"
	"patchbay/worker"
)

// Contract is an App: a worker with the contract app.
func Contract(ctx context.Context, o backplane.Options) (Part, error) {
	w, err := worker.New(worker.Options{Backplane: o, Log: o.Log})
	if err != nil {
		return nil, err
	}
	if err := app.Register(w); err != nil {
		return nil, err
	}
	return w, w.Start(ctx)
}
