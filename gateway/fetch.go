package gateway

import (
	"bytes"
	"cmp"
	"time"

	"patchbay/gateway/auth"
	"patchbay/gateway/handoff"
	"patchbay/protocol/socketio"
)

// A client that comes back may meet another loop of its node than before. Its detached socket then moves
// to the new session's loop, in four steps, none of which waits:
//
//  1. the new loop asks the old one for the socket's rooms (look);
//  2. it claims them, and asks intake for a cut (cut);
//  3. intake, between two messages, tells the new loop that from here on what comes for the socket comes to
//     it (expected), and the old one to give (give);
//  4. the old loop sends the socket with what it missed up to the cut (given).
//
// What the old loop has is before the cut, what the new one's history has from `expected` on is behind
// it: nothing is missing and nothing twice.

// fetching is a CONNECT that waits for its socket to come from another loop. If that fails, the client gets
// the new socket that holds the place meanwhile.
type fetching struct {
	id       string // of the socket that is wanted
	offset   string
	place    *socket  // joining, not asked for yet
	subjects []string // claimed meanwhile
	position uint64   // of the cut in the new loop's history
}

// fetch begins to bring a socket to this loop. False means that it cannot be had.
func (s *session) fetch(id string, p socketio.Packet, offset string, identity *auth.Identity) bool {
	l := s.loop
	owner := l.gw.loopOf(id)
	moving := owner == l && (l.sockets[id] != nil || l.gw.routes.comes(id)) // from here to another node, or from another loop to here
	if owner == l && !moving {
		l.gw.metrics.recoveries.WithLabelValues("unknown").Inc()
		return false
	}
	if len(l.takings) >= maxTakings {
		l.gw.metrics.recoveries.WithLabelValues("failed").Inc()
		return false
	}
	k := s.newSocket(p, identity)
	f := &fetching{id: id, offset: offset, place: k}
	s.schedule()
	switch {
	case moving:
		l.take(f, "recovery", l.gw.options.ID, 0)
		return true
	case owner == nil:
		at, _ := l.gw.routes.place(id)
		l.take(f, "recovery", at.node, 0)
		return true
	}
	if !owner.post(&look{from: l, fetch: f, nsp: p.Namespace}) {
		k.ask(k.joining)
	}
	return true
}

// abandon gives the client a new socket after all.
func (f *fetching) abandon(l *loop, outcome string) {
	f.release(l)
	l.gw.metrics.recoveries.WithLabelValues(outcome).Inc()
	if k := f.place; k.session != nil && k.joining != nil {
		k.ask(k.joining)
	}
}

// release takes the claims back.
func (f *fetching) release(l *loop) {
	for _, subject := range f.subjects {
		l.unclaim(subject)
	}
	f.subjects = nil
}

// maxTakings is how many handoffs to one loop may run; a client beyond them starts anew.
const maxTakings = 4096

// look asks a loop for a detached socket's rooms.
type look struct {
	from  *loop
	fetch *fetching
	nsp   string
}

func (t *look) run(l *loop) {
	answer := &looked{fetch: t.fetch, owner: l}
	k := l.sockets[t.fetch.id]
	if k.overtake(); k != nil && k.nsp.name == t.nsp && k.joining == nil {
		answer.moving = k.moving()
		if k.session != nil { // we have not noticed that its connection is gone
			k.session.close(reasonTransportClose, closeBroken)
		}
		if k.detached != nil && !answer.moving {
			answer.found = true
			answer.subjects = append(answer.subjects, k.nsp.subject)
			for i := range k.rooms {
				answer.subjects = append(answer.subjects, k.rooms[i].room.subject)
			}
		}
	}
	answer.moving = answer.moving || k == nil && l.gw.routes.comes(t.fetch.id)
	t.from.post(answer)
}

// looked is the answer to a look.
type looked struct {
	fetch    *fetching
	owner    *loop
	found    bool
	moving   bool // from or to another node or loop: then it moves as if this loop were a node
	subjects []string
}

func (t *looked) run(l *loop) {
	f := t.fetch
	if !t.found {
		if !f.pursue(l, t.owner, t.moving) {
			f.abandon(l, "unknown")
		}
		return
	}
	for _, subject := range t.subjects {
		if err := l.gw.interest.Claim(subject, l.index); err != nil {
			f.abandon(l, "failed")
			return
		}
		f.subjects = append(f.subjects, subject)
	}
	if !l.gw.intake.cut(&cut{fetch: f, from: t.owner, to: l}) {
		f.abandon(l, "failed")
	}
}

// pursue goes on with the search as if the socket were on another node: it is on its way between two, or has gone from the loop that was
// asked. False means that it is nowhere, or that nobody waits for it any more.
func (f *fetching) pursue(l, asked *loop, moving bool) bool {
	if f.place.joining == nil || !moving && l.gw.loopOf(f.id) == asked {
		return false
	}
	at, _ := l.gw.routes.place(f.id)
	f.release(l)
	l.take(f, "recovery", cmp.Or(at.node, l.gw.options.ID), 0)
	return true
}

// cut asks intake to hand a socket's messages from one loop to another.
type cut struct {
	fetch    *fetching
	from, to *loop
}

// expected tells the new loop that what comes for a socket comes to it from here on.
type expected struct{ fetch *fetching }

func (t *expected) run(l *loop) {
	t.fetch.position = l.history.next()
	// The namespace must be there for its emits to be kept, even if the client leaves meanwhile.
	l.expected[t.fetch.id] = expectation{nsp: l.enter(t.fetch.place.nsp.name).name, fetch: t.fetch}
}

