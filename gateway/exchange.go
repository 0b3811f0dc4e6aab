package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// exchange is one GET or POST of a session, whose owner may be this node or another.
type exchange struct {
	web  *web
	id   sid
	text string // the session id as it was sent
	over func() // the POST is about to be answered: from then on the client may send the next
}

// post reads a POST's body and hands it to the session. A second POST while a body is being read
// here ends the session, and so does a body that breaks off.
func (x *exchange) post(rw http.ResponseWriter, r *http.Request) {
	w := x.web
	if _, busy := w.posting.LoadOrStore(x.id.key, struct{}{}); busy {
		x.fail(rw)
		return
	}
	x.over = sync.OnceFunc(func() { w.posting.Delete(x.id.key) })
	defer x.over()
	kind := requestPost
	if r.Header.Get("Content-Type") == octetStream {
		if !w.gw.options.Engine.AllowEIO3 {
			x.over()
			x.fail(rw)
			return
		}
		kind = requestBytes
	}
	limit := int64(w.gw.options.Engine.MaxPayload)
	if r.ContentLength > limit {
		x.over()
		w.tooLarge(rw)
		return
	}
	// Not every ResponseWriter has deadlines; ours does.
	_ = http.NewResponseController(rw).SetReadDeadline(time.Now().Add(w.gw.live().BodyTimeout))
	body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.gw.metrics.badPackets.WithLabelValues("body timeout").Inc()
		x.abort(nil)
		rw.Header().Set("Connection", "close")
		rw.WriteHeader(http.StatusRequestTimeout) // what has come of it is lost: ok would be a lie
	case err != nil:
		x.abort(nil)
	case int64(len(body)) > limit:
		x.over()
		w.tooLarge(rw)
	default:
		x.ask(rw, r, kind, body)
	}
}

// fail ends the session and answers as the reference does when a transport fails.
func (x *exchange) fail(rw http.ResponseWriter) {
	x.abort(nil)
	// The client broke the rules, and may be gone.
	_ = writeResponse(rw, plainFailure())
}

// ask has the owner answer. A client that goes away from a GET takes its session with it.
func (x *exchange) ask(rw http.ResponseWriter, r *http.Request, kind requestKind, body []byte) {
	var (
		req    *request
		answer response
		ok     bool
	)
	if x.web.gw.owns(x.id) {
		req = &request{kind: kind, id: x.id, body: body}
		answer, ok = x.web.ask(r.Context(), x.web.gw.loops[x.id.loop], req)
	} else {
		name := relayGet
		switch kind {
		case requestPost:
			name = relayPost
		case requestBytes:
			name = relayBytes
		}
		answer, ok = x.web.gw.relay(r.Context(), x.id, x.text, name, body)
	}
	if !ok {
		if req != nil && kind == requestGet {
			x.abort(req)
		}
		return
	}
	if x.over != nil {
		x.over()
	}
	if err := x.web.write(rw, r, answer); err != nil && kind == requestGet && answer.status == http.StatusOK {
		x.abort(nil) // packets are lost: the session cannot go on
	}
}

// abort ends the session: whatever is open, or only if a certain GET is.
func (x *exchange) abort(of *request) {
	gw := x.web.gw
	if gw.owns(x.id) {
		gw.loops[x.id.loop].post(&request{kind: requestAbort, id: x.id, of: of})
		return
	}
	gw.sendAbort(x.id, x.text, "")
}
