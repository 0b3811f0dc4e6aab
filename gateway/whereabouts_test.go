package gateway

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// player is a gateway that a test plays.
type player struct {
	*app
	id string
}

func (a *app) play(id string) *player {
	a.Helper()
	a.serve(a.conn.Node(id, verbHandoff, ""))
	return &player{app: a, id: id}
}

// tell sends a note to a gateway.
func (p *player) tell(node string, n *note) {
	p.Helper()
	n.From = p.id
	data, err := json.Marshal(n)
	if err != nil {
		p.Fatal(err)
	}
	p.publish(&backplane.Msg{Subject: p.conn.Node(node, verbHandoff, ""), Data: data})
}

// hear takes the next note of any gateway, which must be of a kind and a token, if that is not empty.
func (p *player) hear(kind noteKind, token string) *note {
	p.Helper()
	n := new(note)
	if m := next(p, p.replies); json.Unmarshal(m.Data, n) != nil || n.Kind != kind || token != "" && n.Token != token {
		p.Fatalf("%s; want %s, %s", m.Data, kind, token)
	}
	return n
}

// A socket leaves a node while somebody's question for it is already there: the answer is where it is.
func TestSoughtWhereItWas(t *testing.T) {
	nodes := cluster(t, 2)
	c, owner := nodes[0].parted()
	c.back(nodes[1])
	eventually(t, "the machine is gone", func() (gone bool) {
		nodes[0].onLoop(owner, func() { gone = len(owner.leavings) == 0 })
		return gone
	})
	p := nodes[0].app.play("gx")
	sought := wanted{Socket: c.id, Namespace: "/"}
	owner.post(&noted{note: &note{Kind: noteLook, From: p.id, Token: "gx.0.a", Unit: sought}})
	if n := p.hear(noteRefused, "gx.0.a"); n.Refuse != (refusal{Step: handoff.StepLook, Reason: handoff.Moved, Node: nodes[1].gw.ID()}) {
		t.Errorf("%+v", n.Refuse)
	}
	sought.Socket = nodes[0].gw.birth.NewSocketID("g1", owner.index)
	owner.post(&noted{note: &note{Kind: noteGive, From: p.id, Token: "gx.0.b", Unit: sought}})
	if n := p.hear(noteRefused, "gx.0.b"); n.Refuse != (refusal{Step: handoff.StepGive, Reason: handoff.Gone}) {
		t.Errorf("of none: %+v", n.Refuse)
	}
}

// A node that is about to have a socket does not say that it is gone: it says nothing, and is asked again.
func TestSoughtWhereItWillBe(t *testing.T) {
	for _, comes := range []bool{true, false} {
		t.Run(fmt.Sprint(comes), func(t *testing.T) {
			r := newRig(t, clustered, func(o *Options) { o.Handoff.Retry = time.Minute }) // each asks once
			app := r.app
			owner, seeker := app.play("gx"), app.play("gy")
			id := backplane.NewSocketID("gx", 0)
			app.serve(app.conn.SocketTake(id))
			var pid string
			r.onLoop(r.gw.loops[0], func() { pid = r.gw.loops[0].seal.pid(id) })
			c := &reader{wsClient: r.ws()}
			c.Send(fmt.Sprintf(`40{"pid":%q,"offset":""}`, pid))
			token := owner.hear(noteLook, "").Token
			all := claims{ID: id, Namespace: "/"}
			owner.tell("g1", &note{Kind: noteOffer, Token: token, Offer: &offer{Sockets: []claims{all}}})
			owner.hear(noteGive, token)
			owner.tell("g1", &note{Kind: noteState, Token: token, Grant: 7, State: &parcel{Sockets: []boxed{{claims: all, Worker: "w1"}}}})
			owner.hear(noteConfirm, token)
			asks := func(token, id string) {
				seeker.tell("g1", &note{Kind: noteLook, Token: token, Unit: wanted{Socket: id, Namespace: "/"}})
			}
			asks("gy.0.a", id)
			asks("gy.0.b", backplane.NewSocketID("gx", 0))
			seeker.hear(noteRefused, "gy.0.b")
			if !comes {
				owner.tell("g1", &note{Kind: noteRefused, Token: token, Refuse: refusal{Step: handoff.StepConfirm, Reason: handoff.Revoked}})
				token = owner.hear(noteLook, "").Token // has it taken it back?
				owner.tell("g1", &note{Kind: noteRefused, Token: token, Refuse: refusal{Step: handoff.StepLook, Reason: handoff.Gone}})
				next(t, app.opens) // the client's new socket
				asks("gy.0.c", id)
				if n := seeker.hear(noteRefused, "gy.0.c"); n.Refuse.Reason != handoff.Gone {
					t.Errorf("%+v", n.Refuse)
				}
				return
			}
			owner.tell("g1", &note{Kind: noteConfirmed, Token: token})
			for !c.read() {
			}
			if c.id != id {
				t.Errorf("not its socket, but %s", c.id)
			}
		})
	}
}

