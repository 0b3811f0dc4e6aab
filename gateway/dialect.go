package gateway

import (
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"time"

	"patchbay/protocol/engineio"
	"patchbay/protocol/socketio"
)

// dialects are what a session's client may speak besides Engine.IO 4 with JSON: Engine.IO 3, which is what Socket.IO 2
// clients speak, or msgpack. Of the first the handshake tells, of the second the first Socket.IO packet.
const dialects = flagOld | flagBase64 | flagMsgpack | flagSpoke

// The kinds of clients that a gateway has met.
const (
	kindOld       uint32 = 1 << iota // Engine.IO 3
	kindDeflating                    // permessage-deflate
	kindMsgpack                      // the msgpack parser
)

// dialect is what the query of a handshake tells of the client. ok is false for a version that is not served.
// As in the reference, any version but 4 counts as 3 where that is allowed.
func (gw *Gateway) dialect(query url.Values) (flags sessionFlags, ok bool) {
	if query.Get("EIO") == strconv.Itoa(engineio.Protocol) {
		return 0, true
	}
	if !gw.options.Engine.AllowEIO3 {
		return 0, false
	}
	flags = flagOld
	if query.Get("b64") != "" {
		flags |= flagBase64
	}
	return flags, true
}

// speak notes what a session's client speaks.
func (s *session) speak(flags sessionFlags) {
	s.flags |= flags
	if flags&flagOld != 0 {
		s.loop.gw.kinds.Or(kindOld)
	}
	if flags&flagMsgpack != 0 {
		s.loop.gw.kinds.Or(kindMsgpack)
	}
}

// old reports whether the client speaks Engine.IO 3 and Socket.IO 4, the protocols of Socket.IO 2.
func (s *session) old() bool { return s.flags&flagOld != 0 }

// greetingDelay is the time from the 101 of an old client's WebSocket to the handshake. Clients exist, the protocol's own
// test suite among them, that listen for messages only once the WebSocket is open: what comes with the 101 they miss.
const greetingDelay = 20 * time.Millisecond

// greeting is a handshake that is yet to be sent.
type greeting struct {
	session *session
	sid     string
	timer   timer
}

// expire implements expirer.
func (g *greeting) expire(time.Duration) {
	if g.session.state == sessionOpen {
		g.session.start(g.sid)
	}
}

// greet begins a session on a WebSocket.
func (s *session) greet(sid string) {
	if !s.old() {
		s.start(sid)
		return
	}
	g := &greeting{session: s, sid: sid}
	s.loop.wheel.set(&g.timer, s.loop.now+greetingDelay, g)
}

// patience is how long a client of Engine.IO 3 may be silent: there it is the client that pings.
func (l *loop) patience() time.Duration {
	return l.gw.options.Engine.PingInterval + l.gw.options.Engine.PingTimeout
}

// pinged answers a client's ping, which only Engine.IO 3 has.
func (s *session) pinged() {
	s.beat = s.loop.now + s.loop.patience()
	s.confirm(s.loop.now)
	s.schedule()
	s.send(s.loop.gw.fixed.pong)
}

// decode takes a WebSocket message apart.
func (s *session) decode(data []byte, binary bool) (engineio.Packet, error) {
	if s.old() {
		return engineio.DecodePacket3(data, binary)
	}
	return engineio.DecodePacket(data, binary)
}

// packets are those in the body of a POST.
func (s *session) packets(r *request) iter.Seq2[engineio.Packet, error] {
	if s.old() {
		return engineio.Packets3(r.body, r.kind == requestBytes)
	}
	return engineio.Packets(r.body)
}

// sendBinary sends a binary message, whoever else gets it.
func (s *session) sendBinary(data []byte) {
	var p packet
	switch {
	case !s.old():
		s.send(binaryPacket(data))
		return
	case s.flags&flagBase64 != 0:
		p = base64Packet(data)
	default:
		p = framedPacket(data)
	}
	s.send(&p)
}

// batch is the answer to a GET that carries some packets.
func (s *session) batch(packets ...*packet) response {
	size := 0
	binary := false
	for _, p := range packets {
		size += len(p.frame)
		binary = binary || p.binary
	}
	body := make([]byte, 0, size+len(packets))
	for _, p := range packets {
		switch {
		case !s.old():
			body = p.appendPoll(body)
		case binary:
			body = engineio.AppendBinaryPayloadPacket3(body, p.payload(), p.binary)
		default:
			body = engineio.AppendPayloadPacket3(body, p.payload())
		}
	}
	answer := okText(body)
	if s.old() && binary {
		answer.contentType = octetStream
	}
	return answer
}

// implied is the CONNECT to the main namespace that clients of Socket.IO 2 leave out.
func (s *session) implied() {
	s.connect(socketio.Packet{Type: socketio.Connect, Namespace: socketio.Root})
}

// authOf is the auth payload of a CONNECT. Clients of Socket.IO 2 have none: their namespaces' queries stand for it.
func (s *session) authOf(p socketio.Packet) []byte {
	if !s.old() {
		return p.Payload
	}
	query, err := url.ParseQuery(p.Query)
	if err != nil || len(query) == 0 {
		return nil
	}
	auth := make(map[string]string, len(query))
	for name, values := range query {
		auth[name] = values[len(values)-1]
	}
	blob, err := json.Marshal(auth)
	if err != nil {
		panic("gateway: a query that is not JSON: " + err.Error())
	}
	return blob
}
