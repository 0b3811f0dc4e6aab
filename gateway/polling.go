package gateway

import (
	"net/http"

	"patchbay/protocol/engineio"
)

// requestKind is what a polling request wants.
type requestKind uint8

const (
	requestOpen  requestKind = iota // a handshake
	requestGet                      // the next packets
	requestPost                     // packets from the client
	requestBytes                    // the same in a binary body, which only Engine.IO 3 has
	requestAbort                    // the client went away from a GET, or in the middle of a POST
	requestEnd                      // a GET is to be answered now, by a noop: the node that relays it drains
)

// request is a polling request on its way to the loop of its session. The loop calls
// respond exactly once, on its goroutine, unless the request is a requestAbort; respond must not block.
type request struct {
	kind      requestKind
	id        sid
	body      []byte
	handshake []byte       // of a requestOpen
	place     string       // likewise; see quota
	flags     sessionFlags // likewise
	of        *request     // of a requestAbort: the GET that it ends; nil with relay
	relay     string       // where the answer to a relayed request goes
	taken     bool         // packets were given to a GET; if its client went away first, they are lost
	respond   func(response)
}

// response is the answer to a polling request.
type response struct {
	status      int
	contentType string
	body        []byte
	sid         string // of a new session, for the cookie
}

const (
	textPlain   = "text/plain; charset=UTF-8"
	textHTML    = "text/html"
	octetStream = "application/octet-stream"
)

func okText(body []byte) response {
	return response{status: http.StatusOK, contentType: textPlain, body: body}
}

func failure(code engineio.Code) response {
	return response{status: code.Status(), contentType: "application/json", body: engineio.AppendError(nil, code)}
}

// plainFailure is what the reference answers when a transport fails: no body.
func plainFailure() response {
	return response{status: http.StatusBadRequest, contentType: textHTML}
}

// run implements task.
func (r *request) run(l *loop) {
	if r.kind == requestOpen {
		l.openPolling(r)
		return
	}
	s := l.session(r.id)
	if s != nil && l.now >= s.due() {
		s.expire(l.now) // its timer is due in this turn too, but requests run first
	}
	switch {
	case r.kind == requestAbort:
		// After an upgrade what polling requests come to is nothing to the session any more.
		if s != nil && s.conn == nil && r.ends(s.get) {
			if r.of != nil && s.get == r.of {
				s.get = nil // nobody is there to be answered
			}
			s.close(reasonTransportClose, closeGone)
		}
	case r.kind == requestEnd:
		if s != nil && s.get != nil && s.get.relay == r.relay && s.flags&flagAnswering == 0 {
			s.reply(s.batch(l.gw.fixed.noop))
		}
	case s == nil && l.upgraded.has(r.id.key):
		r.respond(failure(engineio.BadRequest))
	case s == nil || s.state == sessionClosed:
		r.respond(failure(engineio.UnknownSID))
	case s.conn != nil || s.state == sessionMoving:
		r.respond(failure(engineio.BadRequest))
	case r.kind == requestGet && s.state == sessionParting && s.get == nil:
		s.get = r
		s.partPoll()
	case r.kind == requestGet:
		s.poll(r)
	case r.kind == requestPost || r.kind == requestBytes:
		s.post(r)
	}
}

// ends reports whether an abort is about the GET that is open, or about the session whatever is open.
func (r *request) ends(get *request) bool {
	switch {
	case r.relay != "":
		return get != nil && get.relay == r.relay
	case r.of != nil:
		return get == r.of || r.of.taken
	}
	return true
}

// cancel implements canceller.
func (r *request) cancel() {
	if r.kind < requestAbort {
		r.respond(failure(engineio.UnknownSID))
	}
}

// openPolling makes a session whose first transport is polling. The response to the handshake is its
// first packet.
func (l *loop) openPolling(r *request) {
	key, sid := l.newSID()
	s := l.newSession(key, r.handshake, r.flags)
	s.entered(r.place)
	l.gw.metrics.opened.WithLabelValues("polling").Inc()
	s.get = &request{kind: requestGet, respond: func(answer response) {
		answer.sid = sid
		r.respond(answer)
	}}
	s.start(sid)
}

// poll takes a GET: it stays open until there is something to send. A second one ends the session.
func (s *session) poll(r *request) {
	if s.get != nil {
		s.close(reasonTransportError, closeBroken)
		r.respond(plainFailure())
		return
	}
	s.get = r
	if s.state == sessionClosing && len(s.queue) == 0 {
		last := []*packet{s.loop.gw.fixed.noop}
		if s.bye == nil { // it was the server that closed
			last = append(last, s.loop.gw.fixed.close)
		}
		s.reply(s.batch(last...))
		s.forget()
		return
	}
	if len(s.queue) > 0 {
		s.answerSoon()
		return
	}
	if up := s.upgrade; up != nil && up.noopAt != 0 {
		up.noopAt = max(up.noopAt, s.loop.now+noopDelay)
		s.schedule()
	}
}

// answerSoon has the open GET answered at the end of the turn, with all that is queued by then.
func (s *session) answerSoon() {
	if s.get != nil && s.flags&flagAnswering == 0 {
		s.flags |= flagAnswering
		s.loop.pending.polls = append(s.loop.pending.polls, s)
	}
}

// answer gives the open GET what is queued.
func (s *session) answer() {
	s.flags &^= flagAnswering
	if s.get == nil || len(s.queue) == 0 {
		return
	}
	answer := s.batch(s.queue...)
	s.queue, s.queued = nil, 0
	s.get.taken = true
	s.reply(answer)
}

// reply answers the open GET.
func (s *session) reply(r response) {
	get := s.get
	s.get = nil
	get.respond(r)
}

// post takes the packets of a POST (Engine.IO, section "HTTP long-polling").
func (s *session) post(r *request) {
	if r.kind == requestBytes && !s.old() {
		s.close(reasonTransportClose, closeGone)
		r.respond(plainFailure())
		return
	}
	for p, err := range s.packets(r) {
		if err != nil {
			// The reference answers ok, too, and drops the session.
			s.malformed(err)
			break
		}
		if p.Type == engineio.Close {
			s.close(reasonTransportClose, closeClient)
			if s.state == sessionClosing {
				s.goodbye(r)
				return
			}
			break
		}
		if s.packet(p); !s.lives() {
			break
		}
	}
	if debt := s.owes(); debt > 0 {
		s.loop.delay(r, debt)
		return
	}
	r.respond(posted())
}

func posted() response {
	return response{status: http.StatusOK, contentType: textHTML, body: []byte("ok")}
}
