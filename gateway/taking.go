package gateway

import (
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// maxHops is how often a client's search for its socket is sent on to another node.
const maxHops = 4

// taking is a socket of another node on its way to this loop, from the question where it is until nothing can
// come twice any more (handoff.Taker). Owned by its loop.
type taking struct {
	*handoff.Taker[*offer, *parcel, *broadcast]
	loop   *loop
	fetch  *fetching // what is wanted, and who holds its place
	nsp    string
	owner  string              // the node that has it; empty until one has answered
	rooms  map[string]struct{} // claimed
	socket *socket             // once adopted
	hops   int
	late   []*control // joins and leaves that wait for Finish
	timer  timer
	done   bool
}

// take begins to bring a socket here. owner may be empty: then its own subject is asked.
func (l *loop) take(f *fetching, nsp, owner string, hops int) {
	token := l.gw.options.ID + "." + strconv.Itoa(l.index) + "." + backplane.NewID('h')
	t := &taking{
		Taker: handoff.NewTaker[*offer, *parcel](l.gw.options.Handoff, token, broadcastSize),
		loop:  l, fetch: f, nsp: nsp, owner: owner, hops: hops, rooms: map[string]struct{}{},
	}
	l.takings[token] = t
	t.do(t.Start(l.now))
}

// tokenLoop is the loop of a taker, by its token; nil if the token is not ours.
func (gw *Gateway) tokenLoop(token string) *loop {
	node, rest, _ := strings.Cut(token, ".")
	index, _, _ := strings.Cut(rest, ".")
	i, err := strconv.Atoi(index)
	if err != nil || node != gw.options.ID || i < 0 || i >= len(gw.loops) {
		return nil
	}
	return gw.loops[i]
}

// do carries out what the machine wants.
func (t *taking) do(actions []handoff.Action) {
	l := t.loop
	for _, a := range actions {
		switch a := a.(type) {
		case handoff.Look:
			t.look()
		case handoff.Give:
			t.tell(&note{Kind: noteGive, Unit: t.wanted()})
		case handoff.Confirm:
			t.tell(&note{Kind: noteConfirm, Grant: a.Grant, Count: a.Received})
		case handoff.Decline:
			t.tell(&note{Kind: noteDecline})
		case handoff.Done:
			t.tell(&note{Kind: noteDone})
		case handoff.Claim[*offer]:
			t.claim(a.Offer.Rooms)
		case handoff.Stage[*parcel]:
			t.claim(a.State.Rooms)
		case handoff.Adopt[*parcel]:
			t.adopt(a.State)
		case handoff.Deliver[*broadcast]:
			t.deliver(a.Mark, a.Message)
		case handoff.Finish:
			if a.Torn {
				t.torn()
			}
			t.catchUp()
		case handoff.Retire:
			t.retire()
		case handoff.Release:
			t.fetch.release(l)
		case handoff.Fail:
			t.failed(a)
		}
	}
	if at, ok := t.Due(); ok && !t.done {
		l.wheel.set(&t.timer, at, t)
	} else {
		l.wheel.stop(&t.timer)
	}
}

// expire implements expirer.
func (t *taking) expire(now time.Duration) {
	if place := t.fetch.place; t.socket == nil && (place.session == nil || place.joining == nil) {
		if actions := t.Abandon(now); actions != nil { // the client is gone
			t.do(actions)
			return
		}
	}
	t.do(t.Tick(now))
}

func (t *taking) wanted() wanted {
	return wanted{Socket: t.fetch.id, Namespace: t.nsp, Offset: t.fetch.offset}
}

func (t *taking) look() {
	n := &note{Kind: noteLook, Token: t.Token(), Unit: t.wanted()}
	if t.owner != "" {
		t.loop.gw.tell(t.owner, n)
		return
	}
	t.loop.gw.sendNote(t.loop.gw.conn.SocketTake(t.fetch.id), n)
}

// tell sends a note to the owner.
func (t *taking) tell(n *note) {
	n.Token = t.Token()
	t.loop.gw.tell(t.owner, n)
}

// claim has this loop hear what goes to the socket, its namespace and rooms, before the owner learns of it.
func (t *taking) claim(rooms []string) {
	l, f := t.loop, t.fetch
	var failed error
	add := func(subject string, err error) {
		if err != nil {
			failed = err
			return
		}
		f.subjects = append(f.subjects, subject)
	}
	if f.subjects == nil {
		own, nsp := l.gw.conn.SocketAll(f.id), l.gw.conn.Namespace(t.nsp)
		add(own, l.gw.claimSocket(f.id, l))
		add(nsp, l.gw.interest.Claim(nsp, l.index))
	}
	for _, name := range rooms {
		if _, ok := t.rooms[name]; !ok {
			t.rooms[name] = struct{}{}
			r := room{nsp: &namespace{loop: l}, name: name, subject: l.gw.conn.Room(t.nsp, name)}
			add(r.subject, r.claim())
		}
	}
	if failed != nil { // the connection is closed for good
		l.gw.log.Error("cannot subscribe for a socket that moves", zap.String("socket", f.id), zap.Error(failed))
	}
}

// heard gives the machine an emit that reached this loop.
func (t *taking) heard(b *broadcast) {
	switch {
	case b.mayName(t.fetch.id, t.nsp, t.rooms):
		t.do(t.Held(t.loop.now, b.mark, b))
	case t.socket != nil && b.names(t.socket):
		t.deliver(b.mark, b) // for a room that it was not in before: the owner knows nothing of it
	}
}

// maxLate is how many joins and leaves wait while a socket settles; what is beyond it is done at once.
const maxLate = 256

// putOff keeps a join or leave until all is delivered that was emitted before. It reports whether it did.
func (t *taking) putOff(c *control) bool {
	if t == nil || t.Phase() != handoff.Settling || len(t.late) >= maxLate ||
		c.request.Op != backplane.OpJoin && c.request.Op != backplane.OpLeave {
		return false
	}
	t.late = append(t.late, c)
	return true
}

// catchUp does what was put off.
func (t *taking) catchUp() {
	late := t.late
	t.late = nil
	for _, c := range late {
		c.run(t.loop)
	}
}

// adopt makes the socket this loop's, and asks its worker to take it back.
func (t *taking) adopt(p *parcel) {
	l, f := t.loop, t.fetch
	at := l.history.next()
	packed := &packed{socket: &socket{id: f.id, worker: p.Worker, data: p.Data, auth: p.Auth}, rooms: p.Rooms}
	for _, e := range p.Missed {
		packed.backlog = append(packed.backlog, e.open().past(t.nsp, l.now))
	}
	l.gw.routes.setPlace(f.id, whereabouts{loop: l})
	k, err := packed.adopt(l, t.nsp, at)
	if err != nil {
		l.gw.unroute(f.id, l)
		f.abandon(l, "failed")
		t.do(t.Abandon(l.now))
		return
	}
	l.gw.route(f.id, l)
	t.socket = k
	owed := k.owed()
	owed.anchor, owed.taking, owed.from = f.offset, t, replayPoint{position: at}
	f.release(l)
	if birth, _, _ := backplane.SplitSocketID(k.id); birth != l.gw.options.ID {
		l.gw.tell(birth, &note{Kind: noteHolder, Unit: wanted{Socket: k.id}})
	}
	l.gw.countHandoff("taken")
	s := f.place.session
	if s == nil || f.place.joining == nil { // the client is gone again; it may come back once more
		return
	}
	f.place.remove("")
	s.rejoin(k)
}

// deliver dispatches an emit to the socket alone.
func (t *taking) deliver(mark handoff.Mark, b *broadcast) {
	k := t.socket
	if k == nil || k.arrears == nil || k.arrears.taking != t {
		return
	}
	if o := k.arrears.leaving; o != nil && o.Phase() == handoff.Given {
		o.do(o.Message(t.loop.now, mark, b))
		return
	}
	k.hand(b)
}

// torn ends a socket that has lost messages on its way: it must not miss something silently.
func (t *taking) torn() {
	k := t.socket
	t.loop.gw.countHandoff("torn")
	t.loop.gw.log.Warn("messages lost while a socket moved", zap.String("socket", t.fetch.id))
	switch {
	case k == nil:
	case k.session != nil && k.detached == nil:
		s := k.session
		k.remove(reasonTransportError)
		s.close(reasonTransportError, closeServer)
	case k.detached != nil:
		k.lapse("torn")
	}
}

// retire ends the machine: from here on the socket hears what its loop hears.
func (t *taking) retire() {
	l := t.loop
	t.end()
	t.catchUp()
	k := t.socket
	if k == nil || k.arrears == nil || k.arrears.taking != t {
		return
	}
	at := l.history.next()
	k.arrears.taking = nil
	k.arrears.from.position = at
	k.since = at
	for i := range k.rooms {
		k.rooms[i].since = at
	}
}

func (t *taking) end() {
	t.done = true
	delete(t.loop.takings, t.Token())
	t.loop.wheel.stop(&t.timer)
}

// failed gives the client a new socket, or asks elsewhere.
func (t *taking) failed(f handoff.Fail) {
	l := t.loop
	t.end()
	t.fetch.release(l)
	if f.Reason == handoff.FailMoved && t.hops < maxHops && f.Node != "" {
		l.take(t.fetch, t.nsp, f.Node, t.hops+1)
		return
	}
	l.gw.countHandoff(failureName(f.Reason))
	t.fetch.abandon(l, "unknown")
}

func failureName(f handoff.Failure) string {
	switch f {
	case handoff.FailTimeout:
		return "timeout"
	case handoff.FailNoOwner:
		return "no owner"
	case handoff.FailOwnerLost:
		return "owner lost"
	case handoff.FailGone:
		return "gone"
	case handoff.FailMoved:
		return "moved"
	case handoff.FailRevoked:
		return "revoked"
	case handoff.FailFull:
		return "full"
	case handoff.FailAbandoned:
		return "abandoned"
	}
	return "unknown"
}

// countHandoff counts an outcome of a recovery from another node.
func (gw *Gateway) countHandoff(outcome string) {
	gw.metrics.handoffs.WithLabelValues("recovery", outcome).Inc()
}

// answeredBy takes the owner's notes.
func (t *taking) answeredBy(n *note) {
	now := t.loop.now
	switch n.Kind {
	case noteOffer:
		if t.Phase() == handoff.Looking && n.Offer != nil {
			t.owner = n.From
			t.do(t.Offered(now, handoff.Offer[*offer]{Token: n.Token, Offer: n.Offer}))
		}
	case noteState:
		seen, err := handoff.ParseSeen([]byte(n.Seen))
		if err != nil || n.State == nil {
			t.loop.gw.metrics.badMessages.Inc()
			return
		}
		t.do(t.Given(now, handoff.State[*parcel]{Token: n.Token, Grant: n.Grant, State: n.State, Seen: seen}))
	case noteConfirmed:
		t.do(t.Confirmed(now, handoff.Confirmed{Token: n.Token}))
	case noteForward:
		if n.Emit != nil {
			b := n.Emit.open()
			t.do(t.Forwarded(now, handoff.Forward[*broadcast]{Token: n.Token, Index: n.Count, Mark: b.mark, Message: b}))
		}
	case noteSettled:
		t.do(t.Settled(now, handoff.Settled{Token: n.Token, Count: n.Count}))
	case noteRefused:
		t.do(t.Refused(now, handoff.Refused{Token: n.Token, Step: n.Refuse.Step, Reason: n.Refuse.Reason, Node: n.Refuse.Node}))
	}
}

// past is an emit as an entry of a socket's backlog.
func (b *broadcast) past(nsp string, now time.Duration) past {
	wire := b.wire
	if wire == nil {
		wire = encodeEvent(nsp, b.emit.Payload, b.id)
	}
	return past{b: b, wire: wire, at: now, size: broadcastSize(b)}
}

// names reports whether an emit is for a socket that is in its rooms.
func (b *broadcast) names(k *socket) bool {
	if b.target.nsp != "" && b.target.nsp != k.nsp.name {
		return false
	}
	for _, name := range b.emit.Except {
		if name == k.id || k.in(name) {
			return false
		}
	}
	rooms := b.rooms()
	for _, name := range rooms {
		if name == k.id || k.in(name) {
			return true
		}
	}
	return rooms == nil
}

// mayName reports whether an emit may be for a socket that is not here.
func (b *broadcast) mayName(id, nsp string, in map[string]struct{}) bool {
	if b.target.nsp != "" && b.target.nsp != nsp {
		return false
	}
	rooms := b.rooms()
	for _, name := range rooms {
		if _, ok := in[name]; ok || name == id {
			return true
		}
	}
	return rooms == nil
}

// hand delivers an emit to one socket that is on its way, and keeps it in case its client is gone before it has had it.
func (k *socket) hand(b *broadcast) {
	l := k.nsp.loop
	if b.reply != "" {
		if b.target.room == k.id {
			b.put(k, l)
		}
		return
	}
	if !b.names(k) {
		return
	}
	e := b.past(k.nsp.name, l.now)
	if b.id != "" {
		k.owed().keep(e, l.gw.options.Limits.QueueBytes)
	}
	if k.here() {
		k.owed().at = l.now
		k.transmit(e.wire, b.emit.Volatile)
	}
}

// keep adds to the backlog; the oldest are dropped for want of room, and a client that has not had them cannot come back.
func (a *arrears) keep(e past, limit int) {
	a.backlog = append(a.backlog, e)
	a.size += e.size
	for a.size > limit && len(a.backlog) > 0 {
		a.size -= a.backlog[0].size
		a.backlog = a.backlog[1:]
		a.from.backlog = max(0, a.from.backlog-1)
		a.anchor, a.trimmed = "", true
	}
}
