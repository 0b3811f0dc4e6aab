package gateway

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// maxHops is how often a client's search for its socket is sent on to another node. The socket may be on the move all the while: each
// attempt of its client that no node knows to be given up takes it once. What ends a search is its time, and this only one that goes round
// in a circle.
const maxHops = 32

// taking is a unit of another node, a socket or a session, on its way to this loop, from the question what there is until
// nothing can come twice any more (handoff.Taker). Owned by its loop.
type taking struct {
	*handoff.Taker[*offer, *parcel, *broadcast]
	loop     *loop
	whose    errand
	cause    string               // for metrics
	owner    string               // the node that has it; empty until one has answered
	claims   map[string]*audience // by socket id
	subjects []string             // claimed
	sockets  []*socket            // once adopted
	missed   int                  // times in a row that NATS has said that nobody hears the owner's subject
	hops     int
	sought   time.Duration // since when, other nodes that were asked before included
	late     []own         // joins and leaves that wait for Finish
	begun    time.Duration
	timer    timer
	done     bool
}

// errand is why something is taken, and what becomes of it.
type errand interface {
	wanted() wanted
	// alive reports whether the client is still there.
	alive() bool
	// adopt makes the unit this loop's. No sockets mean that it could not.
	adopt(t *taking, p *parcel) []*socket
	// failed takes the client's case up again, without the unit.
	failed(l *loop, f handoff.Failure)
}

// audience is what a socket will hear that is not here yet.
type audience struct {
	nsp   string
	rooms map[string]struct{}
}

// take begins to bring something here. owner may be empty for a socket: then its own subject is asked.
func (l *loop) take(e errand, cause, owner string, hops int) *taking {
	t := &taking{
		Taker: handoff.NewTaker[*offer, *parcel](l.gw.options.Handoff, l.newToken(), broadcastSize),
		loop:  l, whose: e, cause: cause, owner: owner, hops: hops, begun: l.now, claims: map[string]*audience{},
	}
	t.sought = l.now
	l.takings[t.Token()] = t
	t.do(t.Start(l.now))
	return t
}

// hop asks another node, or the socket's own subject if that is empty, in place of the one that does not have it.
func (t *taking) hop(node string) { t.loop.take(t.whose, t.cause, node, t.hops+1).sought = t.sought }

// newToken makes a token that names this loop.
func (l *loop) newToken() string {
	return l.gw.options.ID + "." + strconv.Itoa(l.index) + "." + backplane.NewID('h')
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
			t.tell(&note{Kind: noteGive, Unit: t.whose.wanted()})
		case handoff.Confirm:
			t.tell(&note{Kind: noteConfirm, Grant: a.Grant, Count: a.Received})
		case handoff.Decline:
			t.tell(&note{Kind: noteDecline})
		case handoff.Done:
			t.tell(&note{Kind: noteDone})
		case handoff.Claim[*offer]:
			t.claim(a.Offer.Sockets)
		case handoff.Stage[*parcel]:
			t.claim(a.State.claims())
			for id := range t.claims {
				l.gw.routes.coming.Store(id, t.Token())
			}
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
			t.release()
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
	overdue := t.sought != t.begun && now-t.sought >= t.loop.gw.options.Handoff.Patience() // else the machine says so
	if len(t.sockets) == 0 && (overdue || !t.whose.alive()) {
		if actions := t.Abandon(now); actions != nil {
			t.do(actions)
			return
		}
	}
	if p := t.Phase(); (p == handoff.Confirming || p == handoff.Settling) && now-t.begun > t.loop.longest() {
		t.do(t.OwnerLost(now))
		return
	}
	t.do(t.Tick(now))
}

func (t *taking) look() {
	n := &note{Kind: noteLook, Token: t.Token(), Unit: t.whose.wanted()}
	if t.owner != "" {
		t.loop.gw.tell(t.owner, n)
		return
	}
	t.loop.gw.sendNote(t.loop.gw.conn.SocketTake(n.Unit.Socket), n)
}

