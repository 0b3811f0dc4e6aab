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
	case noteHolder:
		if node, _, _ := backplane.SplitSocketID(n.Unit.Socket); node == gw.options.ID {
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
}

func (t *noted) run(l *loop) {
	n := t.note
	switch n.Kind {
	case noteLook, noteGive:
		l.requested(n)
		return
	case noteConfirm, noteDecline, noteDone:
		if o := l.leavings[n.Token]; o != nil {
			o.told(n)
		} else if n.Kind == noteConfirm {
			l.gw.refuseHandoff(n, handoff.StepConfirm, handoff.Gone, "")
		}
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
		birth, _, _ := backplane.SplitSocketID(taking.fetch.id)
		if taking.owner == t.node || taking.owner == "" && birth == t.node {
			taking.do(taking.OwnerLost(l.now))
		}
	}
	for _, o := range l.leavings {
		o.do(o.TakerLost(l.now, t.node))
	}
}
