package status

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"patchbay/backplane"
	"patchbay/router"
)

// Bounds of what the page asks for.
const (
	pageSize       = 50              // entries of a list
	maxBody        = 4 << 10         // bytes of a POST: a socket id
	maxName        = 4 << 10         // bytes of a name that is looked for
	requestTimeout = 3 * time.Second // of everything
)

// Header is what a POST must bear. A page of another origin cannot set it without asking first, and is refused then.
const Header = "Patchbay-Status"

// Path is where the page expects to be mounted.
const Path = "/status/"

// policy lets the page load its own three files and ask its own server, and nothing else; nobody may frame it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

//go:embed page
var files embed.FS

// Options are those of the page. The zero value shows everything and disconnects sockets on request.
type Options struct {
	ReadOnly bool     `name:"status-read-only" help:"The status page shows sockets and disconnects none."`
	Hosts    []string `name:"status-hosts" placeholder:"NAME" help:"Names under which the status page may be asked for, besides addresses, localhost and names without a dot or of a cluster's inside (.cluster.local, .internal, .svc), comma-separated."`
}

// page serves the page and what it asks for.
type page struct {
	source  Source
	board   board
	options Options
}

// Handler serves the page of a router under Path. It has no goroutine of its own.
func Handler(source Source, o Options) http.Handler {
	p := &page{source: source, board: board{source: source}, options: o}
	mux := http.NewServeMux()
	static, err := fs.Sub(files, "page")
	if err != nil {
		panic("status: the page is not in the program: " + err.Error())
	}
	mux.Handle("GET "+Path, http.StripPrefix(Path, http.FileServerFS(static)))
	mux.HandleFunc("GET "+Path+"api/overview", p.overview)
	mux.HandleFunc("GET "+Path+"api/find", p.find)
	mux.HandleFunc("GET "+Path+"api/sockets", p.sockets)
	mux.HandleFunc("GET "+Path+"api/rooms", p.rooms)
	mux.HandleFunc("GET "+Path+"api/socket", p.socket)
	mux.Handle("POST "+Path+"api/disconnect", http.NewCrossOriginProtection().Handler(http.HandlerFunc(p.disconnect)))
	return p.guard(mux)
}

// guard sets the headers of every answer, and refuses names that may be somebody else's: a page elsewhere whose name
// is made to lead here would be of this origin for its browser.
func (p *page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !p.trusts(r.Host) {
			fail(w, http.StatusMisdirectedRequest, "unknown host name: give it with --status-hosts")
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// trusts reports whether a host is one that nobody outside can have given a name to.
func (p *page) trusts(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if net.ParseIP(host) != nil || !strings.Contains(host, ".") {
		return true
	}
	for _, inside := range []string{".localhost", ".cluster.local", ".internal", ".svc"} {
		if strings.HasSuffix(host, inside) {
			return true
		}
	}
	return slices.ContainsFunc(p.options.Hosts, func(name string) bool { return strings.EqualFold(name, host) })
}

func (p *page) overview(w http.ResponseWriter, r *http.Request) {
	o, err := p.board.overview(r.Context())
	o.ReadOnly = p.options.ReadOnly
	answer(w, o, err)
}

func (p *page) find(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("name")
	if len(name) > maxName {
		fail(w, http.StatusBadRequest, "the name is too long")
		return
	}
	f, err := p.source.Find(r.Context(), name)
	if f.Socket != nil {
		f.Socket.Data = nil // see socket
	}
	answer(w, f, err)
}

// sockets lists a page of a room's sockets, or of a namespace's.
func (p *page) sockets(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	q := backplane.Query{Op: backplane.QuerySockets, Namespace: values.Get("nsp"), After: values.Get("after"), Limit: pageSize}
	if values.Has("room") {
		room := values.Get("room")
		q.Room = &room
	}
	a, err := p.source.Query(r.Context(), &q)
	if err == nil && a.Error != "" {
		fail(w, http.StatusBadRequest, a.Error)
		return
	}
	for i := range a.Sockets {
		one := &a.Sockets[i]
		one.Data, one.Rooms = nil, nil // a page of them could be megabytes
	}
	answer(w, &a, err)
}

// rooms lists a page of a namespace's rooms, by name.
func (p *page) rooms(w http.ResponseWriter, r *http.Request) {
	values := r.URL.Query()
	a, err := p.source.Query(r.Context(), &backplane.Query{
		Op: backplane.QueryRooms, Namespace: values.Get("nsp"), After: values.Get("after"), Limit: pageSize,
	})
	answer(w, &a, err)
}

// detail is one socket: what the index has, and what its gateway says.
type detail struct {
	Socket *router.Socket  `json:"socket"` // nil if the index does not have it
	Link   *backplane.Link `json:"link,omitempty"`
	// Why says why there is no link.
	Why string `json:"why,omitempty"`
}

func (p *page) socket(w http.ResponseWriter, r *http.Request) {
	f, err := p.source.Find(r.Context(), r.URL.Query().Get("id"))
	d := detail{Socket: f.Socket}
	if err != nil || f.Socket == nil {
		answer(w, &d, err)
		return
	}
	reply, err := p.source.SocketStatus(r.Context(), f.Socket.ID)
	if d.Link = reply.Link; err != nil {
		d.Why = why(err)
	}
	answer(w, &d, nil)
}

// order is a disconnection that is asked for.
type order struct {
	Socket  string `json:"socket"`
	Session bool   `json:"session"` // the whole session
}

func (p *page) disconnect(w http.ResponseWriter, r *http.Request) {
	var o order
	switch err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&o); {
	case p.options.ReadOnly:
		fail(w, http.StatusForbidden, "this page is read-only (--status-read-only)")
		return
	case r.Header.Get(Header) == "":
		fail(w, http.StatusForbidden, "the request does not come from the page")
		return
	case err != nil || o.Socket == "":
		fail(w, http.StatusBadRequest, "no socket is named")
		return
	}
	switch err := p.source.Disconnect(r.Context(), o.Socket, o.Session); {
	case err == nil:
		answer(w, map[string]bool{"disconnected": true}, nil)
	case errors.Is(err, router.ErrNoSocket), errors.Is(err, backplane.ErrNoResponders):
		fail(w, http.StatusNotFound, why(err))
	default:
		fail(w, http.StatusBadGateway, why(err))
	}
}

// why is an error in words for whoever looks.
func why(err error) string {
	switch {
	case errors.Is(err, router.ErrNoSocket):
		return "its gateway does not have it any more"
	case errors.Is(err, backplane.ErrNoResponders):
		return "no gateway answers for it"
	case errors.Is(err, context.DeadlineExceeded):
		return "its gateway does not answer"
	}
	return err.Error()
}

// answer sends a value, or what went wrong.
func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// An error means that the peer has gone.
	_ = json.NewEncoder(w).Encode(v)
}

func fail(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text})
}