// A socket leaves for another node while a client that comes back for it, on another loop, has asked: it is sought there.
func TestSoughtFromAnotherLoop(t *testing.T) {
	r := newRig(t, clustered, func(o *Options) { o.Handoff.Linger = time.Minute })
	c, owner := r.parted()
	c.wsClient = r.wsOn(r.after(owner, 1))
	p := r.app.play("gx")
	p.tell("g1", &note{Kind: noteGive, Token: "gx.0.a", Unit: wanted{Socket: c.id, Namespace: "/"}})
	grant := p.hear(noteState, "gx.0.a").Grant
	still := r.halt(owner)
	<-still.reached
	p.tell("g1", &note{Kind: noteConfirm, Token: "gx.0.a", Grant: grant})
	r.asked(owner, 1)
	c.comes()
	r.asked(owner, 2)
	still.release()
	p.hear(noteConfirmed, "gx.0.a")
	if n := p.hear(noteLook, ""); n.Unit.Socket != c.id {
		t.Errorf("%+v", n.Unit)
	}
}

// A node that has been named does not have the socket, which has gone on: it is sought once more by its own subject.
func TestSoughtOnceMore(t *testing.T) {
	r := newRig(t, clustered, func(o *Options) { o.Handoff.Retry = time.Minute })
	birth, named := r.app.play("gx"), r.app.play("gy")
	id := backplane.NewSocketID("gx", 0)
	r.app.serve(r.app.conn.SocketTake(id))
	c := r.seeker(id)
	token := birth.hear(noteLook, "").Token
	birth.tell("g1", &note{Kind: noteRefused, Token: token, Refuse: refusal{Step: handoff.StepLook, Reason: handoff.Moved, Node: named.id}})
	token = named.hear(noteLook, "").Token
	named.tell("g1", &note{Kind: noteRefused, Token: token, Refuse: refusal{Step: handoff.StepLook, Reason: handoff.Gone}})
	birth.gives(id, birth.hear(noteLook, "").Token)
	c.expectBack(id)
}

// A socket moves and moves while it is sought: it is found as long as there is time.
func TestSoughtFromNodeToNode(t *testing.T) {
	r := newRig(t, clustered, func(o *Options) { o.Handoff.Retry = time.Minute })
	nodes := []*player{r.app.play("gx"), r.app.play("gy")}
	id := backplane.NewSocketID("gx", 0)
	r.app.serve(r.app.conn.SocketTake(id))
	c := r.seeker(id)
	for i := range 10 {
		at, next := nodes[i%2], nodes[(i+1)%2]
		token := at.hear(noteLook, "").Token
		at.tell("g1", &note{Kind: noteRefused, Token: token, Refuse: refusal{Step: handoff.StepLook, Reason: handoff.Moved, Node: next.id}})
	}
	nodes[0].gives(id, nodes[0].hear(noteLook, "").Token)
	c.expectBack(id)
}

// An attempt that a client has given up asks for its socket with an offset of then, which is too old by now: the client has its socket all
// the same.
func TestSoughtWithAnOldOffset(t *testing.T) {
	for _, elsewhere := range []bool{true, false} {
		t.Run(fmt.Sprint(elsewhere), func(t *testing.T) {
			r := newRig(t, clustered, threeLoops)
			c, home := r.parted()
			if elsewhere {
				p := r.app.play("gx")
				p.tell("g1", &note{Kind: noteGive, Token: "gx.0.a", Unit: wanted{Socket: c.id, Namespace: "/", Offset: "old"}})
				p.hear(noteRefused, "gx.0.a")
			} else {
				c.offset = "old"
				x := r.crossing(c, home, r.after(home, 1))
				x.still.release()
				next(t, r.app.opens) // what has no use for it any more
				c.offset = ""
			}
			c.back(r)
		})
	}
}

// The node that has a socket is not connected to NATS for a moment when the socket is sought: it is asked again.
func TestSoughtInAGap(t *testing.T) {
	r := newRig(t, clustered, func(o *Options) { o.Handoff.Retry, o.Handoff.GiveUp = time.Minute, time.Hour })
	id := backplane.NewSocketID("gx", 0)
	c := r.seeker(id)
	_, l := r.session(c.sid)
	eventually(t, "nobody hears it", func() (unheard bool) {
		r.onLoop(l, func() {
			for _, t := range l.takings {
				unheard = t.missed > 0
			}
		})
		return unheard
	})
	owner := r.app.play("gx")
	r.app.serve(r.app.conn.SocketTake(id))
	r.onLoop(l, func() {
		for _, t := range l.takings {
			t.do(t.Tick(l.now + time.Minute))
		}
	})
	owner.gives(id, owner.hear(noteLook, "").Token)
	c.expectBack(id)
}

// seeker is a client that comes for a socket of another node.
func (r *rig) seeker(id string) *reader {
	r.Helper()
	c := &reader{wsClient: r.ws(), id: id}
	r.onLoop(r.gw.loops[0], func() { c.pid = r.gw.loops[0].seal.pid(id) })
	c.comes()
	return c
}

// gives hands a socket over to g1, which has asked what there is.
func (p *player) gives(id, token string) {
	p.Helper()
	all := claims{ID: id, Namespace: "/"}
	p.tell("g1", &note{Kind: noteOffer, Token: token, Offer: &offer{Sockets: []claims{all}}})
	p.hear(noteGive, token)
	p.tell("g1", &note{Kind: noteState, Token: token, Grant: 7, State: &parcel{Sockets: []boxed{{claims: all, Worker: "w1"}}}})
	p.hear(noteConfirm, token)
	p.tell("g1", &note{Kind: noteConfirmed, Token: token})
}
