// Command presence shows who is online: each person once, however many tabs they have.
//
//	go run ./examples/presence
package main

import (
	"embed"

	"patchbay/examples/presence/app"
	"patchbay/examples/run"
)

//go:embed static
var files embed.FS

func main() {
	run.Whole("presence", "Who is online: each person once, however many tabs they have.", files, app.Register)
}
