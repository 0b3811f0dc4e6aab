package gateway

import (
	"bytes"
	"time"

	"golang.org/x/sys/unix"

	"patchbay/gateway/handoff"
	"patchbay/protocol/engineio"
)

// A WebSocket may come to another node than that of its session. Then this one, before it answers the handshake, tells the
// owner, which notes that the session is being upgraded, or refuses; and at packet `5` it takes
// the session.

// arrival is a WebSocket for a session of another node. Owned by its loop.
type arrival struct {
	loop    *loop
	token   string
	id      sid
	text    string          // the session's id
	up      *upgradeRequest // until the handshake is answered
	session *session        // from then on: a shell, until the session is here
	taking  *taking         // from packet `5` on
	waiting []engineMessage // that followed it
	size    int
	timer   timer
}

// engineMessage is a WebSocket message that waits.
type engineMessage struct {
	data   []byte
	binary bool
}

// maxWaitingMessages and maxWaitingSize bound what a client sends before its session is here. Past them its connection is closed.
const (
	maxWaitingMessages = 1024
	maxWaitingSize     = 4 << 20
)

// How an owner answers a probe.
const (
	probeWelcome uint64 = iota
	probeUnknown        // no such session
	probeRefused        // it is upgraded, or being upgraded
)

// arrive asks the owner of a session about a WebSocket for it.
func (l *loop) arrive(up *upgradeRequest, id sid, text string) {
	a := &arrival{loop: l, token: l.newToken(), id: id, text: text, up: up}
	l.arrivals[a.token] = a
	l.wheel.set(&a.timer, l.now+l.gw.options.Engine.UpgradeTimeout, a)
	a.tell(noteProbe)
}

func (a *arrival) tell(kind noteKind) {
	a.loop.gw.tell(a.id.node, &note{Kind: kind, Token: a.token, Unit: wanted{Session: a.text}})
}

// expire implements expirer: the owner does not answer.
func (a *arrival) expire(time.Duration) {
	a.tell(noteProbeEnd)
	a.answer(probeUnknown)
}

// answered takes the owner's answer, or the backplane's word that there is none.
func (a *arrival) answered(n *note, none bool) {
	switch {
	case none:
		a.answer(probeUnknown)
	case n.Kind == noteProbed:
		a.answer(n.Count)
	}
}

// answer answers the handshake.
func (a *arrival) answer(verdict uint64) {
	up := a.up
	if up == nil {
		return
	}
	a.up = nil
	a.forget()
	up.finish(a.loop, &verdict, a)
}

func (a *arrival) forget() {
	delete(a.loop.arrivals, a.token)
	a.loop.wheel.stop(&a.timer)
}

// drop closes a connection whose handshake was never answered.
func (a *arrival) drop() {
	if a.up != nil {
		unix.Close(a.up.fd)
		a.loop.gw.listener.closed(a.up.peer.seat)
		a.up = nil
	}
}

// open makes the shell of the session, which probes.
func (a *arrival) open(c *conn) {
	l := a.loop
	a.session = &session{loop: l, key: a.id.key, conn: nil}
	a.session.upgrade = &upgrade{conn: c, giveUp: l.now + l.gw.options.Engine.UpgradeTimeout, arrival: a}
	a.session.beat = a.session.upgrade.giveUp + time.Hour
	c.session = a.session
	a.session.schedule()
}

// begin takes the session: the client has sent packet `5`.
func (a *arrival) begin() {
	a.session.upgrade.giveUp = a.session.beat
	a.session.schedule()
	a.taking = a.loop.take(a, "upgrade", a.id.node, maxHops)
}

// keep holds what follows packet `5` until the session is here.
func (a *arrival) keep(data []byte, binary bool) {
	a.waiting = append(a.waiting, engineMessage{bytes.Clone(data), binary})
	if a.size += len(data); len(a.waiting) > maxWaitingMessages || a.size > maxWaitingSize {
		a.end()
	}
}

// lost says that the WebSocket is gone before the session came. After packet `5` there is no way back: the session comes all
// the same, for what its client has sent behind that, a goodbye perhaps, and to be closed here.
func (a *arrival) lost() {
	s := a.session
	s.upgrade = nil
	s.state = sessionClosed
	s.schedule()
	if a.taking == nil {
		a.tell(noteProbeEnd)
	}
}

