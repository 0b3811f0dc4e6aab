// Command tour is a worker that shows each part of the SDK with an event of its own.
package main

import (
	"go.uber.org/zap"

	"patchbay/examples/run"
	"patchbay/examples/tour/app"
	"patchbay/worker"
)

func main() {
	run.Worker("tour", "A worker that shows each part of the SDK with an event of its own.", func(w *worker.App, _ *zap.Logger) error {
		return app.Register(w)
	})
}
