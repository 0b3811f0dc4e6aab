package gateway

import (
	"context"
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// A node that drains offers the sockets whose clients do not come back to its peers: it asks on `shelter`, where one of those that
// are ready hears it. That one takes the socket by the handoff by which a client's node would, and keeps it detached for the rest
// of its time. From then on it is found by its own subject, as every socket is.

const (
	// maxOffers is how many sockets of a loop are offered at once.
	maxOffers = 64
	// offerTime is after how long a socket is offered again: the peer may be full, or gone.
	offerTime = 2 * time.Second
	// lonelyTime is the same if there is no peer. The second time that there is none the socket is lost.
	lonelyTime = 500 * time.Millisecond
	// shelteredEvents and shelteredBytes are how much a socket takes along of what came before its transport went: its
	// client may not have had the last of it. Of what came since it takes as much as it may have queued.
	shelteredEvents = 1000
	shelteredBytes  = 1 << 20
)

// offering is a detached socket that peers are asked to take. Owned by its loop.
type offering struct {
	socket *socket
	again  time.Duration
	lonely bool // there was no peer the last time
}

// offerSome offers sockets that have been detached for some time, as many as may be offered at once.
func (l *loop) offerSome(least time.Duration) {
	for token, o := range l.offers {
		switch k := o.socket; {
		case l.sockets[k.id] != k || k.detached == nil:
			delete(l.offers, token)
		case !k.moving() && k.joining == nil && l.now >= o.again:
			o.again = l.now + offerTime
			l.offer(token, k)
		}
	}
	if len(l.offers) >= maxOffers || l.gone.count == len(l.offers) {
		return
	}
	asked := make(map[*socket]bool, len(l.offers))
	for _, o := range l.offers {
		asked[o.socket] = true
	}
	for i := range l.gone.queue {
		d := &l.gone.queue[i]
		k := d.socket
		if d.over() || asked[k] || k.moving() || k.joining != nil || l.now-k.detached.since < least {
			continue
		}
		token := l.newToken()
		l.offers[token] = &offering{socket: k, again: l.now + offerTime}
		l.offer(token, k)
		if len(l.offers) >= maxOffers {
			return
		}
	}
}

func (l *loop) offer(token string, k *socket) {
	l.gw.sendNote(l.gw.conn.Shelter(), &note{Kind: noteShelter, Token: token, Unit: wanted{Socket: k.id, Namespace: k.nsp.name, Whole: true}})
}

// declined takes the word that there is no peer for a socket now, or that the one that was asked has no room.
func (l *loop) declined(o *offering, token string, none bool) {
	k := o.socket
	switch {
	case !none:
		o.lonely = false
	case o.lonely && l.sockets[k.id] == k && k.detached != nil && !k.moving() && k.joining == nil:
		delete(l.offers, token)
		l.gw.metrics.drained.WithLabelValues("no peer").Inc()
		k.forget("lost")
	default:
		o.lonely = true
		o.again = min(o.again, l.now+lonelyTime)
	}
}

// sheltering posts a peer's request to a loop. On intake.
func (in *intake) sheltering(m *backplane.Msg) {
	n := new(note)
	if err := json.Unmarshal(m.Data, n); err != nil || n.Kind != noteShelter || !backplane.ValidID(n.From) {
		in.bad(m, "shelter: malformed")
		return
	}
	switch {
	case n.Unit.Socket != "":
		in.gw.nextLoop().post(&noted{note: n})
	case m.Reply != "" && in.gw.Ready() == nil: // only whether there is anybody
		in.gw.countPublish(in.gw.conn.Publish(m.Reply, nil))
	}
}

// aloneTime is how long a peer may take to say that it is there. One that is there and does not answer is one.
const aloneTime = time.Second

// verbPeer is the subject verb of a peer's word that it is there.
const verbPeer = "peer"

// alone reports whether no other gateway is ready.
func (gw *Gateway) alone(ctx context.Context) bool {
	data, err := json.Marshal(&note{Kind: noteShelter, From: gw.options.ID})
	if err != nil {
		panic("gateway: a note that is not JSON: " + err.Error())
	}
	gw.countPublish(gw.conn.PublishRequest(gw.conn.Shelter(), gw.conn.Node(gw.options.ID, verbPeer, ""), data))
	timer := time.NewTimer(aloneTime)
	defer timer.Stop()
	select {
	case there := <-gw.peers:
		return !there
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// peer takes the word that there is a peer, or NATS's that there is none. On intake.
func (in *intake) peer(m *backplane.Msg) {
	select {
	case in.gw.peers <- !backplane.NoResponders(m):
	default: // nobody asked, or knows already
	}
}

// shelter takes a socket of a node that drains, or says that it cannot.
func (l *loop) shelter(n *note) {
	if l.gw.Ready() != nil || l.history.window == 0 || len(l.takings) >= maxTakings || l.sockets[n.Unit.Socket] != nil {
		l.gw.tell(n.From, &note{Kind: noteDeclined, Token: n.Token})
		return
	}
	unit := wanted{Socket: n.Unit.Socket, Namespace: n.Unit.Namespace, Whole: true}
	l.take(&sheltered{gw: l.gw, unit: unit}, "drain", n.From, maxHops)
}

// sheltered is a socket of a node that drains, on its way here. Nobody waits for it.
type sheltered struct {
	gw   *Gateway
	unit wanted
}

// wanted implements errand.
func (s *sheltered) wanted() wanted { return s.unit }

// alive implements errand.
func (s *sheltered) alive() bool { return s.gw.Ready() == nil }

// failed implements errand: the other node asks again, if it still has the socket.
func (s *sheltered) failed(l *loop, f handoff.Failure) {
	l.gw.log.Debug("a socket of a node that drains is not taken", zap.String("socket", s.unit.Socket), zap.String("why", failureName(f)))
}

// adopt implements errand: the socket is kept for the rest of its time.
func (s *sheltered) adopt(t *taking, p *parcel) []*socket {
	if len(p.Sockets) != 1 || p.Sockets[0].ID != s.unit.Socket {
		return nil
	}
	box := &p.Sockets[0]
	k := t.keep(box, s.unit.Namespace, box.Left)
	if k == nil {
		return nil
	}
	k.arrears.anchor, k.arrears.trimmed = box.Anchor, box.Trimmed
	return []*socket{k}
}

// keep makes a detached socket of this loop from what another node has sent; nil if the connection to NATS is closed for good.
func (t *taking) keep(box *boxed, nsp string, left time.Duration) *socket {
	l := t.loop
	at := l.history.next()
	packed := &packed{
		socket: &socket{id: box.ID, worker: l.gw.workerName(box.Worker), data: box.Data, auth: box.Auth, debts: debts{number: box.Number}},
		rooms:  box.Rooms, owner: box.Owner, left: left,
	}
	for _, e := range box.Missed {
		packed.backlog = append(packed.backlog, e.open().past(nsp, l.now))
	}
	l.gw.routes.setPlace(box.ID, whereabouts{loop: l})
	k, err := packed.adopt(l, nsp, at)
	if err != nil {
		l.gw.unroute(box.ID, l)
		return nil
	}
	t.own(k, at)
	return k
}

// packWhole is a detached socket whose client has not said what it has had.
func (k *socket) packWhole() boxed {
	b := k.box()
	b.Left = k.detached.until - k.nsp.loop.now
	k.boxPast(&b, shelteredEvents, shelteredBytes)
	return b
}
