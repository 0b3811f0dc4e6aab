// Command notifications shows what other programs tell people: each person by name, topics, or everybody. Its sender is
// examples/notify.
//
//	go run ./examples/notifications
package main

import (
	"embed"

	"patchbay/examples/notifications/app"
	"patchbay/examples/run"
)

//go:embed static
var files embed.FS

func main() {
	run.Whole("notifications", "What other programs tell people, by name or topic.", files, app.Register)
}
