package gateway

import (
	"time"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// leaving is a socket on its way to another node, as the one that had it sees it, until the taker needs it no
// more (handoff.Owner). Owned by its loop.
type leaving struct {
	*handoff.Owner[*parcel, *broadcast]
	loop     *loop
	claims   map[string]*audience // by socket id
	sockets  []*socket            // until they have gone
	session  *session             // of a whole session
	token    string               // of the handoff; empty until it is frozen
	subjects []string             // claimed while it lingers
	ids      []string             // of the sockets that have gone
	to       string               // where they have gone
	want     wanted               // of a socket: as its taker asked
	cause    string               // for metrics
	begun    time.Duration        // when it froze
	pulsed   time.Duration        // when the message was sent that ends its linger; 0 before
	timer    timer
}

// requested takes a Look or Give for a socket of this loop.
func (l *loop) requested(n *note) {
	k := l.sockets[n.Unit.Socket]
	o := l.leavingOf(k, n.Token)
	if !n.Unit.Whole {
		k.overtake()
	}
	refuse := func(reason handoff.Refusal) { l.gw.refuseHandoff(n, n.step(), reason, "") }
	switch {
	case o != nil:
	case k == nil:
		l.notHere(n)
		return
	case k.nsp.name != n.Unit.Namespace || k.joining != nil || l.history.window == 0:
		refuse(handoff.Gone)
		return
	case k.session != nil && k.session.state == sessionParting: // what its client has sent comes first
		refuse(handoff.Busy)
		return
	case k.taking() != nil && k.taking().Phase() == handoff.Settling:
		refuse(handoff.Busy)
		return
	case n.Unit.Whole && k.detached == nil: // its client is back
		refuse(handoff.Gone)
		return
	default:
		// It is kept: this may be an attempt that its client has long given up, with the offset of then.
		if _, ok := k.missedSince(n.Unit.Offset); !ok && !n.Unit.Whole {
			refuse(handoff.Gone)
			return
		}
		o = &leaving{loop: l, sockets: []*socket{k}, cause: "recovery"}
		o.Owner = handoff.NewOwner[*parcel](l.gw.options.Handoff, l.seen, l.floor(o.sockets), broadcastSize)
	}
	if n.Kind == noteLook {
		o.answer(n, o.Look(l.now, handoff.Look{Token: n.Token}))
		return
	}
	if o.token == "" {
		o.want = n.Unit
		if o.want.Whole {
			o.cause = "drain"
		}
	}
	o.answer(n, o.Give(l.now, handoff.Give{Token: n.Token}, n.From))
}

// leavingOf finds the handoff by which a socket leaves, or, if it is not here any more, has left with a token.
func (l *loop) leavingOf(k *socket, token string) *leaving {
	switch {
	case k == nil:
		return l.leavings[token]
	case k.arrears == nil:
		return nil
	}
	return k.arrears.leaving
}

// answer carries out what the machine wants, for whoever asked.
func (o *leaving) answer(n *note, actions []handoff.Action) {
	gw := o.loop.gw
	for _, a := range actions {
		switch a := a.(type) {
		case handoff.MakeOffer:
			offer := &offer{}
			for _, k := range o.sockets {
				offer.Sockets = append(offer.Sockets, k.claims())
			}
			gw.tell(n.From, &note{Kind: noteOffer, Token: a.Token, Offer: offer})
		case handoff.Refused:
			gw.refuseHandoff(n, a.Step, a.Reason, a.Node)
		default:
			o.do([]handoff.Action{a})
		}
	}
}

// refuseHandoff answers a request of a taker that cannot be met.
func (gw *Gateway) refuseHandoff(n *note, step handoff.Step, reason handoff.Refusal, node string) {
	gw.tell(n.From, &note{Kind: noteRefused, Token: n.Token, Refuse: refusal{Step: step, Reason: reason, Node: node}})
}

// do carries out what the machine wants.
func (o *leaving) do(actions []handoff.Action) {
	l, gw := o.loop, o.loop.gw
	for _, a := range actions {
		switch a := a.(type) {
		case handoff.Freeze:
			o.freeze(a.Token)
		case handoff.State[*parcel]:
			gw.tell(o.Taker(), &note{
				Kind: noteState, Token: a.Token, Grant: a.Grant, State: a.State, Seen: string(handoff.AppendSeen(nil, a.Seen)),
			})
		case handoff.Confirmed:
			gw.tell(o.Taker(), &note{Kind: noteConfirmed, Token: a.Token})
		case handoff.Forward[*broadcast]:
			gw.tell(o.Taker(), &note{Kind: noteForward, Token: a.Token, Count: a.Index, Emit: a.Message.seal()})
		case handoff.Settled:
			gw.tell(o.Taker(), &note{Kind: noteSettled, Token: a.Token, Count: a.Count})
		case handoff.Depart:
			o.depart(a.Taker)
		case handoff.Restore:
			o.restore()
		case handoff.Deliver[*broadcast]:
			o.redeliver(a.Message)
		case handoff.Cut:
			if a.Early {
				gw.countHandoff(o.cause, "cut early")
			}
			o.release()
		case handoff.Forget:
			o.end()
		}
	}
	if at, ok := o.Due(); ok && o.token != "" {
		l.wheel.set(&o.timer, at, o)
	} else {
		l.wheel.stop(&o.timer)
	}
}

// expire implements expirer.
func (o *leaving) expire(now time.Duration) {
	if o.Phase() > handoff.Given && now-o.begun > o.loop.longest() {
		o.do(o.TakerLost(now, o.Taker()))
		return
	}
	if o.CutDue(now) {
		o.pulse(now)
		return
	}
	o.do(o.Tick(now))
}

// longest is how long a machine waits for the other side, once that owns the unit or may own it, if it neither answers nor is
// declared lost: a node that stops as it should is not.
func (l *loop) longest() time.Duration { return 2 * l.gw.options.Handoff.Horizon() }

// stop ends the handoff because this node stops. The taker, which would wait for us, is told.
func (o *leaving) stop() {
	token, taker := o.token, o.Taker()
	o.do(o.TakerLost(o.loop.now, taker)) // what is frozen ends with the rest
	refuse := refusal{Step: handoff.StepConfirm, Reason: handoff.Gone}
	o.loop.gw.tell(taker, &note{Kind: noteRefused, Token: token, Refuse: refuse})
}

// freeze stops the unit, and packs it.
func (o *leaving) freeze(token string) {
	l := o.loop
	p := o.pack()
	if p == nil {
		l.gw.tell(o.Taker(), &note{Kind: noteRefused, Token: token, Refuse: refusal{Step: handoff.StepGive, Reason: handoff.Gone}})
		o.do(o.End(l.now))
		return
	}
	o.token, o.begun = token, l.now
	l.leavings[token] = o
	l.gw.routes.tokens.Store(token, l)
	o.claims = make(map[string]*audience, len(o.sockets))
	for _, k := range o.sockets {
		k.owed().leaving = o
		a := &audience{nsp: k.nsp.name, rooms: make(map[string]struct{}, len(k.rooms))}
		o.claims[k.id] = a
		o.claim(l.gw.conn.SocketAll(k.id), l.gw.claimSocket(k.id, l))
		o.claim(k.nsp.subject, l.gw.interest.Claim(k.nsp.subject, l.index))
		for i := range k.rooms {
			r := k.rooms[i].room
			a.rooms[r.name] = struct{}{}
			o.claim(r.subject, r.claim())
		}
	}
	o.do(o.Frozen(l.now, l.gw.routes.numbers.Add(1)+l.gw.epoch.Load()<<16, p))
}

// pack is the unit's state; nil if it cannot be given. A connection of which we have not noticed that it is gone ends.
func (o *leaving) pack() *parcel {
	if o.session != nil {
		return o.session.pack()
	}
	k := o.sockets[0]
	if k.session != nil {
		k.session.close(reasonTransportClose, closeBroken)
	}
	if o.loop.sockets[k.id] != k || k.detached == nil {
		return nil
	}
	if o.want.Whole {
		return &parcel{Sockets: []boxed{k.packWhole()}}
	}
	state, _ := k.pack(o.want.Offset)
	if state == nil {
		return nil
	}
	box := k.box()
	for _, e := range state.backlog {
		box.Missed = append(box.Missed, e.b.seal())
	}
	return &parcel{Sockets: []boxed{box}}
}

// claims are what the socket hears.
func (k *socket) claims() claims {
	return claims{ID: k.id, Namespace: k.nsp.name, Rooms: k.roomNames()}
}

func (o *leaving) claim(subject string, err error) {
	if err == nil { // else the connection is closed for good
		o.subjects = append(o.subjects, subject)
	}
}

// release takes the claims back.
func (o *leaving) release() {
	for _, subject := range o.subjects {
		o.loop.unclaim(subject)
	}
	o.subjects = nil
}

// heard gives the machine an emit that reached this loop. One for what has just come here goes through its taker first.
func (o *leaving) heard(b *broadcast) {
	p := o.Phase()
	if p != handoff.Given && (p != handoff.Lingering || b.target.local) { // what has left is not of this node any more
		return
	}
	if len(o.sockets) > 0 && o.sockets[0].taking() != nil {
		return
	}
	for id, a := range o.claims {
		if b.mayName(id, a.nsp, a.rooms) {
			o.do(o.Message(o.loop.now, b.identity(), b))
			return
		}
	}
}

// restore takes the unit back. The client of a session has left for another node and will not come here: its sockets wait for it, detached.
func (o *leaving) restore() {
	for _, k := range o.sockets {
		if k.arrears != nil {
			k.arrears.leaving = nil
		}
	}
	s := o.session
	o.session = nil
	o.end()
	if s != nil {
		s.state = sessionOpen
		s.close(reasonTransportClose, closeGone)
	}
}

// redeliver takes what came for a unit that stays after all. Its sockets are detached: the loop's history has what they miss.
func (o *leaving) redeliver(b *broadcast) {
	for _, k := range o.sockets {
		own := b.target.room == k.id
		switch {
		case b.control != nil || b.answered != nil:
			if own {
				b.own.run(o.loop)
			}
		case b.emit.Ask:
			if b.names(k) {
				o.loop.gw.noAck(o.loop.gw.conn.Answer(b.reply, k.id), ackNoSocket)
			}
		case b.reply != "" && own:
			o.loop.gw.noAck(b.reply, ackNoSocket)
		case k.taking() != nil:
			k.hand(b)
		}
	}
}

// depart takes what has moved out of this loop. The claims stay until the machine is cut.
func (o *leaving) depart(taker string) {
	l, gone := o.loop, o.sockets
	o.sockets, o.to = nil, taker
	for _, k := range gone {
		o.ids = append(o.ids, k.id)
		l.gw.routes.setPlace(k.id, whereabouts{node: taker})
		t := k.taking()
		k.arrears = nil
		if t != nil {
			t.left(k)
		}
		if o.session == nil {
			k.forget("moved")
			if o.want.Whole {
				l.gw.metrics.drained.WithLabelValues("handed over").Inc()
			}
			continue
		}
		l.gw.feed.add(backplane.Change{Op: backplane.SocketRemoved, Socket: k.id})
		l.gw.toWorker(k.worker, "left", k.id, []byte(o.token))
		l.gw.metrics.sockets.Dec()
		k.session, k.acks = nil, nil
		k.leaveLoop()
	}
	if s := o.session; s != nil {
		s.sockets, s.queue, s.queued, s.parts = nil, nil, 0, nil
	}
}

// end drops the machine.
func (o *leaving) end() {
	l := o.loop
	o.release()
	l.wheel.stop(&o.timer)
	if o.token != "" {
		delete(l.leavings, o.token)
		l.gw.routes.tokens.Delete(o.token)
		o.token = ""
	}
	for _, k := range o.sockets {
		if k.arrears != nil && k.arrears.leaving == o {
			k.arrears.leaving = nil
		}
	}
	for _, id := range o.ids {
		if !l.gw.born(id) { // its birth node knows where it is
			l.gw.routes.dropPlace(id, func(p whereabouts) bool { return p.node == o.to })
		}
	}
	if o.session != nil {
		l.upgraded.add(o.session.key, l.now)
		o.session.forget()
	}
}

// told takes a taker's note that goes by token.
func (o *leaving) told(n *note) {
	now := o.loop.now
	switch n.Kind {
	case noteConfirm:
		o.answer(n, o.Confirm(now, handoff.Confirm{Token: n.Token, Grant: n.Grant, Received: n.Count}))
	case noteDecline:
		o.do(o.Decline(now, handoff.Decline{Token: n.Token}))
	case noteDone:
		o.do(o.Done(now, handoff.Done{Token: n.Token}))
	}
}
