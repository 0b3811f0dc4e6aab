package gateway

import (
	"encoding/json"
	"errors"
	"slices"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// What a control request can ask too much of.
var (
	errRooms    = errors.New("too many rooms")
	errRoomName = errors.New("room name too long")
	errDataSize = errors.New("socket data too large")
	errUnknown  = errors.New("unknown operation")
)

// control is a request about one socket, on its way to the socket's loop.
type control struct {
	id      string
	reply   string
	request backplane.Control
}

// decode reads a request. Those of the status page may ask for what their verbs say and for nothing else.
func (t *control) decode(verb string, data []byte) error {
	if verb == backplane.VerbStatus {
		t.request.Op = backplane.OpStatus
		return nil
	}
	err := json.Unmarshal(data, &t.request)
	if verb == backplane.VerbEnd {
		t.request = backplane.Control{Op: backplane.OpDisconnect, Close: t.request.Close}
	}
	return err
}

func (t *control) run(l *loop) {
	k := l.sockets[t.id]
	if k == nil || !k.here() || t.request.Namespace != "" && t.request.Namespace != k.nsp.name {
		t.answer(l.gw, &backplane.ControlReply{Error: backplane.NoSocket, Seen: l.gw.feed.seen()})
		return
	}
	if k.taking().putOff(t) {
		return
	}
	l.obeyed.add(t)
	reply := &backplane.ControlReply{Transport: k.session.transport()} // afterwards it may have none
	err := t.perform(k, reply)
	// The version is taken after the change was added: whoever asks with it sees the change.
	reply.Seen = l.gw.feed.seen()
	reply.Rooms = append(k.roomNames(), k.id)
	slices.Sort(reply.Rooms)
	if err != nil {
		l.gw.log.Debug("control refused", zap.String("socket", k.id), zap.Error(err))
		reply.Error = err.Error()
	}
	switch t.request.Op {
	case backplane.OpJoin:
		k.heardEverywhere(t.request.Rooms, func() { t.answer(l.gw, reply) })
	case backplane.OpUser:
		k.heardEverywhere([]string{backplane.UserRoom(t.request.User)}, func() { t.answer(l.gw, reply) })
	default:
		t.answer(l.gw, reply)
	}
}

// perform does what is asked of the socket.
func (t *control) perform(k *socket, reply *backplane.ControlReply) error {
	c := &t.request
	switch c.Op {
	case backplane.OpInfo:
		reply.Data, reply.Worker = k.data, k.worker
	case backplane.OpStatus:
		reply.Link = k.session.link()
	case backplane.OpHandshake:
		reply.Data, reply.Handshake, reply.Auth = k.data, k.session.handshake, k.auth
		if identity := k.nsp.loop.tokens.of(k); identity != nil {
			reply.User, reply.Claims = identity.User, identity.Claims
		}
	case backplane.OpJoin:
		return k.joinAll(c.Rooms)
	case backplane.OpLeave:
		k.leaveAll(c.Rooms)
	case backplane.OpData:
		return k.replaceData(c.Data)
	case backplane.OpSet:
		return k.setData(c.Data)
	case backplane.OpUser:
		return k.setUser(c.User)
	case backplane.OpDisconnect:
		k.disconnect(c.Close)
	default:
		return errUnknown
	}
	return nil
}

// here reports whether the socket is joined and its client is here.
func (k *socket) here() bool { return k.joining == nil && k.detached == nil }

// cancel implements canceller.
func (t *control) cancel() {}

// answer replies. It is published on the connection that subscribed for a join, so an emit
// that follows the answer finds the subscription in place.
func (t *control) answer(gw *Gateway, reply *backplane.ControlReply) {
	if t.reply == "" {
		return
	}
	data, err := json.Marshal(reply)
	if err != nil {
		panic("gateway: a control reply that is not JSON: " + err.Error())
	}
	gw.countPublish(gw.conn.Publish(t.reply, data))
}

// joinAll joins rooms, but no user's: whoever may name rooms could read what is for that user.
func (k *socket) joinAll(rooms []string) error {
	for _, name := range rooms {
		if _, ok := backplane.UserOf(name); ok && !k.in(name) {
			return errUserRoom
		}
	}
	return k.enterAll(rooms)
}

// enterAll joins rooms of whatever kind.
func (k *socket) enterAll(rooms []string) error {
	joined := make([]string, 0, len(rooms))
	var failed error
	for _, name := range rooms {
		is, err := k.join(name)
		if err != nil {
			failed = err
			break
		}
		if is {
			joined = append(joined, name)
		}
	}
	if len(joined) > 0 {
		k.nsp.loop.gw.feed.add(backplane.Change{Op: backplane.RoomsJoined, Socket: k.id, Rooms: joined})
	}
	return failed
}

func (k *socket) leaveAll(rooms []string) {
	left := make([]string, 0, len(rooms))
	for _, name := range rooms {
		if k.leave(name) {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		k.nsp.loop.gw.feed.add(backplane.Change{Op: backplane.RoomsLeft, Socket: k.id, Rooms: left})
	}
}

// disconnect is the server's: the client gets DISCONNECT and does not come back by itself. With
// end, the other namespaces of its session get it too, and the connection ends.
func (k *socket) disconnect(end bool) {
	s := k.session
	k.dismiss()
	if !end {
		return
	}
	// A dismissal may close the session, and with it all sockets: its packet can be one too many.
	for i := len(s.sockets) - 1; i >= 0 && s.lives(); i-- {
		if other := s.sockets[i]; other.joining == nil {
			other.dismiss()
		}
	}
	s.close(reasonForcedClose, closeServer)
}

// dismiss takes the socket out of its namespace and tells the client.
func (k *socket) dismiss() {
	s := k.session
	s.sendText(func(dst []byte) []byte { return socketio.AppendDisconnect(dst, k.nsp.name) })
	if s.lives() { // else it went with its session
		k.remove(reasonServerLeft)
	}
}
