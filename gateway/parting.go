package gateway

import "time"

// A node that drains closes its clients' transports, so that they come back elsewhere. Between the close and the moment at which a
// client has noticed it, the client may have sent events: they were sent to a session that it held to be open. So the
// session parts: nothing is sent to its client any more, but what comes from it is handled as before, until
// the client has closed too or a short time is over. Only then are its sockets detached, and may move. What is emitted to them
// meanwhile is in the history, for when they are back.

const (
	// partingTime is how long a client may take to answer the close of its WebSocket, or to fetch that of its polling
	// session.
	partingTime = 2 * time.Second
	// graceTime is how long POSTs are taken after a polling client has been given the close: those that it had sent before, on
	// another connection or by way of another node.
	graceTime = 500 * time.Millisecond
)

// part begins the parting. It does nothing to a session that ends already.
func (s *session) part() {
	if s.state != sessionOpen {
		return
	}
	s.state = sessionParting
	s.wait(partingTime)
	switch {
	case s.conn != nil:
		s.conn.part()
	case s.get != nil:
		s.partPoll()
	}
}

// hurry has a session that is closed wait no longer for the GET that fetches the rest than one that parts: its client may never send it.
func (s *session) hurry() {
	if s.deadline > s.loop.now+partingTime {
		s.wait(partingTime)
	}
}

// partPoll answers the open GET with what is queued, and the next one with the close. Not one with both: the stock client handles events a little
// later than a close, by when it counts them neither as had nor as missed, and would have them twice.
func (s *session) partPoll() {
	if len(s.queue) > 0 {
		s.answer()
		return
	}
	s.queue = append(s.queue, s.loop.gw.fixed.close)
	s.answer()
	s.wait(graceTime)
}

// parted is called when the time of a parting is over.
func (s *session) parted() {
	if _, busy := s.loop.gw.web.posting.Load(s.key); busy && s.conn == nil {
		s.wait(graceTime) // a POST is being read, which takes bodyTimeout at most
		return
	}
	s.close(reasonServerShutdown, closeBroken)
}

// lives reports whether what the client sends is handled.
func (s *session) lives() bool { return s.state <= sessionParting }

// busy reports whether something is under way for the session that is better not interrupted. All of it ends by itself.
func (s *session) busy() bool {
	if s.upgrade != nil {
		return true
	}
	for _, k := range s.sockets {
		if k.joining != nil || k.homing != nil {
			return true
		}
	}
	return false
}

// part ends sending, after what is queued and a close frame, and goes on reading until the peer closes too. The sending side of
// TCP stays open: some proxies close both sides when one ends.
func (c *conn) part() {
	if c.state != connOpen {
		return
	}
	c.send(c.loop.gw.fixed.closeFrame)
	c.state = connParting
}
