// Command chat is the chat example's worker: run any number of them. The page that goes with it is in page/.
package main

import (
	"go.uber.org/zap"

	"patchbay/examples/chat/app"
	"patchbay/examples/run"
	"patchbay/worker"
)

func main() {
	run.Worker("chat", "The chat example's worker.", func(w *worker.App, log *zap.Logger) error {
		app.Register(w, log)
		return nil
	})
}
