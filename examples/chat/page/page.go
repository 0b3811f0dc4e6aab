// Package page is the browser's side of the chat example: one page of plain HTML, CSS and
// JavaScript, without a build step. Its client is the stock Socket.IO bundle that the gateway
// serves.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed static
var files embed.FS

// policy lets the page load and call nothing but its own origin, and keeps it out of frames. Even
// text that slipped through unescaped could not run as a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves the page at / and its files beside it. It may be used from any goroutine.
func Handler() http.Handler {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic("page: " + err.Error()) // the directory is embedded above
	}
	server := http.FileServerFS(static)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		server.ServeHTTP(w, r)
	})
}
