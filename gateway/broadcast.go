package gateway

import (
	"regexp"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
	"patchbay/protocol/socketio"
)

// target is whom an emit is for, as its subject tells; the emit's Rooms, if any, widen it.
type target struct {
	nsp    string
	room   string
	whole  bool           // the whole namespace, unless the emit names rooms
	socket bool           // room is a socket id: that socket, and a room of its name
	local  bool           // this node's sockets alone: no other node has it
	match  *regexp.Regexp // if set, every namespace whose name matches
}

// in reports whether a namespace is meant, as far as the subject tells.
func (t *target) in(nsp string) bool {
	return (t.nsp == "" || t.nsp == nsp) && (t.match == nil || t.match.MatchString(nsp))
}

// broadcast is an emit on its way through the loops. It is read-only and shared by them:
// encoded once, its packets go to every recipient as they are.
type broadcast struct {
	id     string // to be found by in the history, and the client's offset; empty if it is not to be recovered
	target target
	emit   backplane.Emit
	reply  string // where the client's acknowledgement goes
	tally  *tally // of an emit that asks many
	wire   *wire  // of a socket's, encoded by its loop
	mark   handoff.Mark
	own
}

func (b *broadcast) run(l *loop) {
	l.observe(b)
	if b.emit.Trace != nil {
		defer l.gw.tracer.deliver(l, b.emit.Trace, "event").End()
	}
	b.dispatch(l)
}

// dispatch delivers to the loop's share of the recipients.
func (b *broadcast) dispatch(l *loop) {
	if b.control != nil || b.answered != nil {
		b.toOwn(l)
		return
	}
	switch {
	case b.tally != nil:
		b.askAll(l)
		return
	case b.target.match != nil:
		b.toMatching(l)
		return
	case b.target.socket:
		b.toSocket(l)
		return
	}
	n := l.namespaces[b.target.nsp]
	if n == nil {
		return
	}
	b.to(l, n)
}

// toMatching delivers to each namespace that matches as if the emit were for it alone.
func (b *broadcast) toMatching(l *loop) {
	for name, n := range l.namespaces {
		if len(n.members) > 0 && b.target.in(name) {
			one := &broadcast{
				id: b.id, mark: b.mark, target: target{nsp: name, whole: true}, emit: b.emit, wire: b.encode(name),
			}
			one.to(l, n)
		}
	}
}

// to delivers to a namespace's share of the recipients.
func (b *broadcast) to(l *loop, n *namespace) {
	l.history.add(b, b.wire, l.now)
	switch {
	case len(b.emit.Rooms) > 0 || len(b.emit.Except) > 0:
		b.toUnion(l, n)
	case b.target.whole:
		for i := len(n.members) - 1; i >= 0; i-- {
			if i < len(n.members) {
				n.members[i].deliver(b.wire, b.emit.Volatile)
			}
		}
	default:
		b.toRoom(n.rooms[b.target.room])
	}
}

// toRoom delivers to a room. Members are walked from the end, since a delivery may close a session
// that cannot keep up, which moves the last member into its place.
func (b *broadcast) toRoom(r *room) {
	if r == nil {
		return
	}
	for i := len(r.members) - 1; i >= 0; i-- {
		if i < len(r.members) {
			r.members[i].socket.deliver(b.wire, b.emit.Volatile)
		}
	}
}

// toUnion delivers to several rooms, or to all less some.
func (b *broadcast) toUnion(l *loop, n *namespace) {
	chosen := b.choose(l, n)
	for i, k := range chosen {
		k.deliver(b.wire, b.emit.Volatile)
		chosen[i] = nil
	}
}

// choose finds the recipients in a namespace; see loop.choose.
func (b *broadcast) choose(l *loop, n *namespace) []*socket {
	return l.choose(n, b.rooms(), b.emit.Except, b.target.whole && len(b.emit.Rooms) == 0)
}

// choose returns the sockets of a namespace that are in any of some rooms, or all, less those in others. Each is marked with
// the number of this choice when it is left out or has been chosen. The list is good until the next choice.
func (l *loop) choose(n *namespace, rooms, except []string, whole bool) []*socket {
	l.pending.mark++
	mark := l.pending.mark
	for _, name := range except {
		if k := l.sockets[name]; k != nil {
			k.mark = mark
		}
		if r := n.rooms[name]; r != nil {
			for i := range r.members {
				r.members[i].socket.mark = mark
			}
		}
	}
	chosen := l.pending.chosen[:0]
	pick := func(k *socket) {
		if k.mark != mark && k.nsp == n && k.here() {
			k.mark = mark
			chosen = append(chosen, k)
		}
	}
	for _, name := range rooms {
		if k := l.sockets[name]; k != nil {
			pick(k)
		}
		if r := n.rooms[name]; r != nil {
			for i := range r.members {
				pick(r.members[i].socket)
			}
		}
	}
	if whole {
		for _, k := range n.members {
			pick(k)
		}
	}
	l.pending.chosen = chosen[:0]
	return chosen
}

