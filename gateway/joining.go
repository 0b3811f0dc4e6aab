package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/auth"
	"patchbay/protocol/socketio"
)

// joinRetry is the time between attempts to find a router or worker for a CONNECT that had no receiver.
const joinRetry = 200 * time.Millisecond

// joining is a CONNECT that is being decided.
type joining struct {
	request []byte        // a backplane.Connect, encoded
	giveUp  time.Duration // when the client is told that nobody answered
	retry   time.Duration // when to ask again; 0 while an answer may come
	claimed *claimed      // an acceptance that waits for its subscriptions
}

func (j *joining) next() time.Duration {
	if j.retry != 0 {
		return min(j.retry, j.giveUp)
	}
	return j.giveUp
}

// connect handles CONNECT (Socket.IO, section "Connection to a namespace").
func (s *session) connect(p socketio.Packet) {
	if s.state == sessionParting {
		return // it is not answered: the client comes back, and asks again
	}
	p.Payload = s.authOf(p)
	if gw := s.loop.gw; len(p.Payload) > gw.live().AuthBytes {
		gw.metrics.limited.WithLabelValues("auth").Inc()
		s.refuse(p.Namespace, &backplane.ConnectError{
			Message: "auth payload too large", Data: json.RawMessage(`{"code":"E_AUTH_TOO_LARGE","retry":false}`),
		})
		return
	}
	if k := s.socketIn(p.Namespace); k != nil {
		if k.joining == nil || k.detached != nil {
			s.forceClose(errSecondConnect)
			return
		}
		// A client that left and came again before it had an answer has sent nothing in between: the
		// new attempt takes the place of the old.
		k.remove("")
	}
	identity, err := s.identify(p)
	if err != nil {
		s.unidentified(p, err)
		return
	}
	if s.resume(p, identity) || s.state != sessionOpen {
		return
	}
	gw := s.loop.gw
	if len(s.sockets) >= gw.live().Namespaces {
		gw.metrics.limited.WithLabelValues("namespaces").Inc()
		s.refuse(p.Namespace, &backplane.ConnectError{
			Message: "too many namespaces", Data: json.RawMessage(`{"code":"E_TOO_MANY_NAMESPACES","retry":false}`),
		})
		return
	}
	k := s.newSocket(p, identity)
	k.ask(k.joining)
	s.schedule()
}

// newSocket adds a socket whose CONNECT is to be decided.
func (s *session) newSocket(p socketio.Packet, identity *auth.Identity) *socket {
	gw := s.loop.gw
	k := &socket{
		id:      gw.birth.NewSocketID(gw.options.ID, s.loop.index),
		session: s, nsp: s.loop.enter(p.Namespace), auth: bytes.Clone(p.Payload),
	}
	s.loop.tokens.hold(k, identity)
	k.joining = &joining{request: k.request(false), giveUp: s.loop.now + gw.options.Engine.AdmitTimeout}
	s.sockets = append(s.sockets, k)
	s.loop.sockets[k.id] = k
	return k
}

