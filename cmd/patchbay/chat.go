package main

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"patchbay/backplane"
	"patchbay/examples/chat/app"
	"patchbay/internal/ops"
	"patchbay/worker"
)

// openChat starts a worker of the chat example.
func openChat(ctx context.Context, server *backplane.Server, tracer trace.TracerProvider, p ops.Process) (*worker.App, error) {
	w, err := worker.New(worker.Options{
		Backplane: backplane.Options{Server: server},
		Log:       p.Log,
		Metrics:   p.Metrics,
		Tracer:    tracer,
	})
	if err != nil {
		return nil, err
	}
	app.Register(w, p.Log)
	if err := w.Start(ctx); err != nil {
		return nil, err
	}
	return w, nil
}
