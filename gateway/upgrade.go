package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/gobwas/ws"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"patchbay/backplane"
	"patchbay/protocol/engineio"
)

// noopDelay is the time from a probe, or from a GET begun after it, to the noop that ends the GET.
// Answering at once would let a client whose probe answer is still on the way ask again and again.
const noopDelay = 100 * time.Millisecond

// upgradeRequest is a WebSocket handshake on its way to the loop that will own the
// connection: that of the session it names, or any for a new one.
type upgradeRequest struct {
	fd      int
	head    []byte // the request, up to and including the empty line
	rest    []byte // what came after it
	url     *url.URL
	echo    bool
	peer    peer
	foreign *sid   // of a session of another node
	text    string // as it was sent
}

// routeUpgrade sends a handshake to its loop. from is the loop that we are on, or nil.
func (gw *Gateway) routeUpgrade(from *loop, up *upgradeRequest) {
	target := from
	if text := up.url.Query().Get("sid"); text != "" {
		seal := gw.borrowSealer()
		switch id, ok := seal.open(text); {
		case ok && gw.owns(id):
			target = gw.loops[id.loop]
		case ok && id.node != gw.options.ID:
			up.foreign, up.text = &id, text
		}
		gw.returnSealer(seal)
	}
	if target == nil {
		target = gw.nextLoop()
	}
	if target == from {
		up.run(target)
	} else if !target.post(up) {
		up.cancel()
		gw.listener.closed(up.peer.seat)
	}
}

func (up *upgradeRequest) cancel() { unix.Close(up.fd) }

// run answers the handshake, or asks another node first.
func (up *upgradeRequest) run(l *loop) {
	if up.foreign != nil && !l.gw.closed() && up.url.Query().Get("transport") == "websocket" && len(l.arrivals) < maxTakings {
		l.arrive(up, *up.foreign, up.text)
		return
	}
	up.finish(l, nil, nil)
}

// finish answers the handshake and makes a conn of the descriptor. verdict is another node's, if that has the session.
func (up *upgradeRequest) finish(l *loop, verdict *uint64, a *arrival) {
	hs := &upgradeHandshake{loop: l, url: up.url, peer: up.peer, echo: up.echo, headers: http.Header{}, verdict: verdict}
	memory := inMemory{r: bytes.NewReader(up.head)}
	_, err := hs.upgrader().Upgrade(&memory)
	if _, writeErr := unix.Write(up.fd, memory.w.Bytes()); err != nil || writeErr != nil {
		l.gw.metrics.refusals.WithLabelValues("websocket").Inc()
		hs.leave()
		up.abandon(l)
		return
	}
	c, err := l.attach(up.fd, connOpen)
	if err != nil {
		hs.leave()
		l.gw.log.Error("cannot watch a connection", zap.Error(err))
		up.abandon(l)
		return
	}
	l.sit(c, up.peer.seat)
	if c.deflates = hs.deflates; c.deflates {
		l.gw.kinds.Or(kindDeflating)
	}
	switch {
	case verdict != nil && *verdict == probeWelcome:
		a.open(c)
	case verdict != nil:
		c.shut()
	case hs.session == nil:
		s := l.newSession(hs.key, encodeHandshake(hs.headers, hs.url, hs.address, hs.secure), hs.flags)
		s.entered(hs.place)
		s.conn, c.session = c, s
		l.gw.metrics.opened.WithLabelValues("websocket").Inc()
		s.greet(hs.sid)
	default:
		hs.session.probe(c)
	}
	if len(up.rest) > 0 {
		c.keep(c.consume(up.rest))
	}
}

// abandon closes the connection after the refusal; the input may hold more than the head, and is read away
// so that the refusal arrives.
func (up *upgradeRequest) abandon(l *loop) {
	_ = unix.Shutdown(up.fd, unix.SHUT_WR)
	c, err := l.attach(up.fd, connLinger)
	if err != nil {
		unix.Close(up.fd)
		l.gw.listener.closed(up.peer.seat)
		return
	}
	l.sit(c, up.peer.seat)
	c.setDeadline(lingerTime)
}

// inMemory is a request in memory and the response to it.
type inMemory struct {
	r *bytes.Reader
	w bytes.Buffer
}

// Read implements io.Reader.
func (e *inMemory) Read(p []byte) (int, error) { return e.r.Read(p) }

// Write implements io.Writer.
func (e *inMemory) Write(p []byte) (int, error) { return e.w.Write(p) }

// upgradeHandshake is the state of one WebSocket handshake.
type upgradeHandshake struct {
	loop     *loop
	url      *url.URL
	echo     bool
	headers  http.Header
	session  *session // the one to upgrade, or nil for a new one
	key      sessionKey
	sid      string
	flags    sessionFlags // of a new one
	verdict  *uint64      // see finish
	deflates bool         // agreed on
	peer     peer
	address  string // of a new one, once it has been let in
	place    string // likewise; see quota
	secure   bool
}

func (h *upgradeHandshake) upgrader() ws.Upgrader {
	return ws.Upgrader{
		OnHost: func(host []byte) error {
			h.headers.Set("Host", string(host))
			return nil
		},
		OnHeader: func(key, value []byte) error {
			h.headers.Add(string(key), string(value))
			return nil
		},
		OnBeforeUpgrade: h.check,
		Negotiate:       h.loop.gw.deflater.negotiate(h),
	}
}