// tell sends a note to the owner.
func (t *taking) tell(n *note) {
	n.Token = t.Token()
	t.loop.gw.tell(t.owner, n)
}

// claim has this loop hear what goes to the sockets, their namespaces and rooms, before the owner learns of it.
func (t *taking) claim(all []claims) {
	l := t.loop
	var failed error
	add := func(subject string, err error) {
		if err != nil {
			failed = err
			return
		}
		t.subjects = append(t.subjects, subject)
	}
	for _, one := range all {
		c := t.claims[one.ID]
		if c == nil {
			c = &audience{nsp: one.Namespace, rooms: map[string]struct{}{}}
			t.claims[one.ID] = c
			add(l.gw.conn.SocketAll(one.ID), l.gw.claimSocket(one.ID, l))
			nsp := l.gw.conn.Namespace(c.nsp)
			add(nsp, l.gw.interest.Claim(nsp, l.index))
		}
		for _, name := range one.Rooms {
			if _, ok := c.rooms[name]; !ok {
				c.rooms[name] = struct{}{}
				r := room{nsp: &namespace{loop: l}, name: name, subject: l.gw.conn.Room(c.nsp, name)}
				add(r.subject, r.claim())
			}
		}
	}
	if failed != nil { // the connection is closed for good
		l.gw.log.Error("cannot subscribe for what moves", zap.Error(failed))
	}
}

// release takes the claims back.
func (t *taking) release() {
	for id := range t.claims {
		t.loop.gw.routes.coming.CompareAndDelete(id, t.Token())
	}
	for _, subject := range t.subjects {
		t.loop.unclaim(subject)
	}
	t.subjects = nil
}

// heard gives the machine an emit that reached this loop.
func (t *taking) heard(b *broadcast) {
	if b.target.local {
		// The owner has not had it, and by what it forwards of the same publisher would seem to have.
		t.deliver(b.mark, b)
		return
	}
	for id, c := range t.claims {
		if b.mayName(id, c.nsp, c.rooms) {
			t.do(t.Held(t.loop.now, b.identity(), b))
			return
		}
	}
	// What is for a room that none was in before, the owner knows nothing of.
	t.deliver(b.mark, b)
}

// maxLate is how many joins and leaves wait while a socket settles; what is beyond it is done at once.
const maxLate = 256

// putOff keeps a join or leave until all is delivered that was emitted before. It reports whether it did.
func (t *taking) putOff(c *control) bool {
	if t == nil || t.Phase() != handoff.Settling || len(t.late) >= maxLate ||
		c.request.Op != backplane.OpJoin && c.request.Op != backplane.OpLeave && c.request.Op != backplane.OpUser {
		return false
	}
	t.late = append(t.late, own{control: c})
	return true
}

// catchUp does what was put off.
func (t *taking) catchUp() {
	late := t.late
	t.late = nil
	for i := range late {
		late[i].run(t.loop)
	}
}

// adopt makes the unit this loop's.
func (t *taking) adopt(p *parcel) {
	l := t.loop
	t.sockets = slices.DeleteFunc(t.whose.adopt(t, p), func(k *socket) bool { return l.sockets[k.id] != k })
	t.release()
	if len(t.sockets) == 0 && p.Session == nil {
		l.gw.countHandoff(t.cause, "failed")
		t.do(t.Abandon(l.now))
		t.whose.failed(l, handoff.FailGone)
		return
	}
	l.gw.countHandoff(t.cause, "taken")
}

// own makes a socket one of this unit's, at a position in the loop's history.
func (t *taking) own(k *socket, at uint64) {
	l := t.loop
	owed := k.owed()
	owed.taking, owed.from.position = t, at
	l.gw.route(k.id, l)
	if birth, _, _ := backplane.SplitSocketID(k.id); !l.gw.born(k.id) {
		l.gw.tell(birth, &note{Kind: noteHolder, Unit: wanted{Socket: k.id}})
	}
}

