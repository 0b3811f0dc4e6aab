package gateway

import (
	"bytes"
	"encoding/json"
	"time"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// What of the past a session takes along for each socket: its client may come back with an offset from there.
const (
	maxPastEvents = 1000
	maxPastBytes  = 256 << 10
)

// requestedSession takes a Look or Give for a session of this loop.
func (l *loop) requestedSession(n *note, id sid) {
	s := l.session(id)
	var o *leaving
	for _, other := range l.leavings {
		if s != nil && other.session == s {
			o = other
		}
	}
	switch {
	case o != nil:
	case s == nil || s.state != sessionOpen || s.upgrade == nil || s.upgrade.token != n.Unit.Probe:
		l.gw.refuseHandoff(n, n.step(), handoff.Gone, "")
		return
	case n.Kind == noteGive && !s.settledDown():
		return // it is asked again
	default:
		o = &leaving{loop: l, session: s, sockets: append([]*socket(nil), s.sockets...), cause: "upgrade"}
		o.Owner = handoff.NewOwner[*parcel](l.gw.options.Handoff, l.seen, l.floor(o.sockets), broadcastSize)
	}
	if n.Kind == noteLook {
		o.answer(n, o.Look(l.now, handoff.Look{Token: n.Token}))
		return
	}
	o.answer(n, o.Give(l.now, handoff.Give{Token: n.Token}, n.From))
}

// settledDown reports whether nothing is under way for any of the sockets: a CONNECT, a new home, a handoff.
func (s *session) settledDown() bool {
	for _, k := range s.sockets {
		if k.joining != nil || k.homing != nil || k.frozen() {
			return false
		}
		// One that has just come here itself has heard what the others have not. All together, it is one unit again.
		if t := k.taking(); t != s.sockets[0].taking() || t != nil && t.Phase() != handoff.Trailing {
			return false
		}
	}
	return true
}

// pack stops a session and makes a parcel of it.
func (s *session) pack() *parcel {
	l := s.loop
	if s.get != nil {
		s.reply(s.batch(l.gw.fixed.noop))
	}
	box := &boxedSession{Handshake: s.handshake, Beat: s.beat - l.now, Flags: s.flags & (flagPinged | flagJoined | dialects)}
	if s.deadline != 0 {
		box.Deadline = max(1, s.deadline-l.now)
	}
	for _, p := range s.queue {
		box.Queue = append(box.Queue, boxedPacket{Data: p.payload(), Binary: p.binary})
	}
	if a := s.parts; a != nil {
		box.Parts = &boxedParts{Packet: a.packet, Attachments: a.attachments}
	}
	s.upgrade, s.state = nil, sessionMoving
	l.wheel.stop(&s.timer)
	p := &parcel{Session: box}
	for _, k := range s.sockets {
		b := k.box()
		if s.old() { // does not come back
		} else {
			k.boxPast(&b, maxPastEvents, maxPastBytes)
		}
		if k.acks != nil {
			b.Acks, b.NextAck = k.acks.replies, k.acks.next
		}
		b.Events, b.Given = k.boxEvents(), k.givenEvents()
		p.Sockets = append(p.Sockets, b)
	}
	return p
}

// box is what every socket takes along.
func (k *socket) box() boxed {
	return boxed{
		claims: k.claims(), Worker: k.worker, Data: k.data, Auth: k.auth, Owner: k.nsp.loop.tokens.of(k), Number: k.number,
	}
}

// boxPast adds the last events that the socket was sent, oldest first, the event before them, and whether there were more. If it is detached they are all
// that it has missed, as far as it might have queued them, and as many before.
func (k *socket) boxPast(box *boxed, events, bytes int) {
	h, c := &k.nsp.loop.history, collector{events: events, bytes: bytes}
	first, missed := k.since, h.next() // of what is in the history; all from there on
	if k.taking() != nil {
		first = h.next() // it is in the backlog
	}
	if k.detached != nil {
		missed = k.detached.position
		c.most = k.nsp.loop.gw.live().QueueBytes
	}
	for i := len(h.entries) - 1; i >= 0 && h.first+uint64(i) >= first && !c.full; i-- {
		if e, at := h.entries[i], h.first+uint64(i); e.b.reaches(k, at) {
			c.add(e, at >= missed)
		}
	}
	c.full = c.full || first < h.first // what lay between the backlog and the rest is gone
	backlog := k.backlog()
	for i := len(backlog) - 1; i >= 0 && !c.full; i-- {
		c.add(backlog[i], k.detached != nil)
	}
	box.Missed = make([]*sealed, len(c.found))
	for i, e := range c.found {
		box.Missed[len(c.found)-1-i] = e.b.seal()
	}
	box.Anchor, box.Trimmed = c.before, c.full
	if !c.full && k.arrears != nil {
		box.Anchor, box.Trimmed = k.arrears.anchor, k.arrears.trimmed
	}
}

// collector gathers events, newest first, until there are enough.
type collector struct {
	found         []past
	events, bytes int // at most, but for those that were missed
	most          int // bytes of those
	full          bool
	before        string // the id of the event that had no room: who has it has missed nothing but what was found
}

func (c *collector) add(e past, missed bool) {
	if missed && c.most < e.size || !missed && (c.events <= 0 || c.bytes <= 0) {
		c.full, c.before = true, e.b.id
		return
	}
	if missed {
		c.most -= e.size
	} else {
		c.events--
		c.bytes -= e.size
	}
	c.found = append(c.found, e)
}

// unpack makes the session what it was.
func (s *session) unpack(box *boxedSession) {
	now := s.loop.now
	s.handshake, s.beat = box.Handshake, now+box.Beat
	s.speak(box.Flags)
	if box.Deadline != 0 {
		s.deadline = now + box.Deadline
	}
	if p := box.Parts; p != nil {
		s.parts = &assembly{packet: p.Packet, attachments: p.Attachments, size: len(p.Packet.Payload)}
		for _, a := range p.Attachments {
			s.parts.size += len(a)
		}
	}
	s.state = sessionOpen
	if sessions := &s.loop.gw.quota.sessions; sessions.limit.Load() > 0 {
		var h backplane.Handshake
		if json.Unmarshal(box.Handshake, &h) == nil {
			s.entered(sessions.force(h.Address)) // it has been let in elsewhere
		}
	}
}

// unpackSocket makes a socket of the session what it was, and asks its worker whether the last event from the former node has come.
func (s *session) unpackSocket(box *boxed, t *taking) (*socket, error) {
	l, gw := s.loop, s.loop.gw
	at := l.history.next()
	k := &socket{
		id: box.ID, session: s, nsp: l.enter(box.Namespace), worker: gw.workerName(box.Worker), since: at,
		data: box.Data, auth: box.Auth,
	}
	k.unboxEvents(box)
	if err := k.nsp.add(k); err != nil {
		k.nsp.exit()
		return nil, err
	}
	l.sockets[k.id] = k
	l.tokens.hold(k, box.Owner)
	gw.routes.setPlace(k.id, whereabouts{loop: l})
	if k.foreign() {
		if err := gw.claimSocket(k.id, l); err != nil {
			return nil, err
		}
	}
	for _, name := range box.Rooms {
		if _, err := k.join(name); err != nil {
			return nil, err
		}
	}
	owed := k.owed()
	owed.at = l.now
	owed.anchor, owed.trimmed = box.Anchor, box.Trimmed
	for _, e := range box.Missed {
		owed.keep(e.open().past(k.nsp.name, l.now), gw.live().QueueBytes)
	}
	t.own(k, at)
	if box.NextAck > 0 {
		k.acks = &owedAcks{next: box.NextAck, replies: box.Acks}
		if k.acks.replies == nil {
			k.acks.replies = map[uint64]string{}
		}
	}
	s.sockets = append(s.sockets, k)
	gw.metrics.sockets.Inc()
	gw.feed.add(k.added())
	k.askMoved(t.Token())
	return k, nil
}

// verbMoved is the subject verb of workers' answers about sockets that have moved; see backplane.Moved.
const verbMoved = "moved"

// movedTimeout is how long a worker may take to say that it has had the last event from the former node. It waits itself for 2 s at most.
const movedTimeout = 4 * time.Second

// askMoved tells the socket's worker where it is now. Its client's events wait for the answer.
func (k *socket) askMoved(token string) {
	l, gw := k.nsp.loop, k.nsp.loop.gw
	data, err := json.Marshal(backplane.Moved{Token: token, Node: gw.options.ID, Epoch: gw.epoch.Load()})
	if err != nil {
		panic("gateway: a word that is not JSON: " + err.Error())
	}
	k.homing = &homing{joining: joining{giveUp: l.now + movedTimeout}, moved: true}
	reply := gw.conn.Node(gw.options.ID, verbMoved, k.id)
	gw.countPublish(gw.conn.PublishRequest(gw.conn.Worker(k.worker, "moved", k.id), reply, data))
	k.session.schedule()
}

// movedAnswer is a worker's answer to that.
type movedAnswer struct {
	id       string
	gone     bool // the worker is, or it does not know the socket
	standing backplane.Standing
}

func (t *movedAnswer) run(l *loop) {
	if k := l.sockets[t.id]; k != nil && k.homing != nil && k.homing.moved {
		if t.gone {
			k.homing = nil
			k.seekHome(false)
			return
		}
		k.arrived(t.standing)
	}
}

// arrived passes on what waited.
func (k *socket) arrived(s backplane.Standing) {
	k.homing = nil
	if g := k.ledger; g != nil && g.given > 0 {
		k.reconcile(s, g.first+uint64(g.given)-1)
	}
	k.give()
}

// boxedEvent is an event that no worker is known to be done with.
type boxedEvent struct {
	JSON        []byte   `json:"json"` // bytes: they must arrive as they are
	Attachments [][]byte `json:"attachments,omitempty"`
	AckID       uint64   `json:"ack,omitzero"`
	WantsAck    bool     `json:"wantsAck,omitempty"`
	Again       uint8    `json:"again,omitzero"`
	Fatal       uint8    `json:"fatal,omitzero"`
	Trace       string   `json:"trace,omitempty"` // as backplane.HeaderTrace has it
}

// boxEvents are the socket's unconfirmed events; the last has the socket's number.
func (k *socket) boxEvents() (all []boxedEvent) {
	if k.ledger == nil {
		return nil
	}
	for i := range k.ledger.len() {
		e, p := k.ledger.at(i), k.ledger.payload(i)
		all = append(all, boxedEvent{
			JSON: bytes.Clone(p.JSON), Attachments: p.Attachments, AckID: e.ackID, WantsAck: e.wantsAck, Again: e.again, Fatal: e.fatal,
			Trace: e.trace.header(),
		})
	}
	return all
}

// givenEvents is how many of them the worker has been given.
func (k *socket) givenEvents() int {
	if k.ledger == nil {
		return 0
	}
	return k.ledger.given
}

// unboxEvents undoes boxEvents.
func (k *socket) unboxEvents(box *boxed) {
	k.number = box.Number
	if len(box.Events) == 0 {
		return
	}
	l := k.nsp.loop
	g := l.open(k, box.Number+1-uint64(len(box.Events)))
	for _, e := range box.Events {
		g.add(backplane.Payload{JSON: e.JSON, Attachments: e.Attachments}, entry{
			ackID: e.AckID, wantsAck: e.WantsAck, again: e.Again, fatal: e.Fatal, trace: carried(e.Trace),
		})
	}
	k.ledger = g
	if g.given = min(box.Given, g.len()); g.given > 0 {
		l.home(k.worker).attach(g)
	}
}
