// Package page is the browser's side of the chat example: one page of plain HTML, CSS and
// JavaScript, without a build step. Its client is the stock Socket.IO bundle that the gateway
// serves.
package page

import (
	"embed"
	"net/http"

	"patchbay/examples/page"
)

//go:embed static
var files embed.FS

// Handler serves the page at / and its files beside it. It may be used from any goroutine.
func Handler() http.Handler { return page.Handler(files) }
