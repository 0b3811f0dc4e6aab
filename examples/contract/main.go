// Command contract is a worker of the application that the tests, conformance suites and load generators talk to.
package main

import (
	"go.uber.org/zap"

	"patchbay/examples/contract/app"
	"patchbay/examples/run"
	"patchbay/worker"
)

func main() {
	run.Worker("contract", "A worker of the application that tests and load generators talk to.", func(w *worker.App, _ *zap.Logger) error {
		return app.Register(w)
	})
}
