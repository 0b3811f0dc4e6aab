package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

// joinPID joins the root; the client will follow a stream.
func (p *pollClient) joinPID() *reader {
	p.Helper()
	p.Send("40")
	got := p.Expect(`40{"sid":"*","pid":"*"}`)
	return &reader{id: got[0], pid: got[1]}
}

// What a client sends right behind packet `5` counts, even if its connection is gone before its session has come; and that it is
// gone is told at once.
func TestGoodbyeBehindUpgrade(t *testing.T) {
	for _, recovery := range []Window{Off, Window(time.Minute)} {
		for _, c := range []struct {
			behind []string
			events []string
			reason string
		}{
			{[]string{`42["event"]`, "41"}, []string{`["event"]`}, reasonClientLeft},
			{[]string{`42["event"]`}, []string{`["event"]`}, reasonTransportClose},
			{nil, nil, reasonTransportClose},
		} {
			t.Run(fmt.Sprint(recovery, c.behind), func(t *testing.T) {
				nodes := cluster(t, 2, func(o *Options) { o.Engine.Recovery = recovery })
				app := nodes[0].app
				app.answersMoved.Store(true)
				p := nodes[0].poll()
				p.Send("40")
				p.Expect(`40{"sid":"*}`)
				id := next(t, app.opens)
				ws := nodes[1].dial("EIO=4&transport=websocket&sid=" + p.sid)
				ws.Send("2probe")
				ws.Expect("3probe")
				ws.Send(append([]string{"5"}, c.behind...)...)
				ws.net.Close()
				for _, event := range c.events {
					app.expectEvent(event)
				}
				if got := next(t, app.leaves); got.reason != c.reason || got.socket != id {
					t.Errorf("%+v", got)
				}
			})
		}
	}
}

// A goodbye to one namespace behind packet `5` leaves those of the session's other sockets alone that are still coming.
func TestLeavingBehindUpgrade(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	app.answersMoved.Store(true)
	p := nodes[0].poll()
	c := p.joinPID()
	p.Send("40/chat,")
	p.Expect(`40/chat,{"sid":"*","pid":"*"}`)
	next(t, app.opens)
	next(t, app.opens)
	app.join(c.id, "a")
	s := &stream{app: app, socket: c.id}
	c.wsClient = nodes[1].dial("EIO=4&transport=websocket&sid=" + p.sid)
	c.Send("2probe")
	c.Expect("3probe")
	stop := s.run(t, 500*time.Microsecond)
	c.Send("5", "41/chat,")
	c.readTo(200)
	app.expectLeave("", reasonClientLeft)
	stop()
	c.readTo(s.last)
}

// A polling session is upgraded on another node while numbered emits come and events go: nothing is lost, repeated
// or out of order, either way; an acknowledgement asked for before is given after.
func TestUpgradeElsewhere(t *testing.T) {
	for _, answers := range []bool{true, false} {
		t.Run(fmt.Sprint("worker answers ", answers), func(t *testing.T) {
			nodes := cluster(t, 3)
			app := nodes[0].app
			app.answersMoved.Store(answers)
			app.onConnect(accept("a", "b"))
			p := nodes[0].poll()
			c := p.joinPID()
			next(t, app.opens)
			s := &stream{app: app, socket: c.id}
			app.emitSocket(c.id, app.reply+".before", payload(`["ask"]`))
			p.Expect(`420["ask"]`)
			p.Send(`42["event",0]`)
			app.expectEvent(`["event",0]`)
			c.wsClient = nodes[1].dial("EIO=4&transport=websocket&sid=" + p.sid)
			get := p.GetSoon(t.Context())
			c.Send("2probe")
			c.Expect("3probe")
			if got := <-get; got.status != 200 || got.body != "6" {
				t.Fatalf("%+v", got)
			}
			stop := s.run(t, 500*time.Microsecond)
			c.Send("5", `42["event",1]`, `42["event",2]`, `430["ack"]`)
			c.readTo(200)
			// The node that had the session refuses the request as long as it knows of the move, and the session once it has forgotten.
			if got := p.Get(); got.status != 400 || got.body != badRequest && got.body != unknownSID {
				t.Errorf("late GET: %+v", got)
			}
			for i := 3; i < 50; i++ {
				c.Send(fmt.Sprintf(`42["event",%d]`, i))
			}
			for i := 1; i < 50; i++ {
				app.expectEvent(fmt.Sprintf(`["event",%d]`, i))
			}
			if m := next(t, app.replies); string(m.Data) != `["ack"]` || m.Subject != app.reply+".before" {
				t.Errorf("%s %s", m.Subject, m.Data)
			}
			stop()
			c.readTo(s.last)
			if reply := app.control(c.id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"x"}}); reply.Error != "" || reply.Transport != "websocket" {
				t.Errorf("%+v", reply)
			}
			gone := nodes[0].gw
			eventually(t, "its former node has let go of it", func() bool {
				left := 0
				for _, l := range gone.loops {
					nodes[0].onLoop(l, func() { left += len(l.leavings) })
				}
				return left == 0
			})
			if got := p.Get(); got.status != 400 || !strings.Contains(got.body, `"code":3`) {
				t.Errorf("a GET that is later still: %+v", got)
			}
			// And on to a third node, by recovery, with nothing missed; then with something.
			c.net.Close()
			c.back(nodes[2])
			c.net.Close()
			c.back(nodes[0])
			stop = s.run(t, 500*time.Microsecond)
			c.net.Close()
			c.back(nodes[2])
			c.readTo(c.had + 100)
			stop()
			c.readTo(s.last)
			if reply := app.control(c.id, backplane.Control{Op: backplane.OpInfo}); len(reply.Rooms) != 4 {
				t.Errorf("%+v", reply)
			}
		})
	}
}

