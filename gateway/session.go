package gateway

import (
	"time"

	"go.uber.org/zap"

	"patchbay/protocol/engineio"
)

// The reasons for which a socket is gone, as Socket.IO names them to applications.
const (
	reasonTransportClose  = "transport close"
	reasonTransportError  = "transport error"
	reasonParseError      = "parse error"
	reasonPingTimeout     = "ping timeout"
	reasonForcedClose     = "forced close"
	reasonTakenForDead    = "taken for dead"
	reasonServerShutdown  = "server shutting down"
	reasonClientLeft      = "client namespace disconnect"
	reasonServerLeft      = "server namespace disconnect"
	reasonSlowConsumer    = "slow consumer" // ours: the reference would queue without bound
	reasonConnectTimedOut = "connect timeout"
)

// closeTimeout is how long a polling session that the server has closed waits for the GETs that
// take the rest of its packets.
const closeTimeout = 30 * time.Second

// sessionState is where a session is in its life.
type sessionState uint8

const (
	sessionOpen    sessionState = iota
	sessionParting              // the client is told of its end; what it has sent before it knows is still taken
	sessionClosing              // closed by the server; polling still fetches what is queued
	sessionMoving               // frozen, or gone, for another node
	sessionClosed
)

// session is one Engine.IO connection. Owned by its loop.
type session struct {
	loop *loop
	conn *conn // the WebSocket; nil while polling
	polled
	sockets   []*socket
	parts     *assembly // a packet whose attachments are still coming
	upgrade   *upgrade
	bucket    *bucket // what its client may send now; nil if it has sent nothing or may send anything
	handshake []byte  // a backplane.Handshake, encoded
	timer     timer
	deadlines
	key   sessionKey
	flags sessionFlags
	state sessionState
}

// polled is what a session has while it is polling.
type polled struct {
	get    *request // the open one
	bye    *request // the POST by which the client closed, not answered yet
	queue  []*packet
	queued int // bytes in queue
}

// deadlines are a session's, in its loop's time.
type deadlines struct {
	beat     time.Duration // when the next ping is due, or the pong
	deadline time.Duration // to join a namespace, or to fetch the rest when closing; 0 for none
}

// sessionFlags are a session's small facts.
type sessionFlags uint16

const (
	flagPinged    sessionFlags = 1 << iota // a ping is out, beat is the pong's deadline
	flagEcho                               // bare Engine.IO, messages go back
	flagAnswering                          // in the loop's list of GETs to answer
	flagJoined                             // has been in a namespace
	flagOld                                // Engine.IO 3 and Socket.IO 4
	flagBase64                             // of these, one that takes no binary
	flagMsgpack                            // packets are msgpack
	flagSpoke                              // has sent a Socket.IO packet, which told
)

// newSID makes an id for a new session of this loop.
func (l *loop) newSID() (sessionKey, string) {
	return l.seal.seal(l.index, l.gw.epoch.Load(), l.gw.options.ID)
}

// newSession adds a session.
func (l *loop) newSession(key sessionKey, handshake []byte, flags sessionFlags) *session {
	s := &session{loop: l, key: key, handshake: handshake}
	s.speak(flags)
	if flags&flagEcho == 0 {
		s.deadline = l.now + l.gw.options.Engine.ConnectTimeout
	}
	s.beat = l.now + l.gw.options.Engine.PingInterval
	if s.old() {
		s.beat = l.now + l.patience()
	}
	l.sessions[key] = s
	s.schedule()
	return s
}

// session returns a session by its id; nil when there is none, or it is not ours.
func (l *loop) session(id sid) *session {
	if !l.gw.owns(id) || id.loop != l.index {
		return nil
	}
	return l.sessions[id.key]
}

// start sends the handshake (Engine.IO, section "Handshake").
func (s *session) start(sid string) {
	o := &s.loop.gw.options.Engine
	open := engineio.Open{SID: sid, PingInterval: o.PingInterval, PingTimeout: o.PingTimeout, MaxPayload: o.MaxPayload}
	if s.conn == nil {
		open.Upgrades = []string{"websocket"}
	}
	if s.old() {
		open.MaxPayload = 0
	}
	s.send(textPacket(string(engineio.AppendOpen(nil, open))))
	if s.flags&(flagOld|flagEcho) == flagOld {
		s.implied()
	}
}

// transport is the name of the transport now.
func (s *session) transport() string {
	if s.conn != nil {
		return "websocket"
	}
	return "polling"
}

// send queues a packet for the end of the turn. It is shared: nobody may change it.
func (s *session) send(p *packet) {
	s.loop.assertOwner()
	if s.state != sessionOpen {
		return
	}
	queued := 0
	if s.conn != nil {
		s.conn.send(p.frame)
		queued = s.conn.queued
	} else {
		s.queue = append(s.queue, p)
		s.queued += len(p.frame)
		queued = s.queued
		s.answerSoon()
	}
	if queued > s.loop.gw.live().QueueBytes {
		s.loop.gw.log.Warn("slow consumer closed", zap.Int("queued", queued), zap.String("transport", s.transport()))
		s.close(reasonSlowConsumer, closeBroken)
	}
}

// writable reports whether what is sent now leaves at once: the rule by which volatile
// messages are kept or dropped.
func (s *session) writable() bool {
	if s.conn != nil {
		return s.conn.queued == 0
	}
	return s.get != nil && len(s.queue) == 0
}

// webSocketMessage takes one WebSocket message. data is valid during the call.
func (s *session) webSocketMessage(c *conn, data []byte, binary bool) {
	if s.conn != c && s.upgrade.arrival != nil {
		s.probeArrival(c, data, binary)
		return
	}
	if s.conn != c {
		s.probeMessage(c, data, binary)
		return
	}
	p, err := s.decode(data, binary)
	if err != nil {
		s.malformed(err)
		return
	}
	if p.Type != engineio.Close { // over WebSocket the reference ignores it
		s.packet(p)
	}
}

