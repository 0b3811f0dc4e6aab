package gateway

import "time"

// closeKind says what a closing session may still do with its transport.
type closeKind uint8

const (
	// closeServer: the server ends it, and what is queued still goes out first.
	closeServer closeKind = iota
	// closeBroken: the client is silent, slow or breaks the rules. The transport is told and dropped.
	closeBroken
	// closeGone: the transport is gone already.
	closeGone
	// closeClient: the client said goodbye by POST.
	closeClient
)

// close ends the session: its sockets leave, their workers are told the reason, and the
// transport is closed as the kind says. Closing a closed session does nothing.
func (s *session) close(reason string, kind closeKind) {
	s.loop.assertOwner()
	if !s.lives() {
		return
	}
	if s.state == sessionParting && kind != closeClient {
		reason = reasonServerShutdown // whatever ends it now, that is why
	}
	found := s.examine(reason)
	s.loop.record(found)
	s.state = sessionClosing
	s.deadline = 0
	s.loop.gw.metrics.closed.WithLabelValues(reason).Inc()
	for len(s.sockets) > 0 {
		s.sockets[len(s.sockets)-1].drop(reason)
	}
	s.parts = nil
	s.abandonUpgrade()
	if c := s.conn; c != nil {
		s.closeWebSocket(c, kind, reason == reasonPingTimeout && found.stuck())
		s.forget()
		return
	}
	s.closePolling(kind)
}

// closeWebSocket closes the transport; stuck: what was sent to it long ago has not arrived.
func (s *session) closeWebSocket(c *conn, kind closeKind, stuck bool) {
	s.conn, c.session = nil, nil
	if kind == closeBroken && (c.queued > 0 || stuck) {
		c.reset() // whoever does not read will not read a close frame either
		return
	}
	c.shut()
}

// closePolling answers an open GET, or waits for the next to take what is queued.
func (s *session) closePolling(kind closeKind) {
	fixed := &s.loop.gw.fixed
	switch {
	case kind == closeClient && s.get != nil:
		s.reply(s.batch(fixed.noop))
	case kind == closeClient:
		s.wait(goodbyeTime)
		return
	case kind == closeServer && len(s.queue) > 0:
		if s.get != nil {
			s.answer()
		}
		s.wait(closeTimeout)
		return
	case kind == closeServer && s.get == nil:
		s.wait(closeTimeout)
		return
	case s.get != nil:
		s.reply(s.batch(fixed.close))
	}
	s.forget()
}

// goodbyeTime is how long a POST that closes the session is held when no GET is open: clients send the
// two at the same time on two connections, and the GET is to be answered whichever is read first.
const goodbyeTime = 20 * time.Millisecond

// goodbye holds the POST by which the client closed. If it was the server that closed first, the client will not fetch the rest.
func (s *session) goodbye(r *request) {
	if s.bye != nil {
		s.bye.respond(posted())
	}
	s.bye = r
	s.wait(min(goodbyeTime, s.deadline-s.loop.now))
}

// wait keeps a closing session for a while, for a GET to take leave of it.
func (s *session) wait(d time.Duration) {
	s.deadline = s.loop.now + d
	s.beat = s.deadline
	s.schedule()
}

// forget removes the last of a session: from now on its id is unknown.
func (s *session) forget() {
	if s.lives() {
		s.close(reasonTransportClose, closeGone)
		return
	}
	s.state = sessionClosed
	s.loop.wheel.stop(&s.timer)
	s.left()
	if s.loop.sessions[s.key] == s {
		delete(s.loop.sessions, s.key)
	}
	if s.get != nil {
		s.reply(s.batch(s.loop.gw.fixed.close))
	}
	if s.bye != nil {
		s.bye.respond(posted())
		s.bye = nil
	}
	s.queue, s.queued = nil, 0
}