// A probe on another node that is dropped leaves polling intact, and a later one welcome; a second one meanwhile, or after
// the upgrade, is accepted and closed; one for no session is refused.
func TestProbesElsewhere(t *testing.T) {
	nodes := cluster(t, 2)
	p := nodes[0].poll()
	p.joinPID()
	app := nodes[0].app
	app.answersMoved.Store(true)
	next(t, app.opens)
	query := "EIO=4&transport=websocket&sid=" + p.sid
	first := nodes[1].dial(query)
	first.Send("2probe")
	first.Expect("3probe")
	nodes[1].dial(query).ExpectClose(0)
	first.net.Close()
	p.Send(`42["still"]`)
	app.expectEvent(`["still"]`)
	var again *wsClient
	eventually(t, "welcome again", func() bool {
		again = nodes[1].dial(query)
		again.Send("2probe")
		f, err := again.frame()
		return err == nil && string(f.Payload) == "3probe"
	})
	again.Send("nonsense")
	again.ExpectClose(0)
	eventually(t, "welcome once more", func() bool {
		again = nodes[1].dial(query)
		again.Send("2probe")
		f, err := again.frame()
		return err == nil && string(f.Payload) == "3probe"
	})
	again.Send("5")
	again.Alive(app)
	nodes[1].dial(query).ExpectClose(0)
	nodes[0].dial(query).ExpectClose(0)
	unknown := nodes[1].raw()
	_, text := newSealer(nodes[0].gw.secret).seal(0, nodes[0].gw.epoch.Load(), "g1")
	unknown.Raw([]byte(handshake("EIO=4&transport=websocket&sid=" + text)))
	if got := unknown.response(); got.status != 400 {
		t.Errorf("%+v", got)
	}
	dead := nodes[1].raw()
	_, text = newSealer(nodes[0].gw.secret).seal(0, 1, "gdead")
	dead.Raw([]byte(handshake("EIO=4&transport=websocket&sid=" + text)))
	if got := dead.response(); got.status != 400 {
		t.Errorf("%+v", got)
	}
}

// An idle socket with an offset goes by recovery, upgrade and recovery: its offset holds good everywhere.
func TestOffsetGoesAlong(t *testing.T) {
	nodes := cluster(t, 3)
	app := nodes[0].app
	app.answersMoved.Store(true)
	app.onConnect(accept("a", "b"))
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	next(t, app.opens)
	s := &stream{app: app, socket: c.id}
	s.next()
	c.readTo(1)
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	// Back by polling on another node, upgraded on the third, and back on the first.
	p := nodes[1].poll()
	p.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, c.offset))
	if got := p.Expect(`40{"sid":"*","pid":"*"}`); got[0] != c.id {
		t.Fatalf("a new socket %s", got[0])
	}
	c.wsClient = nodes[2].dial("EIO=4&transport=websocket&sid=" + p.sid)
	c.Send("2probe")
	c.Expect("3probe")
	c.Send("5")
	c.Alive(app)
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	c.back(nodes[0])
	s.next()
	c.readTo(2)
}

// A half-assembled packet moves along, and a session with sockets in two namespaces.
func TestPartsMove(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	app.answersMoved.Store(true)
	p := nodes[0].poll()
	p.joinPID()
	next(t, app.opens)
	p.Send("40/chat,")
	p.Expect(`40/chat,{"sid":"*","pid":"*"}`)
	next(t, app.opens)
	p.Send(`452-["file",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bb25l")
	c := nodes[1].dial("EIO=4&transport=websocket&sid=" + p.sid)
	c.Send("2probe")
	c.Expect("3probe")
	c.Send("5")
	c.SendBinary("two")
	c.Send(`42/chat,["after"]`)
	app.expectEvent(`["file",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "one", "two")
	app.expectEvent(`["after"]`)
	app.emitAll("/chat", `["all"]`)
	c.Expect(`42/chat,["all","*"]`)
	c.net.Close()
	for range 2 {
		if l := next(t, app.leaves); l.reason != reasonTransportClose {
			t.Errorf("%+v", l)
		}
	}
}