// request is the CONNECT as routers and workers get it; with recovered, of a socket that was joined before.
func (k *socket) request(recovered bool) []byte {
	gw := k.nsp.loop.gw
	c := backplane.Connect{
		Socket: k.id, Namespace: k.nsp.name, Node: gw.options.ID, Epoch: gw.epoch.Load(),
		Handshake: k.session.handshake, Auth: k.auth, Recovered: recovered,
	}
	if identity := k.nsp.loop.tokens.of(k); identity != nil {
		c.User, c.Claims = identity.User, identity.Claims
	}
	if recovered {
		c.Rooms, c.Data, c.Rehomed = k.roomNames(), k.data, k.detached == nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // six bytes for one would take an auth payload over NATS's limit
	if err := enc.Encode(c); err != nil {
		panic("gateway: a CONNECT that is not JSON: " + err.Error()) // each part was JSON when it came
	}
	return b.Bytes()
}

// ask sends the CONNECT to a router. The answer comes to intake, on our `connected` subject.
func (k *socket) ask(j *joining) {
	gw := k.nsp.loop.gw
	j.retry = 0
	m := &backplane.Msg{
		Subject: gw.conn.Connect(k.nsp.name),
		Reply:   gw.conn.Node(gw.options.ID, "connected", k.id),
		Data:    j.request,
	}
	if backplane.Hashed(backplane.Token(k.nsp.name)) {
		backplane.SetNamespace(m, k.nsp.name)
	}
	if err := gw.conn.PublishMsg(m); err != nil {
		j.retry = k.nsp.loop.now + joinRetry
	}
}

// retryJoins asks again for the CONNECTs that had no receiver, and refuses those that waited too long.
func (s *session) retryJoins(now time.Duration) {
	for i := 0; i < len(s.sockets); i++ {
		k := s.sockets[i]
		switch {
		case k.homing != nil:
			k.search(now)
		case k.joining == nil:
		case now >= k.joining.giveUp:
			s.loop.gw.metrics.connects.WithLabelValues("timeout").Inc()
			k.remove("")
			s.refuse(k.nsp.name, &backplane.ConnectError{
				Message: "server unavailable", Data: json.RawMessage(`{"code":"E_UNAVAILABLE","retry":true}`),
			})
			i--
		case k.joining.retry != 0 && now >= k.joining.retry:
			k.ask(k.joining)
		}
	}
}

// connected is an answer to a CONNECT, on its way to the loop of the socket.
type connected struct {
	id     string
	answer backplane.Connected
	none   bool // nobody was there to answer
}

func (t *connected) run(l *loop) {
	k := l.sockets[t.id]
	switch {
	case k != nil && k.homing != nil:
		k.settle(t)
	case k == nil || k.joining == nil:
		// The client is gone, or another worker was quicker: this one must not keep the socket.
		if t.answer.Worker != "" && t.answer.Error == nil && (k == nil || k.worker != t.answer.Worker) {
			l.gw.toWorker(t.answer.Worker, "disconnect", t.id, []byte(reasonTransportClose))
		} else if t.answer.Worker != "" && t.answer.Error == nil && k.session != nil {
			k.open() // its worker may have lost that word, or it comes twice, which does no harm
		}
	case k.joining.claimed != nil: // accepted already
		if t.answer.Worker != "" && t.answer.Error == nil && k.joining.claimed.answer.Worker != t.answer.Worker {
			l.gw.toWorker(t.answer.Worker, "disconnect", t.id, []byte(reasonTransportClose))
		}
	case t.none:
		k.joining.retry = l.now + joinRetry
		k.session.schedule()
	case t.answer.Error != nil:
		l.gw.metrics.connects.WithLabelValues("refused").Inc()
		s := k.session
		k.remove("")
		s.refuse(k.nsp.name, t.answer.Error)
	case !k.claimFirst(&t.answer):
		k.accept(&t.answer)
	}
}

// accept completes a CONNECT: from here on the socket is a member, has a home, and is public.
func (k *socket) accept(answer *backplane.Connected) {
	gw := k.nsp.loop.gw
	k.worker = gw.workerName(answer.Worker)
	if len(answer.Data) > 0 {
		k.data = bytes.Clone(answer.Data)
	}
	if k.detached == nil {
		if err := k.nsp.add(k); err != nil {
			k.subscriptionFailed(err)
			return
		}
		k.since = k.nsp.loop.history.next()
	}
	k.joining = nil
	gw.metrics.sockets.Inc()
	for _, name := range answer.Rooms {
		_, err := k.join(name)
		switch {
		case errors.Is(err, errRooms) || errors.Is(err, errRoomName):
			gw.log.Warn("a socket cannot be in a room that its worker gave it", zap.String("socket", k.id), zap.Error(err))
		case err != nil:
			k.subscriptionFailed(err)
			return
		}
	}
	gw.metrics.connects.WithLabelValues("accepted").Inc()
	if k.detached != nil {
		k.welcomeBack()
		return
	}
	k.announce()
}

// announce makes the socket public, and tells the client that it has joined.
func (k *socket) announce() {
	s, l := k.session, k.nsp.loop
	if s == nil { // what it had missed was more than it may have queued
		return
	}
	s.flags |= flagJoined
	s.deadline = 0
	l.gw.feed.add(k.added())
	// The subscriptions are made, on this same connection: what the worker emits from here on arrives.
	k.open()
	pid := ""
	if l.history.window > 0 {
		pid = l.seal.pid(k.id)
	}
	s.sendText(func(dst []byte) []byte {
		if s.old() {
			return socketio.AppendPacket(dst, socketio.Packet{Type: socketio.Connect, Namespace: k.nsp.name})
		}
		return socketio.AppendConnect(dst, k.nsp.name, k.id, pid)
	})
	s.schedule()
}

// subscriptionFailed ends a session that could not hear its rooms: the NATS connection is closed for good.
func (k *socket) subscriptionFailed(err error) {
	k.nsp.loop.gw.log.Error("cannot subscribe for a socket", zap.String("socket", k.id), zap.Error(err))
	k.session.close(reasonTransportError, closeServer)
}

// refuse sends CONNECT_ERROR. It does not stop the connect timeout.
func (s *session) refuse(nsp string, e *backplane.ConnectError) {
	s.sendText(func(dst []byte) []byte {
		if s.old() {
			return socketio.AppendError4(dst, nsp, e.Message, e.Data)
		}
		return socketio.AppendConnectError(dst, nsp, e.Message, e.Data)
	})
}

// sendText sends a Socket.IO packet, which append encodes.
func (s *session) sendText(appendPacket func(dst []byte) []byte) {
	s.sendWire(newWire(64, appendPacket))
}
