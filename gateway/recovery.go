package gateway

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"patchbay/gateway/auth"
	"patchbay/protocol/socketio"
)

// A private id, with which a client asks for its socket back, is 16 base64url characters, an HMAC-SHA256 of
// the socket's id under the cluster secret, and the id. Nobody can guess it, any gateway can
// check it, and nobody has to store it.
const (
	pidMAC     = 12
	pidMACText = 16
)

// pid is the private id of a socket.
func (s *sealer) pid(socket string) string {
	return base64.RawURLEncoding.EncodeToString(s.pidSum(socket)) + socket
}

// openPID returns the socket whose private id it is; ok is false for anything else.
func (s *sealer) openPID(pid string) (socket string, ok bool) {
	if len(pid) <= pidMACText {
		return "", false
	}
	socket = pid[pidMACText:]
	return socket, s.equal(base64.RawURLEncoding.EncodeToString(s.pidSum(socket)), pid[:pidMACText])
}

func (s *sealer) pidSum(socket string) []byte {
	s.mac.Reset()
	s.mac.Write([]byte("pid "))
	s.mac.Write([]byte(socket))
	s.buf = s.mac.Sum(s.buf[:0])
	return s.buf[:pidMAC]
}

// comeback is what a CONNECT says of an earlier connection.
type comeback struct {
	PID    *string `json:"pid"`
	Offset string  `json:"offset"` // id of the last event received; empty if there was none
}

// resume tries to give a CONNECT its earlier socket back. False means that the client starts anew.
func (s *session) resume(p socketio.Packet, identity *auth.Identity) bool {
	l := s.loop
	if l.history.window == 0 || s.old() || len(p.Payload) == 0 || !strings.Contains(string(p.Payload), `"pid"`) {
		return false
	}
	var back comeback
	if err := json.Unmarshal(p.Payload, &back); err != nil || back.PID == nil {
		return false
	}
	id, ok := l.seal.openPID(*back.PID)
	if !ok {
		l.gw.metrics.recoveries.WithLabelValues("forged").Inc()
		return false
	}
	if k := l.sockets[id]; k != nil && !k.frozen() {
		return s.reclaim(k, p.Namespace, back.Offset, identity)
	}
	return s.fetch(id, p, back.Offset, identity)
}

// reclaim gives a socket of this loop back to its client.
func (s *session) reclaim(k *socket, nsp, offset string, identity *auth.Identity) bool {
	if k.nsp.name != nsp || !s.loop.tokens.mayResume(k, identity) || k.session == s {
		return false
	}
	if k.overtake(); k.joining != nil {
		return false
	}
	if k.session != nil { // we have not noticed that its connection is gone
		k.session.close(reasonTransportClose, closeBroken)
	}
	if k.detached == nil {
		return false
	}
	from, ok := k.missedSince(offset)
	if !ok {
		k.forget("too late")
		return false
	}
	k.owed().from = from
	k.detached.until = s.loop.now + s.loop.history.window
	s.loop.tokens.hold(k, identity)
	s.rejoin(k)
	return true
}

// overtake ends an attempt of the socket's client to come back that it has given up: it has come once more, here or elsewhere, before we
// have noticed that the connection of that attempt is gone.
func (k *socket) overtake() {
	if k != nil && k.joining != nil && k.detached != nil {
		k.session.close(reasonTransportClose, closeBroken)
	}
}

// missedSince finds the position from which a client with an offset missed something.
func (k *socket) missedSince(offset string) (from replayPoint, ok bool) {
	h := &k.nsp.loop.history
	from.position = k.since
	if k.taking() != nil {
		from.position = h.next() // all that it missed is in the backlog
	}
	if offset == "" && k.arrears != nil && (k.arrears.trimmed || k.arrears.anchor != "") {
		return from, false // it has had something
	}
	if offset != "" {
		index, found := k.inBacklog(offset)
		if !found {
			position, found := h.after(offset)
			if !found || k.taking() != nil {
				return from, false
			}
			index, from.position = len(k.backlog()), max(position, k.since)
		}
		from.backlog = index
	}
	_, ok = h.since(from.position)
	return from, ok
}

// replayPoint says what a client has: the backlog up to an index, then the history up to a position.
type replayPoint struct {
	backlog  int
	position uint64
}

// inBacklog finds how much of its backlog a client with an offset has.
func (k *socket) inBacklog(offset string) (index int, ok bool) {
	if k.arrears != nil && k.arrears.anchor == offset {
		return 0, true
	}
	for i, e := range k.backlog() {
		if e.b.id == offset {
			return i + 1, true
		}
	}
	return 0, false
}

// rejoin asks the socket's worker, or another, to take it back.
func (s *session) rejoin(k *socket) {
	gw := s.loop.gw
	k.session = s
	k.joining = &joining{request: k.request(true), giveUp: s.loop.now + gw.options.Engine.AdmitTimeout}
	s.sockets = append(s.sockets, k)
	k.ask(k.joining)
	s.schedule()
}

// welcomeBack completes a recovery: what was missed, then the CONNECT packet, then what is new.
func (k *socket) welcomeBack() {
	l, owed := k.nsp.loop, k.owed()
	entries, ok := l.history.since(owed.from.position)
	if k.taking() != nil { // all is in the backlog
		entries, ok = nil, true
	}
	if !ok { // it was dropped while the worker was asked
		k.giveBack("too late")
		return
	}
	k.undetach()
	owed.at = l.now
	l.gone.schedule(l)
	replayed := 0
	for _, e := range owed.backlog[owed.from.backlog:] {
		k.transmit(e.wire, false)
		replayed++
	}
	for i := range entries {
		if entries[i].b.reaches(k, owed.from.position+uint64(i)) {
			k.transmit(entries[i].wire, false)
			replayed++
		}
	}
	l.gw.metrics.recoveries.WithLabelValues("recovered").Inc()
	l.gw.metrics.replayed.Add(float64(replayed))
	k.announce()
}

// giveBack ends an attempt to recover: the socket is forgotten, and its client refused so that it comes anew.
func (k *socket) giveBack(outcome string) {
	s := k.session
	s.withdraw(k)
	k.joining, k.session = nil, nil
	k.nsp.loop.gw.metrics.sockets.Dec()
	k.nsp.loop.gw.toWorker(k.worker, "disconnect", k.id, []byte(reasonForcedClose))
	k.forget(outcome)
	s.close(reasonForcedClose, closeServer)
}

// reaches reports whether an emit of the past was for the socket: it was for the namespace, or for a room in
// which the socket was by then.
func (b *broadcast) reaches(k *socket, position uint64) bool {
	if b.target.nsp != k.nsp.name {
		return false
	}
	for _, name := range b.emit.Except {
		if name == k.id || k.inSince(name, position) {
			return false
		}
	}
	rooms := b.rooms()
	if rooms == nil {
		return position >= k.since
	}
	for _, name := range rooms {
		if name == k.id || k.inSince(name, position) {
			return true
		}
	}
	return false
}

func (k *socket) inSince(name string, position uint64) bool {
	for i := range k.rooms {
		if k.rooms[i].room.name == name {
			return k.rooms[i].since <= position
		}
	}
	return false
}