// check applies Engine.IO's rules before the 101. A refusal is a 400 in plain text.
func (h *upgradeHandshake) check() (ws.HandshakeHeader, error) {
	if !h.loop.gw.live().door.admits(h.headers) {
		return nil, refuseUpgrade(engineio.Forbidden)
	}
	query := h.url.Query()
	if query.Get("transport") != "websocket" {
		return nil, refuseUpgrade(engineio.UnknownTransport)
	}
	if text := query.Get("sid"); text != "" {
		id, ok := h.loop.seal.open(text)
		if h.verdict != nil && *h.verdict != probeUnknown {
			return nil, nil
		}
		if ok {
			h.session = h.loop.session(id)
		}
		if h.session == nil {
			return nil, refuseUpgrade(engineio.UnknownSID)
		}
		return nil, nil
	}
	var ok bool
	if h.flags, ok = h.loop.gw.dialect(query); !ok {
		return nil, refuseUpgrade(engineio.UnsupportedProtocol)
	}
	if h.loop.gw.closed() {
		return nil, ws.RejectConnectionError(ws.RejectionStatus(http.StatusServiceUnavailable), ws.RejectionReason(ErrDraining.Error()))
	}
	address, secure := h.loop.gw.live().door.source(h.peer.address, h.peer.secure, h.headers)
	if h.place, ok = h.loop.gw.enter(address); !ok {
		return nil, ws.RejectConnectionError(ws.RejectionStatus(http.StatusServiceUnavailable), ws.RejectionReason("too many connections"))
	}
	h.address, h.secure = address, secure
	if h.echo {
		h.flags |= flagEcho
	}
	h.key, h.sid = h.loop.newSID()
	headers := http.Header{}
	h.loop.gw.setCookie(headers, h.sid)
	return ws.HandshakeHeaderHTTP(headers), nil
}

// leave gives the place back of a session that comes to nothing.
func (h *upgradeHandshake) leave() {
	h.loop.gw.quota.sessions.give(h.place)
}

func refuseUpgrade(code engineio.Code) error {
	return ws.RejectConnectionError(ws.RejectionStatus(code.Status()), ws.RejectionReason(code.Message()))
}

// encodeHandshake is what workers are told of a session's first request.
func encodeHandshake(headers http.Header, u *url.URL, address string, secure bool) []byte {
	blob, err := json.Marshal(backplane.Handshake{
		Headers: headers, Query: u.Query(), Address: address, URL: u.RequestURI(),
		Time: time.Now().UnixMilli(), Secure: secure, XDomain: headers.Get("Origin") != "",
	})
	if err != nil {
		panic("gateway: a handshake that is not JSON: " + err.Error())
	}
	return blob
}

// upgrade is a WebSocket that wants to take a polling session over.
type upgrade struct {
	conn    *conn    // nil while it is on another node
	arrival *arrival // of a session that is on another node
	token   string   // that the other node knows it by
	giveUp  time.Duration
	noopAt  time.Duration // when an open GET is ended; 0 before the probe
}

// probe begins an upgrade. A session that is upgrading, or has upgraded, accepts no second one.
func (s *session) probe(c *conn) {
	if s.upgrade != nil || s.conn != nil || s.state != sessionOpen {
		c.shut()
		return
	}
	c.session = s
	s.upgrade = &upgrade{conn: c, giveUp: s.loop.now + s.loop.gw.options.Engine.UpgradeTimeout}
	s.schedule()
}

// probeMessage handles what the new WebSocket sends before it has taken over: `2probe`, then `5`.
func (s *session) probeMessage(c *conn, data []byte, binary bool) {
	p, err := engineio.DecodePacket(data, binary)
	switch {
	case err == nil && p.Type == engineio.Ping && string(p.Data) == engineio.Probe:
		c.send(s.loop.gw.fixed.probe.frame)
		s.upgrade.noopAt = s.loop.now + noopDelay
		s.schedule()
	case err == nil && p.Type == engineio.Upgrade && s.state == sessionOpen:
		s.takeOver(c)
	default:
		s.upgrade = nil
		c.session = nil
		c.shut()
		s.schedule()
	}
}

// takeOver makes the WebSocket the session's transport.
func (s *session) takeOver(c *conn) {
	s.upgrade = nil
	s.conn = c
	if s.get != nil {
		s.reply(s.batch(s.loop.gw.fixed.noop))
	}
	queue := s.queue
	s.queue, s.queued = nil, 0
	for _, p := range queue {
		c.send(p.frame)
	}
	s.loop.gw.metrics.upgrades.Inc()
	s.schedule()
}

// abandonUpgrade drops an upgrade that failed; polling goes on, and another may be tried.
func (s *session) abandonUpgrade() {
	up := s.upgrade
	switch {
	case up == nil:
	case up.arrival != nil:
		up.arrival.end()
	case up.conn == nil:
		s.upgrade = nil
	default:
		s.upgrade = nil
		up.conn.session = nil
		up.conn.shut()
	}
}
