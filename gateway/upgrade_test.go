package gateway

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestUpgrade(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	open := p.GetSoon(t.Context())
	p.polls()
	c := p.probe()
	if a := next(t, open); a.body != "6" { // as the reference does
		t.Errorf("%+v", a)
	}
	// A GET begun after the probe is ended as well.
	if a := p.Get(); a.body != "6" {
		t.Errorf("%+v", a)
	}
	// What is emitted before the upgrade is complete is not lost, and what follows 5 directly is not either.
	r.app.emitSocket(id, "", payload(`["before"]`))
	s, l := r.session(p.sid)
	eventually(t, "the emit", func() bool {
		n := 0
		r.onLoop(l, func() { n = len(s.queue) })
		return n == 1
	})
	c.Send("5", `42["behind"]`, `421["ack"]`)
	c.Expect(`42["before"]`)
	r.app.expectEvent(`["behind"]`)
	r.app.expectEvent(`["ack"]`)
	r.app.emitSocket(id, "", payload(`["after"]`))
	c.Expect(`42["after"]`)
	if n := value(r.gw.metrics.upgrades); n != 1 {
		t.Errorf("%v upgrades", n)
	}
	for _, method := range []string{"GET", "POST"} { // as the reference does
		if a := p.Do(method, p.query(), "4x"); a.status != 400 || a.body != badRequest {
			t.Errorf("%+v", a)
		}
	}
	second := r.dial("EIO=4&transport=websocket&sid=" + p.sid)
	second.ExpectClose(0)
	c.Alive(r.app)
	c.net.Close()
	r.app.expectLeave(id, reasonTransportClose)
	eventually(t, "nothing left", func() bool { n := r.counts(); return n.sessions == 0 && n.timers == 0 })
}

// An open GET is ended at the upgrade if the delay has not passed by then.
func TestUpgradeAtOnce(t *testing.T) {
	r := newRig(t)
	p, _ := r.pollJoin()
	open := p.GetSoon(t.Context())
	p.polls()
	c := r.dial("EIO=4&transport=websocket&sid=" + p.sid)
	c.Send("2probe", "5", `42["quick"]`)
	c.Expect("3probe")
	r.app.expectEvent(`["quick"]`)
	if a := next(t, open); a.body != "6" {
		t.Errorf("%+v", a)
	}
}

// A dropped, silent or bad probe leaves polling intact, and a later upgrade possible.
func TestFailedProbes(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.UpgradeTimeout = 200 * time.Millisecond })
	p, _ := r.pollJoin()
	for name, fail := range map[string]func(){
		"dropped": func() { p.probe().net.Close() },
		"closed": func() {
			c := p.probe()
			c.Raw(maskedFrame(true, 8, ""))
			c.drain()
		},
		"silent":  func() { p.probe().ExpectClose(0) },
		"no word": func() { r.dial("EIO=4&transport=websocket&sid=" + p.sid).ExpectClose(0) },
		"bad probe": func() {
			c := r.dial("EIO=4&transport=websocket&sid=" + p.sid)
			c.Send("2other")
			c.ExpectClose(0)
		},
		"a message instead": func() {
			c := p.probe()
			c.Send(`42["not yet"]`)
			c.ExpectClose(0)
		},
		"binary": func() {
			c := p.probe()
			c.SendBinary("5")
			c.ExpectClose(0)
		},
		"bad frame": func() {
			c := p.probe()
			c.Raw([]byte{0x83, 0x80, 0, 0, 0, 0})
			c.ExpectClose(1002)
		},
	} {
		fail()
		p.Send(`42["polling"]`)
		r.app.expectEvent(`["polling"]`)
		s, l := r.session(p.sid)
		eventually(t, name+": the upgrade is forgotten", func() bool {
			forgotten := false
			r.onLoop(l, func() { forgotten = s.upgrade == nil })
			return forgotten
		})
	}
	// While one is under way, another is closed, and the first goes on.
	c := p.probe()
	r.dial("EIO=4&transport=websocket&sid=" + p.sid).ExpectClose(0)
	c.Send("5")
	c.Alive(r.app)
	eventually(t, "one connection", func() bool { return r.counts().conns == 1 })
}

