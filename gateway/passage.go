package gateway

import (
	"encoding/json"
	"slices"
	"strconv"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// observe shows an emit to what comes to this loop from other nodes or goes to them, before it is dispatched to the rest.
func (l *loop) observe(b *broadcast) {
	if horizon := l.gw.options.Handoff.Horizon(); l.now-l.turned > horizon {
		l.turned = l.now
		l.seen.Turn()
	}
	l.seen.Note(b.mark)
	for _, t := range l.takings {
		t.heard(b)
	}
	for _, o := range l.leavings {
		o.heard(b)
	}
}

// own is what is for one socket and is no emit. At most one is set.
type own struct {
	control  *control
	answered *answered
}

// identity is what a machine knows a message by that comes here and to another node. What is for one socket and is no emit bears
// no number, but a request has a reply subject of its own, and a receipt an event's number.
func (b *broadcast) identity() handoff.Mark {
	switch {
	case b.control != nil && b.control.reply != "":
		return handoff.Named(b.control.id, b.control.reply)
	case b.answered != nil:
		r := &b.answered.receipt
		return handoff.Named(b.answered.id, strconv.FormatUint(r.Number, 36), strconv.FormatUint(r.Again, 36), strconv.FormatUint(r.AckID, 36), strconv.FormatBool(r.WantsAck))
	}
	return b.mark
}

// obeyed are the last requests that a loop has met: a node to which one of the sockets moves may have had them too. A receipt
// that comes twice does no harm. Owned by its loop.
type obeyed struct {
	ring [maxObeyed]struct{ socket, reply string }
	next int
}

// maxObeyed is how many there are. What matters is a moment: that between a node's subscription for a socket and its request for it.
const maxObeyed = 256

func (o *obeyed) add(c *control) {
	if c.reply != "" {
		o.ring[o.next].socket, o.ring[o.next].reply = c.id, c.reply
		o.next = (o.next + 1) % maxObeyed
	}
}

// of are those of some sockets.
func (o *obeyed) of(sockets []*socket) (marks []handoff.Mark) {
	for i := range o.ring {
		c := &o.ring[i]
		if slices.ContainsFunc(sockets, func(k *socket) bool { return k.id == c.socket }) {
			marks = append(marks, handoff.Named(c.socket, c.reply))
		}
	}
	return marks
}

// floor is what sockets that leave together have had and the loop's Seen does not say.
func (l *loop) floor(sockets []*socket) *handoff.Seen {
	var had *handoff.Seen
	if len(sockets) > 0 {
		if t := sockets[0].taking(); t != nil {
			had = t.Had()
		}
	}
	if marks := l.obeyed.of(sockets); len(marks) > 0 {
		return had.With(marks...)
	}
	return had
}

// run does what a socket is asked for.
func (o *own) run(l *loop) {
	if o.control != nil {
		o.control.run(l)
		return
	}
	o.answered.run(l)
}

// toOwn hands what is for one socket to it, unless a machine has it.
func (b *broadcast) toOwn(l *loop) {
	k := l.sockets[b.target.room]
	if k != nil && k.moving() || k == nil && l.gw.loopOf(b.target.room) != l {
		return
	}
	b.own.run(l)
}

// toOwn sends what is for one socket to where that is, or to where it comes from or goes to. It
// reports whether there is such a place.
func (in *intake) toOwn(id, reply string, o own, p backplane.Payload) bool {
	b := &broadcast{target: target{room: id, socket: true}, emit: backplane.Emit{Payload: p}, reply: reply, own: o}
	posted := false
	set := in.home(id)
	for _, l := range in.gw.loops {
		if set&(1<<l.index) != 0 && l.post(b) {
			posted = true
		}
	}
	return posted
}

// handoff takes a note of another node, or NATS's word that nobody took one of ours. On intake.
func (in *intake) handoff(m *backplane.Msg, token string) {
	gw := in.gw
	if backplane.NoResponders(m) {
		if l := gw.tokenLoop(token); l != nil {
			l.post(&noted{note: &note{Token: token}, none: true})
		}
		return
	}
	data := in.parts.add(m)
	if data == nil {
		return
	}
	n := new(note)
	if err := json.Unmarshal(data, n); err != nil {
		in.bad(m, "handoff: "+err.Error())
		return
	}
	if !backplane.ValidID(n.From) {
		in.bad(m, "handoff: no sender")
		return
	}
	switch n.Kind {
	case noteLook, noteGive:
		in.asked(m, n)
	case noteConfirm, noteDecline, noteDone:
		if l, ok := gw.routes.tokens.Load(n.Token); ok {
			if l, ok := l.(*loop); ok && l.post(&noted{note: n}) {
				return
			}
		}
		if n.Kind == noteConfirm {
			gw.refuseHandoff(n, handoff.StepConfirm, handoff.Gone, "")
		}
	case noteProbe, noteProbing, noteProbeEnd:
		in.probe(n)
	case noteHolder:
		if gw.born(n.Unit.Socket) {
			gw.routes.setTomb(n.Unit.Socket, n.From)
		}
	case noteEnded:
		gw.routes.dropPlace(n.Unit.Socket, func(p whereabouts) bool { return p.node == n.From })
	default:
		if l := gw.tokenLoop(n.Token); l != nil {
			l.post(&noted{note: n})
		}
	}
}

// asked sends a Look or Give to the socket's loop, or says where the socket is. On intake.
func (in *intake) asked(m *backplane.Msg, n *note) {
	gw, id := in.gw, n.Unit.Socket
	if n.Unit.Session != "" {
		sid, ok := in.seal.open(n.Unit.Session)
		if !ok || !gw.owns(sid) || !gw.loops[sid.loop].post(&noted{note: n, sid: sid}) {
			gw.refuseHandoff(n, n.step(), handoff.Gone, "")
		}
		return
	}
	coming := gw.routes.comes(id)
	if l := gw.loopOf(id); l != nil && l.post(&noted{note: n}) || coming {
		return
	}
	_, _, _, bySocket := gw.conn.ParseSocket(m.Subject)
	gw.elsewhere(n, gw.native(id) || !bySocket)
}

// notHere answers a Look or Give for a socket that is not on this loop, or not any more. What is on another, or on its way between two, is
// asked for again.
func (l *loop) notHere(n *note) {
	id := n.Unit.Socket
	if at := l.gw.loopOf(id); l.gw.routes.comes(id) || at != nil && at != l {
		return
	}
	l.gw.elsewhere(n, true)
}

// elsewhere answers a Look or Give for a socket that is not here: it says where the socket is, or that it is gone, if others rely on this
// node to know. What is on its way between two loops is asked for again.
func (gw *Gateway) elsewhere(n *note, known bool) {
	at, moved := gw.routes.place(n.Unit.Socket)
	switch {
	case moved && (at.loop != nil || at.node == gw.options.ID):
	case moved:
		gw.refuseHandoff(n, n.step(), handoff.Moved, at.node)
	case known:
		gw.refuseHandoff(n, n.step(), handoff.Gone, "")
	}
}

// step is what is asked for, of a Look or Give.
func (n *note) step() handoff.Step {
	if n.Kind == noteGive {
		return handoff.StepGive
	}
	return handoff.StepLook
}

// noted is a note on its way to its loop.
type noted struct {
	note *note
	none bool // nobody took one of ours
	sid  sid  // of one about a session
}

func (t *noted) run(l *loop) {
	n := t.note
	switch n.Kind {
	case noteLook, noteGive:
		if n.Unit.Session != "" {
			l.requestedSession(n, t.sid)
			return
		}
		l.requested(n)
		return
	case noteProbe, noteProbing, noteProbeEnd:
		l.probed(n, t.sid)
		return
	case noteShelter:
		l.shelter(n)
		return
	case noteConfirm, noteDecline, noteDone:
		if o := l.leavings[n.Token]; o != nil {
			o.told(n)
		} else if n.Kind == noteConfirm {
			l.gw.refuseHandoff(n, handoff.StepConfirm, handoff.Gone, "")
		}
		return
	}
	if o := l.offers[n.Token]; o != nil {
		l.declined(o, n.Token, t.none)
		return
	}
	if a := l.arrivals[n.Token]; a != nil {
		a.answered(n, t.none)
		return
	}
	taking := l.takings[n.Token]
	switch {
	case taking != nil && t.none:
		taking.unheard()
	case taking != nil:
		taking.answeredBy(n)
	case n.Kind == noteState: // nobody waits for it any more
		l.gw.tell(n.From, &note{Kind: noteDecline, Token: n.Token})
	case n.Kind == noteSettled:
		l.gw.tell(n.From, &note{Kind: noteDone, Token: n.Token})
	}
}

// nodeLost is the routers' word that a node is dead, on its way through the loops.
type nodeLost struct{ node string }

func (t nodeLost) run(l *loop) {
	for _, taking := range l.takings {
		birth, _, _ := backplane.SplitSocketID(taking.whose.wanted().Socket)
		if taking.owner == t.node || taking.owner == "" && birth == t.node {
			taking.do(taking.OwnerLost(l.now))
		}
	}
	for _, o := range l.leavings {
		o.do(o.TakerLost(l.now, t.node))
	}
}
