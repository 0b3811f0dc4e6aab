package gateway

import (
	"encoding/json"

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
	step := handoff.StepLook
	if n.Kind == noteGive {
		step = handoff.StepGive
	}
	if n.Unit.Session != "" {
		sid, ok := in.seal.open(n.Unit.Session)
		if !ok || !gw.owns(sid) || !gw.loops[sid.loop].post(&noted{note: n, sid: sid}) {
			gw.refuseHandoff(n, step, handoff.Gone, "")
		}
		return
	}
	if l := gw.loopOf(id); l != nil && l.post(&noted{note: n}) {
		return
	}
	at, gone := gw.routes.place(id)
	_, _, _, bySocket := gw.conn.ParseSocket(m.Subject)
	switch {
	case gone && at.node == gw.options.ID: // on its way between two loops: it is asked again
	case gone && at.node != "":
		gw.refuseHandoff(n, step, handoff.Moved, at.node)
	case gw.native(id) || !bySocket:
		gw.refuseHandoff(n, step, handoff.Gone, "")
	}
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
		taking.do(taking.NoOwner(l.now))
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
