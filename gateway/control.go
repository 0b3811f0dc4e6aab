package gateway

import (
	"bytes"
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
)

// control is a request about one socket, on its way to the socket's loop.
type control struct {
	id      string
	reply   string
	request backplane.Control
}

func (t *control) run(l *loop) {
	k := l.sockets[t.id]
	if k == nil || !k.here() {
		t.answer(l.gw, &backplane.ControlReply{Error: backplane.NoSocket, Seen: l.gw.feed.seen()})
		return
	}
	if k.taking().putOff(t) {
		return
	}
	var err error
	transport := k.session.transport() // afterwards it may have none
	switch t.request.Op {
	case backplane.OpInfo:
	case backplane.OpJoin:
		err = k.joinAll(t.request.Rooms)
	case backplane.OpLeave:
		k.leaveAll(t.request.Rooms)
	case backplane.OpData:
		if len(t.request.Data) > l.gw.options.Limits.DataBytes {
			err = errDataSize
			break
		}
		k.data = bytes.Clone(t.request.Data)
		l.gw.feed.add(backplane.Change{Op: backplane.DataChanged, Socket: k.id, Data: k.data})
	case backplane.OpDisconnect:
		k.disconnect(t.request.Close)
	default:
		t.answer(l.gw, &backplane.ControlReply{Error: "unknown operation"})
		return
	}
	// The version is taken after the change was added: whoever asks with it sees the change.
	reply := &backplane.ControlReply{Transport: transport, Seen: l.gw.feed.seen()}
	reply.Rooms = append(k.roomNames(), k.id)
	slices.Sort(reply.Rooms)
	if err != nil {
		l.gw.log.Debug("control refused", zap.String("socket", k.id), zap.Error(err))
		reply.Error = err.Error()
	}
	if t.request.Op == backplane.OpJoin {
		k.heardEverywhere(t.request.Rooms, func() { t.answer(l.gw, reply) })
		return
	}
	t.answer(l.gw, reply)
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

func (k *socket) joinAll(rooms []string) error {
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
	for i := len(s.sockets) - 1; i >= 0 && s.state == sessionOpen; i-- {
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
	if s.state == sessionOpen { // else it went with its session
		k.remove(reasonServerLeft)
	}
}
