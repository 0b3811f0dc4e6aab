package gateway

import (
	"net/http"
	"slices"
	"strings"
)

// cors adds the headers that let a page of another origin read the answer, refusals included.
func (gw *Gateway) cors(h http.Header, r *http.Request) {
	allowed := gw.live().cors
	switch {
	case allowed == "":
		return
	case allowed == "*":
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if slices.Contains(strings.Split(allowed, ","), origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// preflight answers an OPTIONS request.
func preflight(rw http.ResponseWriter, r *http.Request) {
	h := rw.Header()
	h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
		h.Add("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Content-Length", "0")
	rw.WriteHeader(http.StatusNoContent)
}

// setCookie adds the session cookie to the response to a handshake, if there is to be one.
func (gw *Gateway) setCookie(h http.Header, sid string) {
	if gw.options.HTTP.Cookie == "" {
		return
	}
	cookie := http.Cookie{Name: gw.options.HTTP.Cookie, Value: sid, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	h.Add("Set-Cookie", cookie.String())
}

// serves reports whether a path is an Engine.IO endpoint. The slash at the end may be missing.
func (gw *Gateway) serves(path string) bool {
	own := gw.options.HTTP.Path
	return path == own || path+"/" == own || gw.echoes(path)
}

// echoes reports whether a path is that of the bare Engine.IO endpoint.
func (gw *Gateway) echoes(path string) bool {
	return gw.options.Engine.Echo && (path == echoPath || path+"/" == echoPath)
}