// drain reads what may come of a close handshake, and the end.
func (c *wsClient) drain() {
	c.Helper()
	for {
		if _, err := c.frame(); err != nil {
			c.net.Close()
			return
		}
	}
}

// The session ends in the middle of an upgrade: both transports are told.
func TestEndDuringUpgrade(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	c := p.probe()
	p.Post("7")
	c.ExpectClose(0)
	r.app.expectLeave(id, reasonParseError)
	eventually(t, "nothing left", func() bool { n := r.counts(); return n.sessions == 0 && n.timers == 0 })
}

// One TCP connection opens the session, polls, posts, and then becomes the WebSocket.
func TestUpgradeOnTheSameConnection(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Conns = 1 })
	raw := r.raw()
	get := func(query string) answer {
		raw.Raw([]byte("GET /socket.io/?" + query + " HTTP/1.1\r\nHost: x\r\n\r\n"))
		return raw.response()
	}
	a := get("EIO=4&transport=polling")
	sid, _, ok := strings.Cut(strings.TrimPrefix(a.body, `0{"sid":"`), `"`)
	if !ok {
		t.Fatalf("%+v", a)
	}
	query := "EIO=4&transport=polling&sid=" + sid
	raw.Raw([]byte("POST /socket.io/?" + query + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n40"))
	if a := raw.response(); a.body != "ok" {
		t.Fatalf("%+v", a)
	}
	if a := get(query); !strings.HasPrefix(a.body, "40{") {
		t.Fatalf("%+v", a)
	}
	// The probe comes in one go with the handshake: not a byte of it may be lost between the two.
	probe := append([]byte(handshake("EIO=4&transport=websocket&sid="+sid)), maskedFrame(true, 1, "2probe")...)
	five := maskedFrame(true, 1, "5")
	raw.Raw(append(probe, five[:3]...))
	if a := raw.response(); a.status != 101 {
		t.Fatalf("%+v", a)
	}
	raw.Expect("3probe")
	raw.Raw(five[3:])
	raw.Alive(r.app)
	if n := r.gw.listener.open.Load(); n != 1 {
		t.Errorf("%d connections counted", n)
	}
	raw.net.Close()
	eventually(t, "nothing left", func() bool { return r.counts() == counts{} && r.gw.listener.open.Load() == 0 })
}

// A new session by WebSocket on a connection that has been net/http's, with packets right behind the handshake.
func TestWebSocketOnUsedConnection(t *testing.T) {
	r := newRig(t)
	raw := r.raw()
	raw.Raw([]byte("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"))
	if a := raw.response(); a.status != 404 {
		t.Fatalf("%+v", a)
	}
	raw.Raw(append([]byte(handshake("EIO=4&transport=websocket")), maskedFrame(true, 1, "40")...))
	if a := raw.response(); a.status != 101 || a.header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("%+v", a)
	}
	raw.Expect("0*", `40{"sid":"*"}`)
	raw.Alive(r.app)
}

// Many upgrades at once, over all loops; events before and after come in order.
func TestManyUpgrades(t *testing.T) {
	r := newRig(t)
	const n = 20
	type state struct {
		p *pollClient
		c *wsClient
	}
	var all []state
	for range n {
		p, _ := r.pollJoin()
		all = append(all, state{p: p})
	}
	for i := range all {
		all[i].p.Send(fmt.Sprintf(`42["a%d"]`, i))
		all[i].c = all[i].p.probe()
	}
	for i := range all {
		all[i].c.Send("5", fmt.Sprintf(`42["b%d"]`, i))
	}
	order := map[string]string{}
	for range 2 * n {
		e := next(t, r.app.events)
		order[e.socket] += string(e.payload.JSON)
	}
	for id, got := range order {
		if !strings.HasPrefix(got, `["a`) || !strings.Contains(got, `["b`) {
			t.Errorf("%s: %s", id, got)
		}
	}
}