// packet handles an Engine.IO packet from the client (Engine.IO, section "Packet types").
func (s *session) packet(p engineio.Packet) {
	switch {
	case p.Type == engineio.Message:
		s.loop.gw.metrics.received.Inc()
		if s.flags&flagEcho != 0 {
			s.echo(p)
			return
		}
		s.message(p)
	case p.Type == engineio.Ping && s.old():
		s.pinged()
	case p.Type == engineio.Ping, p.Type == engineio.Pong && s.old(): // the other side's
		s.close(reasonTransportError, closeBroken)
	case p.Type == engineio.Pong:
		s.flags &^= flagPinged
		s.confirm(s.beat - s.loop.gw.options.Engine.PingTimeout)
		s.beat = s.loop.now + s.loop.gw.options.Engine.PingInterval
		s.schedule()
	default: // open, upgrade and noop mean nothing here
	}
}

// confirm notes that the client has had what was sent before a time, that of the ping which it answered.
func (s *session) confirm(sent time.Duration) {
	for _, k := range s.sockets {
		if k.arrears != nil && k.arrears.at < sent {
			k.settled()
		}
	}
}

// settled drops the backlog, which the client has had. Its last event stays known: the client may come back with it.
func (k *socket) settled() {
	a := k.arrears
	for i := len(a.backlog) - 1; i >= 0; i-- {
		if id := a.backlog[i].b.id; id != "" {
			a.anchor = id
			break
		}
	}
	a.backlog, a.size, a.from.backlog = nil, 0, 0
	if a.anchor == "" && !a.trimmed && !k.moving() {
		k.arrears = nil
	}
}

// echo sends a message back, for the conformance tests of bare Engine.IO.
func (s *session) echo(p engineio.Packet) {
	if p.Binary {
		s.sendBinary(p.Data)
		return
	}
	s.send(textPacket("4" + string(p.Data)))
}

// malformed closes a session whose client sent what is no Engine.IO packet.
func (s *session) malformed(err error) {
	s.badPacket("engine.io", err)
	s.close(reasonParseError, closeBroken)
}

// forceClose closes a session whose client broke a rule of Socket.IO.
func (s *session) forceClose(err error) {
	s.badPacket("socket.io", err)
	s.close(reasonForcedClose, closeServer)
}

func (s *session) badPacket(layer string, err error) {
	s.loop.gw.metrics.badPackets.WithLabelValues(layer).Inc()
	s.loop.gw.log.Debug("bad packet", zap.String("layer", layer), zap.Error(err))
}

// connLost is called when the session's WebSocket, or the one that probes, is gone.
func (s *session) connLost(c *conn, reason string) {
	if s.conn == c {
		s.close(reason, closeGone)
		return
	}
	if s.upgrade != nil && s.upgrade.conn == c {
		if a := s.upgrade.arrival; a != nil {
			a.lost()
			return
		}
		s.upgrade = nil
		s.schedule()
	}
}

// schedule arms the timer for the first of the session's deadlines.
func (s *session) schedule() {
	if s.state >= sessionMoving {
		s.loop.wheel.stop(&s.timer)
		return
	}
	s.loop.wheel.set(&s.timer, s.due(), s)
}

// due is the first of the session's deadlines.
func (s *session) due() time.Duration {
	next := s.beat
	if s.deadline != 0 {
		next = min(next, s.deadline)
	}
	if up := s.upgrade; up != nil {
		next = min(next, up.giveUp)
		if up.noopAt != 0 && s.get != nil {
			next = min(next, up.noopAt)
		}
	}
	for _, k := range s.sockets {
		if k.joining != nil {
			next = min(next, k.joining.next())
		}
		if k.homing != nil {
			next = min(next, k.homing.next())
		}
	}
	return next
}

// expire implements expirer: one of the deadlines has come.
func (s *session) expire(now time.Duration) {
	if s.deadline != 0 && now >= s.deadline {
		switch s.state {
		case sessionClosing:
			s.forget()
			return
		case sessionParting:
			s.parted()
			return
		}
		s.loop.gw.metrics.connectTimeouts.Inc()
		s.close(reasonConnectTimedOut, closeServer)
		return
	}
	if now >= s.beat && !s.heartbeat() {
		return
	}
	if up := s.upgrade; up != nil {
		if now >= up.giveUp {
			s.abandonUpgrade()
		} else if up.noopAt != 0 && now >= up.noopAt && s.get != nil {
			s.reply(s.batch(s.loop.gw.fixed.noop))
		}
	}
	s.retryJoins(now)
	if s.state != sessionClosed {
		s.schedule()
	}
}

// heartbeat sends the ping that is due, or ends the session whose pong is overdue. It reports whether the session
// lives (Engine.IO, section "Heartbeat").
func (s *session) heartbeat() bool {
	if s.state != sessionOpen {
		s.beat = s.deadline
		return true
	}
	if c := s.conn; c != nil && c.resting {
		// Its pong may have come, behind what is not read yet: the rate makes it wait, and not its network.
		s.beat = s.loop.now + s.loop.gw.options.Engine.PingTimeout
		return true
	}
	if s.flags&flagPinged != 0 || s.old() {
		s.close(reasonPingTimeout, closeBroken)
		return false
	}
	s.flags |= flagPinged
	s.beat += s.loop.gw.options.Engine.PingTimeout // from when it was due: a timer is late, never early
	s.send(s.loop.gw.fixed.ping)
	return s.state == sessionOpen
}