// deliver dispatches an emit to the unit alone.
func (t *taking) deliver(mark handoff.Mark, b *broadcast) {
	for _, k := range slices.Clone(t.sockets) {
		if k.taking() != t || !b.names(k) {
			continue
		}
		if o := k.arrears.leaving; o != nil && o.Phase() == handoff.Given {
			o.do(o.Message(t.loop.now, mark, b))
			return
		}
		k.hand(b)
	}
}

// torn ends what has lost messages on its way: it must not miss something silently.
func (t *taking) torn() {
	t.loop.gw.countHandoff(t.cause, "torn")
	t.loop.gw.log.Warn("messages lost on the way from another node", zap.String("node", t.owner))
	for _, k := range slices.Clone(t.sockets) {
		switch s := k.session; {
		case k.taking() != t:
		case s != nil && k.detached == nil:
			k.remove(reasonTransportError)
			s.close(reasonTransportError, closeServer)
		case k.detached != nil:
			k.lapse("torn")
		}
	}
}

// left says that one of the unit's sockets has ended here.
func (t *taking) left(k *socket) {
	if t.sockets == nil {
		return // by what its client had sent behind packet `5`: adopt is at work
	}
	t.sockets = slices.DeleteFunc(t.sockets, func(other *socket) bool { return other == k })
	if len(t.sockets) == 0 {
		t.do(t.Abandon(t.loop.now))
	}
}

// retire ends the machine: from here on the sockets hear what their loop hears.
func (t *taking) retire() {
	l := t.loop
	t.end()
	t.catchUp()
	at := l.history.next()
	for _, k := range t.sockets {
		if k.taking() != t {
			continue
		}
		k.arrears.taking = nil
		k.arrears.from.position = at
		k.since = at
		for i := range k.rooms {
			k.rooms[i].since = at
		}
	}
}

func (t *taking) end() {
	t.done = true
	delete(t.loop.takings, t.Token())
	t.loop.wheel.stop(&t.timer)
}

// failed gives up, or asks elsewhere.
func (t *taking) failed(f handoff.Fail) {
	l := t.loop
	t.end()
	t.release()
	if t.hops < maxHops && l.now-t.sought < l.gw.options.Handoff.Patience() {
		switch {
		case f.Reason == handoff.FailMoved && f.Node != "":
			t.hop(f.Node)
			return
		// The node was named by one that had not heard of a later move, or has taken back what it had given.
		case (f.Reason == handoff.FailGone || f.Reason == handoff.FailRevoked) && t.owner != "":
			t.hop("")
			return
		}
	}
	l.gw.countHandoff(t.cause, failureName(f.Reason))
	t.whose.failed(l, f.Reason)
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

// countHandoff counts what became of a handoff.
func (gw *Gateway) countHandoff(cause, outcome string) {
	gw.metrics.handoffs.WithLabelValues(cause, outcome).Inc()
}

// unheard takes NATS's word that nobody heard the last question. A node that is about to connect to NATS again has what it had, so there is
// another question; see maxMissed.
func (t *taking) unheard() {
	if t.missed++; t.missed >= maxMissed {
		t.do(t.NoOwner(t.loop.now))
	}
}

// answeredBy takes the owner's notes.
func (t *taking) answeredBy(n *note) {
	now := t.loop.now
	t.missed = 0
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
			t.do(t.Forwarded(now, handoff.Forward[*broadcast]{Token: n.Token, Index: n.Count, Mark: b.identity(), Message: b}))
		}
	case noteSettled:
		t.do(t.Settled(now, handoff.Settled{Token: n.Token, Count: n.Count}))
	case noteRefused:
		t.do(t.Refused(now, handoff.Refused{Token: n.Token, Step: n.Refuse.Step, Reason: n.Refuse.Reason, Node: n.Refuse.Node}))
	}
}
