package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"patchbay/protocol/engineio"
)

// httpIdle is how long a keep-alive connection may be idle between requests.
const httpIdle = 75 * time.Second

// lendQueue is how many connections may wait for net/http to take them.
const lendQueue = 1024

// errLent is what Accept returns when the gateway stops.
var errLent = net.ErrClosed

// web is the net/http side of the public listener: polling, the client bundles, errors, pages. It
// serves the connections that the loops lend to it.
type web struct {
	gw      *Gateway
	server  *http.Server
	lent    chan net.Conn
	stopped chan struct{} // closed when no more are taken
	stop    sync.Once
	done    chan struct{} // closed when Serve has returned
	posting sync.Map      // sessionKey → struct{}: POSTs whose bodies are being read
	log     *zap.Logger
}

func newWeb(gw *Gateway) *web {
	w := &web{
		gw: gw, lent: make(chan net.Conn, lendQueue), stopped: make(chan struct{}),
		done: make(chan struct{}), log: gw.log,
	}
	w.server = &http.Server{
		Handler:           w,
		ReadHeaderTimeout: gw.options.Limits.HeaderTimeout,
		IdleTimeout:       httpIdle,
		MaxHeaderBytes:    gw.options.Limits.HeaderBytes,
		ErrorLog:          zap.NewStdLog(gw.log.Named("http")),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
	}
	return w
}

// connKey is the context key of a request's connection.
type connKey struct{}

// run serves until shutdown.
func (w *web) run() {
	defer close(w.done)
	if err := w.server.Serve(w); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, errLent) {
		w.log.Error("http server failed", zap.Error(err))
	}
}

// lend gives a connection to net/http, from a loop.
func (w *web) lend(c *lentConn) {
	select {
	case w.lent <- c:
	default:
		w.log.Warn("connection dropped: net/http does not keep up")
		c.Close()
	}
}

// returned counts a lent connection that is closed.
func (w *web) returned(c *lentConn) {
	if c.closed.CompareAndSwap(false, true) {
		w.gw.listener.closed(c.peer.seat)
	}
}

// Accept implements net.Listener.
func (w *web) Accept() (net.Conn, error) {
	select {
	case c := <-w.lent:
		return c, nil
	case <-w.stopped:
		return nil, errLent
	}
}

// Close implements net.Listener.
func (w *web) Close() error {
	w.stop.Do(func() { close(w.stopped) })
	return nil
}

// Addr implements net.Listener.
func (w *web) Addr() net.Addr { return w.gw.Addr() }

// shutdownTimeout is how long requests may take to end when the gateway stops.
const shutdownTimeout = 3 * time.Second

// shutdown waits for requests to end, and closes what is left when ctx or the time for that ends.
func (w *web) shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil {
		w.server.Close()
	}
	<-w.done
	for {
		select {
		case c := <-w.lent:
			c.Close()
		default:
			return
		}
	}
}