// expectation is a socket that comes from another loop.
type expectation struct {
	nsp   string
	fetch *fetching
}

// give tells the old loop to send the socket.
type give struct {
	fetch *fetching
	to    *loop
}

func (t *give) run(l *loop) {
	answer := &given{fetch: t.fetch, from: l}
	k := l.sockets[t.fetch.id]
	k.overtake() // what is for the socket goes to the other loop by now
	switch {
	case k == nil:
	case k.detached == nil || k.moving(): // its client was quicker, or another node
		answer.moving = k.moving()
		l.gw.route(k.id, l)
	default:
		if answer.state, answer.outcome = k.pack(t.fetch.offset); answer.state == nil {
			l.gw.route(k.id, l) // as in requested
			break
		}
		k.forget("")
	}
	t.to.post(answer)
}

// pack is what another loop needs to go on with a detached socket; nil with the reason why that cannot be.
func (k *socket) pack(offset string) (*packed, string) {
	from, ok := k.missedSince(offset)
	if !ok {
		return nil, "too late"
	}
	entries, ok := k.nsp.loop.history.since(from.position)
	if !ok {
		return nil, "too late"
	}
	p := &packed{socket: k, left: k.nsp.loop.history.window, rooms: k.roomNames(), owner: k.nsp.loop.tokens.of(k)}
	p.backlog = append(p.backlog, k.backlog()[from.backlog:]...)
	for i := range entries {
		if entries[i].b.reaches(k, from.position+uint64(i)) {
			p.backlog = append(p.backlog, entries[i])
		}
	}
	return p, ""
}

// packed is a detached socket between two loops: what it missed, after what its client says it has.
type packed struct {
	socket  *socket // its id, worker, data and auth
	rooms   []string
	backlog []past
	left    time.Duration  // of the time for which it is kept
	owner   *auth.Identity // nil if no token was asked for
}

// given is the socket on its way to its new loop.
type given struct {
	fetch   *fetching
	from    *loop
	state   *packed
	moving  bool   // as of looked
	outcome string // of a failure
}

func (t *given) run(l *loop) {
	f := t.fetch
	if l.expected[f.id].fetch == f {
		defer l.namespaces[f.place.nsp.name].exit()
		delete(l.expected, f.id)
		defer l.gw.routes.coming.CompareAndDelete(f.id, f)
		if t.state == nil && l.gw.loopOf(f.id) == l {
			l.gw.unroute(f.id, l) // it has ended there
		}
	}
	if t.state == nil {
		if t.outcome != "" || !f.pursue(l, t.from, t.moving) {
			f.abandon(l, orUnknown(t.outcome))
		}
		return
	}
	k, err := t.state.adopt(l, f.place.nsp.name, f.position)
	f.release(l)
	if err != nil {
		f.abandon(l, "failed")
		return
	}
	k.owed().from, k.owed().anchor = replayPoint{position: f.position}, f.offset
	if f.alive() { // else it may come back once more
		f.handOver(k)
	}
}

// handOver gives the client the socket that it came for, unless that is another user's.
func (f *fetching) handOver(k *socket) {
	l, s := k.nsp.loop, f.place.session
	identity := l.tokens.of(f.place)
	if !l.tokens.mayResume(k, identity) {
		f.abandon(l, "refused")
		return
	}
	f.place.remove("")
	l.tokens.hold(k, identity)
	s.rejoin(k)
}

func orUnknown(outcome string) string {
	if outcome == "" {
		return "unknown"
	}
	return outcome
}

// adopt makes a detached socket of this loop from what another sent.
func (p *packed) adopt(l *loop, nsp string, position uint64) (*socket, error) {
	old := p.socket
	k := &socket{
		id: old.id, nsp: l.enter(nsp), worker: old.worker, since: position,
		data: bytes.Clone(old.data), auth: bytes.Clone(old.auth), arrears: &arrears{backlog: p.backlog},
	}
	if err := k.nsp.add(k); err != nil {
		k.nsp.exit()
		return nil, err
	}
	k.number = old.number
	k.arrears.size = sizeOf(p.backlog)
	if k.foreign() {
		if err := l.gw.claimSocket(k.id, l); err != nil {
			return nil, err
		}
	}
	l.sockets[k.id] = k
	l.tokens.hold(k, p.owner)
	k.detach(p.left)
	for _, name := range p.rooms {
		if _, err := k.join(name); err != nil {
			k.forget("failed")
			return nil, err
		}
		k.rooms[len(k.rooms)-1].since = position
	}
	l.gone.schedule(l)
	return k, nil
}

func sizeOf(entries []past) (size int) {
	for i := range entries {
		size += entries[i].size
	}
	return size
}

// wanted implements errand.
func (f *fetching) wanted() wanted {
	return wanted{Socket: f.id, Namespace: f.place.nsp.name, Offset: f.offset}
}

// alive implements errand.
func (f *fetching) alive() bool { return f.place.session != nil && f.place.joining != nil }

// failed implements errand.
func (f *fetching) failed(l *loop, _ handoff.Failure) { f.abandon(l, "unknown") }

// adopt implements errand: the socket is detached here until its worker has taken it back.
func (f *fetching) adopt(t *taking, p *parcel) []*socket {
	l := t.loop
	if len(p.Sockets) != 1 || p.Sockets[0].ID != f.id {
		return nil
	}
	box := &p.Sockets[0]
	k := t.keep(box, f.place.nsp.name, l.history.window)
	if k == nil {
		return nil
	}
	k.arrears.anchor = f.offset
	if f.alive() { // else it may come back once more
		f.handOver(k)
	}
	return []*socket{k}
}
