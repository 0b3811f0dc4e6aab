// Command paint is a small game for several players: whoever walks over a field owns it.
//
//	go run ./examples/paint
package main

import (
	"embed"

	"patchbay/examples/paint/app"
	"patchbay/examples/run"
)

//go:embed static
var files embed.FS

func main() {
	run.Whole("paint", "A small game: whoever walks over a field owns it.", files, app.Register)
}