// end closes the WebSocket.
func (a *arrival) end() {
	if up := a.session.upgrade; up != nil {
		up.conn.session = nil
		up.conn.shut()
		a.lost()
	}
}

// wanted implements errand.
func (a *arrival) wanted() wanted { return wanted{Session: a.text, Probe: a.token} }

// alive implements errand.
func (a *arrival) alive() bool { return true }

// failed implements errand: for the client it is as if there were no such session.
func (a *arrival) failed(*loop, handoff.Failure) {
	if up := a.session.upgrade; up != nil {
		a.session.upgrade, a.session.state = nil, sessionClosed
		a.session.schedule()
		up.conn.session = nil
		up.conn.shut()
	}
}

// adopt implements errand: the shell becomes the session, and what waited follows.
func (a *arrival) adopt(t *taking, p *parcel) []*socket {
	l, s, box := a.loop, a.session, p.Session
	if box == nil {
		return nil
	}
	s.unpack(box)
	l.sessions[s.key] = s
	var all []*socket
	for i := range p.Sockets {
		k, err := s.unpackSocket(&p.Sockets[i], t)
		if err != nil {
			continue // its session is closed below: the connection to NATS is closed for good
		}
		all = append(all, k)
	}
	up := s.upgrade
	s.upgrade = nil
	if up != nil {
		s.conn = up.conn
		for _, e := range box.Queue {
			s.conn.send(e.packet().frame)
		}
		l.gw.metrics.upgrades.Inc()
	}
	s.schedule()
	for _, m := range a.waiting {
		if s.state != sessionOpen {
			break
		}
		s.webSocketMessage(s.conn, m.data, m.binary)
	}
	a.waiting = nil
	if up == nil { // the client is gone: its sockets wait for it here, if they may
		s.close(reasonTransportClose, closeGone)
	}
	return all
}

// packet is the packet again.
func (e *boxedPacket) packet() *packet {
	if e.Binary {
		return binaryPacket(e.Data)
	}
	return textPacket(string(e.Data))
}

// probe takes another node's word about a WebSocket for a session. On intake.
func (in *intake) probe(n *note) {
	id, ok := in.seal.open(n.Unit.Session)
	if ok && in.gw.owns(id) && in.gw.loops[id.loop].post(&noted{note: n, sid: id}) || n.Kind != noteProbe {
		return
	}
	in.gw.tell(n.From, &note{Kind: noteProbed, Token: n.Token, Count: probeUnknown})
}

// probed takes another node's word about a WebSocket for a session of this loop.
func (l *loop) probed(n *note, id sid) {
	s := l.session(id)
	switch {
	case n.Kind != noteProbe:
		if s == nil || s.upgrade == nil || s.upgrade.token != n.Token {
			return
		}
		if n.Kind == noteProbeEnd {
			s.upgrade = nil
		} else {
			s.upgrade.noopAt = l.now + noopDelay
		}
		s.schedule()
		return
	case s == nil || s.state == sessionClosed:
		l.gw.tell(n.From, &note{Kind: noteProbed, Token: n.Token, Count: probeUnknown})
	case s.upgrade != nil || s.conn != nil || s.state != sessionOpen || s.flags&flagEcho != 0:
		l.gw.tell(n.From, &note{Kind: noteProbed, Token: n.Token, Count: probeRefused})
	default:
		// The node that has the WebSocket gives up first.
		s.upgrade = &upgrade{token: n.Token, giveUp: l.now + 2*l.gw.options.Engine.UpgradeTimeout}
		s.schedule()
		l.gw.tell(n.From, &note{Kind: noteProbed, Token: n.Token, Count: probeWelcome})
	}
}

// probeArrival handles what a WebSocket sends whose session is on another node.
func (s *session) probeArrival(c *conn, data []byte, binary bool) {
	a := s.upgrade.arrival
	if a.taking != nil {
		a.keep(data, binary)
		return
	}
	p, err := engineio.DecodePacket(data, binary)
	switch {
	case err == nil && p.Type == engineio.Ping && string(p.Data) == engineio.Probe:
		c.send(s.loop.gw.fixed.probe.frame)
		a.tell(noteProbing)
	case err == nil && p.Type == engineio.Upgrade:
		a.begin()
	default:
		a.end()
	}
}