// ServeHTTP implements http.Handler.
func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	gw := w.gw
	setWriteDeadline(rw) // for what is not a poll; those set it again when there is something to write
	if len(r.TransferEncoding) > 0 {
		// It may have come with a Content-Length as well, by which a proxy before us has taken something else for the next request: nothing
		// more is read from this connection (RFC 9112, section 6.1). Stock clients do not send chunks.
		rw.Header().Set("Connection", "close")
	}
	switch {
	case gw.serves(r.URL.Path):
		w.engine(rw, r, gw.echoes(r.URL.Path))
	case strings.HasPrefix(r.URL.Path, gw.options.HTTP.Path):
		gw.bundles.serve(rw, r, strings.TrimPrefix(r.URL.Path, gw.options.HTTP.Path))
	case gw.options.HTTP.Page != nil:
		gw.options.HTTP.Page.ServeHTTP(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

// engine serves an Engine.IO request. The checks come in the reference's order:
// transport, session id, method, version.
func (w *web) engine(rw http.ResponseWriter, r *http.Request, echo bool) {
	w.gw.cors(rw.Header(), r)
	if r.Method == http.MethodOptions {
		preflight(rw, r)
		return
	}
	if !w.gw.live().door.admits(r.Header) {
		w.refuse(rw, engineio.Forbidden)
		return
	}
	if isUpgrade(r) {
		w.upgrade(rw, r, echo)
		return
	}
	query := r.URL.Query()
	transport := query.Get("transport")
	flags, served := w.gw.dialect(query)
	if echo {
		flags |= flagEcho
	}
	switch {
	case transport != "polling" && transport != "websocket":
		w.refuse(rw, engineio.UnknownTransport)
	case query.Get("sid") != "":
		w.serve(rw, r, query.Get("sid"), transport)
	case r.Method != http.MethodGet:
		w.refuse(rw, engineio.BadHandshakeMethod)
	case transport == "websocket":
		w.refuse(rw, engineio.BadRequest)
	case !served:
		w.refuse(rw, engineio.UnsupportedProtocol)
	case w.gw.closed():
		rw.Header().Set("Connection", "close") // the next attempt is to go elsewhere
		http.Error(rw, ErrDraining.Error(), http.StatusServiceUnavailable)
	default:
		h := withHost(r)
		address, secure := w.gw.live().door.source(remoteIP(r), isSecure(r), h)
		place, ok := w.gw.enter(address)
		if !ok {
			rw.Header().Set("Retry-After", "1")
			http.Error(rw, "too many connections", http.StatusServiceUnavailable)
			return
		}
		handshake := encodeHandshake(h, r.URL, address, secure)
		answer, ok := w.ask(r.Context(), w.gw.nextLoop(), &request{kind: requestOpen, handshake: handshake, place: place, flags: flags})
		if ok {
			// A client that is gone before it knows its session id leaves a session that pings end.
			_ = w.write(rw, r, answer)
		}
	}
}

// serve serves a GET or POST of a session.
func (w *web) serve(rw http.ResponseWriter, r *http.Request, text, transport string) {
	seal := w.gw.borrowSealer()
	id, ok := seal.open(text)
	w.gw.returnSealer(seal)
	if !ok || id.node == w.gw.options.ID && !w.gw.owns(id) {
		w.refuse(rw, engineio.UnknownSID) // forged, or of an earlier start of this node
		return
	}
	to := &exchange{web: w, id: id, text: text}
	switch {
	case transport != "polling":
		w.refuse(rw, engineio.BadRequest)
	case r.Method == http.MethodGet:
		to.ask(rw, r, requestGet, nil)
	case r.Method == http.MethodPost:
		to.post(rw, r)
	default:
		http.Error(rw, "method not allowed", http.StatusMethodNotAllowed)
	}
}

// ask has a loop answer a request. ok is false when the client went away first.
func (w *web) ask(ctx context.Context, l *loop, req *request) (answer response, ok bool) {
	answers := make(chan response, 1)
	req.respond = func(a response) { answers <- a }
	if !l.post(req) {
		return failure(engineio.UnknownSID), true
	}
	select {
	case answer = <-answers:
		return answer, true
	case <-ctx.Done():
		return response{}, false
	}
}

// write sends an answer to the client, and counts refusals.
func (w *web) write(rw http.ResponseWriter, r *http.Request, a response) error {
	if w.gw.deflater.worthwhile(r, len(a.body)) {
		a.body = w.gw.deflater.gzip(a.body)
		rw.Header().Set("Content-Encoding", "gzip")
		rw.Header().Add("Vary", "Accept-Encoding")
	}
	if a.sid != "" {
		w.gw.setCookie(rw.Header(), a.sid)
	}
	if a.status != http.StatusOK {
		w.gw.metrics.refusals.WithLabelValues("polling").Inc()
	}
	return writeResponse(rw, a)
}

func (w *web) refuse(rw http.ResponseWriter, code engineio.Code) {
	w.gw.metrics.refusals.WithLabelValues("polling").Inc()
	// A client that does not wait for its refusal does not need it.
	_ = writeResponse(rw, failure(code))
}

func writeResponse(rw http.ResponseWriter, a response) error {
	setWriteDeadline(rw)
	h := rw.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Cache-Control", "no-store")
	rw.WriteHeader(a.status)
	if _, err := rw.Write(a.body); err != nil {
		return err
	}
	return http.NewResponseController(rw).Flush()
}

// writeTimeout is how long a client may take to read a response. A client that does not read must not keep a
// goroutine and the response for ever.
const writeTimeout = 30 * time.Second

func setWriteDeadline(rw http.ResponseWriter) {
	// Not every ResponseWriter has deadlines; ours does.
	_ = http.NewResponseController(rw).SetWriteDeadline(time.Now().Add(writeTimeout))
}

// tooLarge refuses a POST over maxPayload. The session goes on; the connection, with the rest of the body in it, does not.
func (w *web) tooLarge(rw http.ResponseWriter) {
	w.gw.metrics.badPackets.WithLabelValues("payload").Inc()
	rw.Header().Set("Connection", "close")
	rw.WriteHeader(http.StatusRequestEntityTooLarge)
}

// upgrade takes a keep-alive connection back for a WebSocket.
func (w *web) upgrade(rw http.ResponseWriter, r *http.Request, echo bool) {
	lent, ok := r.Context().Value(connKey{}).(*lentConn)
	if !ok {
		w.refuse(rw, engineio.BadRequest)
		return
	}
	up := &upgradeRequest{head: requestHead(r), url: r.URL, echo: echo, peer: lent.peer}
	_, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		w.log.Error("cannot take a connection back", zap.Error(err))
		return
	}
	if up.rest, err = unread(buffered.Reader, lent); err == nil {
		up.fd, err = lent.reclaim()
	}
	if err != nil {
		w.log.Error("cannot take a connection back", zap.Error(err))
		lent.Close()
		return
	}
	w.gw.routeUpgrade(nil, up)
}

// unread is what came after the request and was not consumed.
func unread(buffered *bufio.Reader, lent *lentConn) ([]byte, error) {
	rest := make([]byte, buffered.Buffered(), buffered.Buffered()+len(lent.prefix))
	if _, err := io.ReadFull(buffered, rest); err != nil {
		return nil, err
	}
	return append(rest, lent.prefix...), nil
}

// requestHead writes a parsed request's head again, for the one place that answers handshakes.
func requestHead(r *http.Request) []byte {
	var b bytes.Buffer
	b.WriteString(r.Method + " " + r.URL.RequestURI() + " HTTP/1.1\r\nHost: " + r.Host + "\r\n")
	// Writing to memory does not fail.
	_ = r.Header.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// isSecure reports whether a request came by TLS that ended here.
func isSecure(r *http.Request) bool {
	lent, ok := r.Context().Value(connKey{}).(*lentConn)
	return ok && lent.peer.secure
}

func isUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

func withHost(r *http.Request) http.Header {
	h := r.Header.Clone()
	h.Set("Host", r.Host)
	return h
}

func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
