package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

// recovering is a rig on which clients may come back.
func recovering(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	return newRig(t, append([]func(*Options){func(o *Options) { o.Engine.Recovery = Window(time.Minute) }}, change...)...)
}

// joinPID joins the root and returns socket id and private id.
func (c *wsClient) joinPID() (id, pid string) {
	c.Helper()
	c.Send("40")
	got := c.Expect(`40{"sid":"*","pid":"*"}`)
	return got[0], got[1]
}

// detach waits until a socket's connection is known to be gone.
func (r *rig) detach(c *wsClient, id string) {
	r.Helper()
	c.net.Close()
	r.app.expectLeave(id, reasonTransportClose)
}

// Back on the same loop or another one: the same socket, what it missed and nothing else, then the CONNECT, then
// what is new.
func TestRecovery(t *testing.T) {
	r := recovering(t)
	r.app.onConnect(func(c backplane.Connect) *backplane.Connected {
		if c.Recovered {
			return &backplane.Connected{Worker: "w1"} // rooms and data are kept
		}
		return &backplane.Connected{Worker: "w1", Rooms: []string{"a"}}
	})
	for round := range 4 { // the loops take turns
		c := r.ws()
		id, pid := c.joinPID()
		r.app.emitRoom("/", "a", `["seen"]`)
		offset := c.Expect(`42["seen","*"]`)[0]
		r.app.emitSocket(id, r.app.reply+".x", payload(`["ack"]`))
		c.Expect(`420["ack"]`) // no offset with an ack id
		r.detach(c, id)
		if m := next(t, r.app.replies); m.Header[backplane.HeaderError] == nil {
			t.Error("the ack that is owed is not given up")
		}
		r.app.emitRoom("/", "a", `["missed",1]`)
		r.app.emitRoom("/", "b", `["not for it"]`)
		r.app.emitSocket(id, "", payload(`["missed",2,{"_placeholder":true,"num":0}]`, "bytes"))
		r.app.emitAll("/", `["missed",3]`)
		r.app.emitAll("/", `["not for it"]`, "a")
		e := backplane.Emit{Payload: payload(`["volatile"]`), Volatile: true}
		r.app.publish(e.Encode(r.app.conn.Namespace("/"), ""))
		r.app.flush()
		c = r.ws()
		c.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, pid, offset))
		c.Expect(`42["missed",1,"*"]`, `451-["missed",2,{"_placeholder":true,"num":0},"*"]`)
		c.ExpectBinary("bytes")
		last := c.Expect(`42["missed",3,"*"]`, `40{"sid":"`+id+`","pid":"`+pid+`"}`)[0]
		r.app.emitRoom("/", "a", `["new"]`)
		c.Expect(`42["new","*"]`)
		c.Alive(r.app)
		// Once more, with an older offset than the last: what came since is missed again.
		r.detach(c, id)
		c = r.ws()
		c.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, pid, last))
		c.Expect(`42["new","*"]`, `40{"sid":"`+id+`","pid":"`+pid+`"}`)
		c.Alive(r.app)
		c.Send("41")
		r.app.expectLeave(id, reasonClientLeft)
		c.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, pid, last)) // leaving by 41 is for good
		if again := c.Expect(`40{"sid":"*","pid":"*"}`)[0]; again == id {
			t.Errorf("round %d: recovered after 41", round)
		}
		c.net.Close()
		next(t, r.app.leaves)
	}
	for _, l := range r.gw.loops {
		if err := r.gw.interest.Sweep(time.Now()); err != nil {
			t.Error(err)
		}
		r.onLoop(l, func() {
			if len(l.sessions) != 0 || l.gone.count != len(l.sockets) {
				t.Errorf("loop %d: %d sessions, %d sockets, %d detached", l.index, len(l.sessions), len(l.sockets), l.gone.count)
			}
		})
	}
}

// What cannot be recovered begins anew.
func TestNoRecovery(t *testing.T) {
	r := recovering(t)
	c := r.ws()
	id, pid := c.joinPID()
	chat := c.join2("/chat")
	r.detach2(c, id, chat)
	for name, connect := range map[string]string{
		"forged":            `40{"pid":"` + strings.Repeat("A", 16) + id + `","offset":""}`,
		"no pid":            `40{"pid":"","offset":""}`,
		"number":            `40{"pid":1,"offset":""}`,
		"null":              `40{"pid":null}`,
		"unknown offset":    `40{"pid":"` + pid + `","offset":"nonsense"}`,
		"another namespace": `40/chat,{"pid":"` + pid + `","offset":""}`,
	} {
		c := r.ws()
		c.Send(connect)
		if got := c.Expect(`40*{"sid":"*","pid":"*"}`); got[1] == id {
			t.Errorf("%s: recovered", name)
		}
	}
}

