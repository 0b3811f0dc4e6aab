// Package page serves the browser's side of an example: plain HTML, CSS and JavaScript, without a build step. The client is
// the stock Socket.IO bundle that the gateway serves; look.css and wire.js are shared by all examples.
package page

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed static
var shared embed.FS

// policy lets the page load and call nothing but its own origin, and keeps it out of frames. Even
// text that slipped through unescaped could not run as a script.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves what is in the directory "static" of files at /, and the shared files beside it. It may be used from
// any goroutine.
func Handler(files fs.FS) http.Handler {
	own, common := http.FileServerFS(static(files)), static(shared)
	rest := http.FileServerFS(common)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("Cache-Control", "no-cache")
		if len(r.URL.Path) > 1 {
			if _, err := fs.Stat(common, r.URL.Path[1:]); err == nil {
				rest.ServeHTTP(w, r)
				return
			}
		}
		own.ServeHTTP(w, r)
	})
}

func static(files fs.FS) fs.FS {
	sub, err := fs.Sub(files, "static")
	if err != nil {
		panic("page: " + err.Error()) // the name is a valid one
	}
	return sub
}