// rooms are the rooms that the emit is for; none for a whole namespace.
func (b *broadcast) rooms() []string {
	switch {
	case len(b.emit.Rooms) > 0:
		return b.emit.Rooms
	case b.target.whole:
		return nil
	}
	return []string{b.target.room}
}

// toSocket delivers to one socket, and to a room that bears its id as a name.
func (b *broadcast) toSocket(l *loop) {
	k := l.sockets[b.target.room]
	if k != nil && (k.joining != nil && k.detached == nil || b.target.nsp != "" && b.target.nsp != k.nsp.name) {
		k = nil
	}
	if b.reply != "" {
		b.ask(k, l)
		return
	}
	nsp := b.target.nsp
	switch coming, ok := l.expected[b.target.room]; {
	case nsp != "":
	case k != nil:
		nsp = k.nsp.name
	case ok:
		nsp = coming.nsp
	}
	n := l.namespaces[nsp]
	if n == nil {
		return
	}
	// Each loop encodes for itself: the namespace may be known to the socket's loop alone.
	named := &broadcast{
		id: b.id, mark: b.mark, target: target{nsp: nsp, room: b.target.room}, emit: b.emit, wire: b.encode(nsp),
	}
	l.history.add(named, named.wire, l.now)
	if len(b.emit.Rooms) > 0 || len(b.emit.Except) > 0 {
		named.toUnion(l, n)
		return
	}
	if k != nil {
		k.deliver(named.wire, b.emit.Volatile)
	}
	named.toRoom(n.rooms[b.target.room])
}

// ask delivers an emit that wants an acknowledgement.
func (b *broadcast) ask(k *socket, l *loop) {
	if k != nil && k.moving() {
		return // its machine has it
	}
	if k == nil || !k.here() {
		// Other loops and nodes hear this too, if they have members of a room of that name: it is not
		// theirs to say that the socket is not there.
		if l.gw.loopOf(b.target.room) == l {
			l.gw.noAck(b.reply, ackNoSocket)
		}
		return
	}
	b.put(k, l)
}

// put delivers an emit that wants an acknowledgement to its socket, or to one of those that it asks.
func (b *broadcast) put(k *socket, l *loop) {
	reply := b.reply
	if b.emit.Ask {
		reply = l.gw.conn.Answer(reply, k.id)
	}
	switch {
	case !k.here() || k.session.state == sessionParting:
		l.gw.noAck(reply, ackNoSocket)
		return
	case b.emit.Volatile && !k.session.writable():
		l.gw.metrics.dropped.Inc()
		l.gw.noAck(reply, ackDropped)
		return
	}
	id, ok := k.owe(reply)
	if !ok {
		l.gw.noAck(reply, ackTooMany)
		return
	}
	k.transmit(encodePacket(socketio.Packet{
		Type: socketio.Event, Namespace: k.nsp.name, HasAck: true, AckID: id,
	}, b.emit.Payload), false)
}

// deliver sends the packets of one event, unless the socket gets its events from a handoff now.
func (k *socket) deliver(w *wire, volatile bool) {
	if !k.moving() {
		k.transmit(w, volatile)
	}
}

// transmit sends the packets of one event. Volatile ones are dropped if they would have to wait.
func (k *socket) transmit(w *wire, volatile bool) {
	s := k.session
	if k.detached != nil || s == nil || s.state == sessionParting {
		return // it is in the history
	}
	if volatile && !s.writable() {
		s.loop.gw.metrics.dropped.Inc()
		return
	}
	s.loop.gw.metrics.delivered.Inc()
	s.sendWire(w)
}

// encode encodes the emit for a namespace.
func (b *broadcast) encode(nsp string) *wire {
	w := encodeEvent(nsp, b.emit.Payload, b.id)
	w.plain = b.emit.Uncompressed
	return w
}

// encodeEvent encodes an event for all its recipients. The id, if there is one, is their offset: the
// last argument (Socket.IO, connection state recovery).
func encodeEvent(nsp string, payload backplane.Payload, id string) *wire {
	if id != "" {
		quoted := socketio.AppendString(make([]byte, 0, len(id)+2), id)
		payload.JSON = socketio.AppendArgument(make([]byte, 0, len(payload.JSON)+len(quoted)+1), payload.JSON, quoted)
	}
	return encodePacket(socketio.Packet{Type: socketio.Event, Namespace: nsp}, payload)
}

// encodePacket encodes a packet with a payload, and its attachments after it. Its type is
// Event or Ack, and becomes the binary form if there are attachments.
func encodePacket(p socketio.Packet, payload backplane.Payload) *wire {
	p.Payload = payload.JSON
	if n := len(payload.Attachments); n > 0 {
		p.Attachments = n
		p.Type += socketio.BinaryEvent - socketio.Event
	}
	w := newWire(len(p.Payload)+len(p.Namespace)+32, func(dst []byte) []byte { return socketio.AppendPacket(dst, p) })
	if p.Attachments > 0 {
		w.attach(payload.Attachments)
	}
	return w
}