// An application may refuse a client that comes back: the client is told, and its socket ends. It hears what the socket is that it decides about.
func TestRefusedRecovery(t *testing.T) {
	r := recovering(t)
	c := r.ws()
	id, pid := c.joinPID()
	next(t, r.app.connects)
	r.detach(c, id)
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Error: &backplane.ConnectError{Message: "no more"}}
	})
	c = r.ws()
	c.Send(fmt.Sprintf(`40{"pid":%q,"offset":""}`, pid))
	c.Expect(`44{"message":"no more"}`)
	if request := next(t, r.app.connects); request.Socket != id || !request.Recovered || request.Rehomed {
		t.Errorf("%+v", request)
	}
	r.app.onConnect(accept())
	c.Send(fmt.Sprintf(`40{"pid":%q,"offset":""}`, pid))
	if got := c.Expect(`40{"sid":"*","pid":"*"}`); got[0] == id {
		t.Error("recovered after all")
	}
	next(t, r.app.connects)
	lost, err := json.Marshal(backplane.Lost{Worker: "w1"})
	if err != nil {
		t.Fatal(err)
	}
	r.app.publish(&backplane.Msg{Subject: r.app.conn.Lost(), Data: lost})
	if request := next(t, r.app.connects); !request.Recovered || !request.Rehomed {
		t.Errorf("a new home: %+v", request)
	}
}

// join2 joins a namespace on a rig with recovery.
func (c *wsClient) join2(nsp string) string {
	c.Helper()
	c.Send("40" + nsp + ",")
	return c.Expect("40" + nsp + `,{"sid":"*","pid":"*"}`)[0]
}

// detach2 is detach for two sockets, whose leaving comes in any order.
func (r *rig) detach2(c *wsClient, ids ...string) {
	r.Helper()
	c.net.Close()
	for range ids {
		if l := next(r, r.app.leaves); l.reason != reasonTransportClose {
			r.Errorf("%+v", l)
		}
	}
}

// A delivery that closes a slow session makes one detached socket too many: the oldest goes, but not in the
// middle of the walk over the members, one of whom would take its place and be served twice.
func TestEvictionDuringBroadcast(t *testing.T) {
	r := recovering(t, func(o *Options) { o.Loops, o.Limits.Detached, o.Limits.QueueBytes = 1, 1, 5000 })
	r.app.onConnect(accept("room"))
	oldest := r.ws()
	id, _ := oldest.joinPID()
	slow := r.ws()
	slowID, _ := slow.joinPID()
	live := r.ws()
	live.joinPID()
	r.detach(oldest, id)
	l := r.gw.loops[0]
	r.onLoop(l, func() {
		k := l.sockets[slowID]
		k.session.conn.queued += 5000 // as if it did not read
		(&broadcast{id: "x", target: target{nsp: "/", room: "room"}, wire: encodeEvent("/", payload(`["once"]`), "")}).run(l)
	})
	r.app.expectLeave(slowID, reasonSlowConsumer)
	r.app.emitRoom("/", "room", `["end"]`)
	live.Expect(`42["once"]`, `42["end","*"]`)
	eventually(t, "only one detached socket", func() bool {
		n := 0
		r.onLoop(l, func() { n = l.gone.count })
		return n == 1
	})
}

// The time runs out while the worker is asked: the client is sent away, the worker told, and nothing is left behind.
func TestLapseWhileComingBack(t *testing.T) {
	r := recovering(t, func(o *Options) { o.Loops, o.Engine.Recovery = 1, Window(200*time.Millisecond) })
	other := r.ws()
	otherID, _ := other.joinPID()
	c := r.ws()
	id, pid := c.joinPID()
	r.detach(c, id)
	r.app.onConnect(silent)
	c = r.ws()
	c.Send(fmt.Sprintf(`40{"pid":%q,"offset":""}`, pid))
	c.ExpectClose(0)
	r.app.answer(r.app.conn.Node("g1", "connected", id), &backplane.Connected{Worker: "w1"})
	r.app.expectLeave(id, reasonTransportClose)
	l := r.gw.loops[0]
	r.onLoop(l, func() {
		if n := l.namespaces["/"]; n == nil || n.users != 1 || len(n.members) != 1 || l.gone.count != 0 || len(l.sockets) != 1 {
			t.Errorf("%+v, %d detached, %d sockets", n, l.gone.count, len(l.sockets))
		}
	})
	r.app.emitSocket(otherID, "", payload(`["still"]`))
	other.Expect(`42["still","*"]`)
}

// A client whose connection breaks again while its worker is still asked to take it back, and which comes once more before that was
// noticed, has its socket all the same: on any loop and on any node.
func TestRecoveryOvertakes(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	for round, to := range []*rig{nodes[0], nodes[0], nodes[1]} {
		app.onConnect(accept("a"))
		c := nodes[0].ws()
		id, pid := c.joinPID()
		nodes[0].detach(c, id)
		for len(app.connects) > 0 {
			<-app.connects
		}
		app.onConnect(silent)
		first := nodes[0].ws()
		first.Send(fmt.Sprintf(`40{"pid":%q}`, pid))
		next(t, app.connects)
		app.onConnect(accept())
		second := to.ws()
		second.Send(fmt.Sprintf(`40{"pid":%q}`, pid))
		if got := second.Expect(`40{"sid":"*","pid":"*"}`)[0]; got != id {
			t.Errorf("round %d: another socket", round)
		}
		second.Send("41")
		app.expectLeave(id, reasonClientLeft)
	}
}
