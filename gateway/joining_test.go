package gateway

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

func TestConnectIsToldAll(t *testing.T) {
	r := newRig(t)
	c := r.dial("EIO=4&transport=websocket&token=a%20b&token=c")
	sid := c.Expect(`0{"sid":"*","upgrades":[],*}`)[0]
	c.Send(`40/chat?x=1,{"user":"<é>"}`)
	id := c.Expect(`40/chat,{"sid":"*"}`)[0]
	request := next(t, r.app.connects)
	var h backplane.Handshake
	if err := json.Unmarshal(request.Handshake, &h); err != nil {
		t.Fatal(err)
	}
	var auth struct{ User string }
	if err := json.Unmarshal(request.Auth, &auth); err != nil || auth.User != "<é>" {
		t.Errorf("auth %s: %v", request.Auth, err)
	}
	if request.Socket != id || request.Namespace != "/chat" || request.Node != "g1" || request.Epoch != r.gw.epoch.Load() || request.Recovered {
		t.Errorf("%+v", request)
	}
	if h.Address != "127.0.0.1" || h.Query.Get("token") != "a b" || len(h.Query["token"]) != 2 || h.XDomain || h.Headers.Get("Host") == "" {
		t.Errorf("%+v", h)
	}
	if strings.Contains(id, sid) || strings.Contains(string(request.Handshake), sid) {
		t.Error("the secret session id is told")
	}
	if node, _, ok := backplane.SplitSocketID(id); !ok || node != "g1" {
		t.Errorf("socket id %q", id)
	}
}

// A session that began with polling has the same handshake, whatever carries it later.
func TestConnectOverPolling(t *testing.T) {
	r := newRig(t)
	p := r.browser()
	a := p.Do("GET", "EIO=4&transport=polling&k=v", "", "Origin", "http://page", "X-Own", "1")
	p.sid, _, _ = strings.Cut(strings.TrimPrefix(a.body, `0{"sid":"`), `"`)
	p.Send("40")
	p.Expect(`40{"sid":"*"}`)
	var h backplane.Handshake
	if err := json.Unmarshal(next(t, r.app.connects).Handshake, &h); err != nil {
		t.Fatal(err)
	}
	if h.Query.Get("k") != "v" || h.Headers.Get("X-Own") != "1" || !h.XDomain || h.Address != "127.0.0.1" || h.Headers.Get("Host") == "" {
		t.Errorf("%+v", h)
	}
}

func TestRefusedConnect(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.ConnectTimeout = 300 * time.Millisecond })
	r.app.onConnect(func(c backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Error: &backplane.ConnectError{Message: `no "x"`, Data: json.RawMessage(`{"code":7}`)}}
	})
	c := r.ws()
	c.Send("40/a,")
	c.Expect(`44/a,{"message":"no \"x\"","data":{"code":7}}`)
	c.Send("40/a,")
	c.Expect(`44/a,{"message":"no \"x\"","data":{"code":7}}`)
	if n := r.counts(); n.sockets != 0 || n.namespaces != 0 {
		t.Errorf("left: %+v", n)
	}
	c.ExpectClose(0) // a refusal does not stop the connect timeout
	if n := value(r.gw.metrics.connectTimeouts); n != 1 {
		t.Errorf("%v connect timeouts", n)
	}
}

func TestLeavingStaysOpen(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.ConnectTimeout = 100 * time.Millisecond })
	c, id := r.join("")
	c.Send("41")
	r.app.expectLeave(id, reasonClientLeft)
	// Past the connect timeout: it counts only until the first namespace.
	s, l := r.session(c.sid)
	eventually(t, "the connect timeout to pass", func() bool {
		passed := false
		r.onLoop(l, func() { passed = s.beat-r.gw.options.Engine.PingInterval+r.gw.options.Engine.ConnectTimeout < l.now })
		return passed
	})
	c.join("")
	c.Alive(r.app)
}

func TestConnectTimeoutOnPolling(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.ConnectTimeout = 50 * time.Millisecond })
	p := r.poll()
	p.Expect("1")
	if a := p.Get(); a.status != 400 || a.body != `{"code":1,"message":"Session ID unknown"}` {
		t.Errorf("%+v", a)
	}
}

// Nobody serves CONNECTs: the gateway asks again until somebody does.
func TestConnectIsRetried(t *testing.T) {
	r := newRigWithoutApp(t)
	r.app = newApp(t, r.nats)
	c := r.ws()
	c.Send("40")
	s, l := r.session(c.sid)
	eventually(t, "a retry to be planned", func() bool {
		planned := false
		r.onLoop(l, func() { planned = len(s.sockets) == 1 && s.sockets[0].joining.retry != 0 })
		return planned
	})
	r.app.serve(r.app.conn.ConnectAll())
	c.Expect(`40{"sid":"*"}`)
	c.Alive(r.app)
}

func TestConnectUnavailable(t *testing.T) {
	const refusal = `44{"message":"server unavailable","data":{"code":"E_UNAVAILABLE","retry":true}}`
	t.Run("no router", func(t *testing.T) {
		r := newRigWithoutApp(t, func(o *Options) { o.Engine.AdmitTimeout = 50 * time.Millisecond })
		c := r.ws()
		c.Send("40")
		c.Expect(refusal)
	})
	t.Run("no answer", func(t *testing.T) {
		r := newRig(t, func(o *Options) { o.Engine.AdmitTimeout = 50 * time.Millisecond })
		r.app.onConnect(silent)
		c := r.ws()
		c.Send("40")
		c.Expect(refusal)
		// The late acceptance is for nobody: the worker is told.
		request := next(t, r.app.connects)
		r.app.answer(r.app.conn.Node("g1", "connected", request.Socket), &backplane.Connected{Worker: "w1"})
		r.app.expectLeave(request.Socket, reasonTransportClose)
		r.app.onConnect(accept())
		c.join("")
	})
}

// A worker that repeats its acceptance has not heard that the socket is open. It is told again, and nobody else notices.
func TestAcceptedAgain(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	for range 2 {
		if opened := next(t, r.app.opens); opened != id {
			t.Errorf("%s is open, want %s", opened, id)
		}
		r.app.answer(r.app.conn.Node("g1", "connected", id), &backplane.Connected{Worker: "w1"})
	}
	c.Alive(r.app)
	if len(r.app.leaves) > 0 {
		t.Errorf("%+v", next(t, r.app.leaves))
	}
}

// A client that is gone before it is accepted, by every way of going.
func TestGoneBeforeAccept(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(silent)
	for name, leave := range map[string]func(*wsClient){
		"close":  func(c *wsClient) { c.net.Close() },
		"broken": func(c *wsClient) { c.Send("9"); c.ExpectClose(0) },
	} {
		c := r.ws()
		c.Send("40")
		request := next(t, r.app.connects)
		leave(c)
		eventually(t, name+": the session is forgotten", func() bool { return r.counts().sessions == 0 })
		r.app.answer(r.app.conn.Node("g1", "connected", request.Socket), &backplane.Connected{Worker: "w1", Rooms: []string{"r"}})
		r.app.expectLeave(request.Socket, reasonTransportClose)
	}
	for _, subject := range []string{r.app.conn.Namespace("/"), r.app.conn.Room("/", "r")} {
		if shards := r.gw.interest.Shards(subject); shards != 0 {
			t.Errorf("%s is claimed", subject)
		}
	}
}

// A second answer, or one for a socket that never was, does no harm.
func TestStrayAnswers(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	node := func(id string) string { return r.app.conn.Node("g1", "connected", id) }
	r.app.answer(node(id), &backplane.Connected{Worker: "w1", Rooms: []string{"late"}})
	r.app.answer(node(id), &backplane.Connected{Error: &backplane.ConnectError{Message: "late"}})
	for _, stray := range []string{"x", "", r.gw.birth.NewSocketID("g1", 63), r.gw.birth.NewSocketID("g1", 0)} {
		r.app.answer(node(stray)+"x", &backplane.Connected{Error: &backplane.ConnectError{}})
		if stray != "" {
			r.app.answer(node(stray), &backplane.Connected{})
		}
	}
	r.app.publish(&backplane.Msg{Subject: node(id), Data: []byte("no JSON")})
	if reply := r.app.control(id, backplane.Control{Op: backplane.OpInfo}); len(reply.Rooms) != 1 {
		t.Errorf("%+v", reply)
	}
	c.Alive(r.app)
}

func TestTooManyNamespaces(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Namespaces = 2 })
	c, _ := r.join("")
	c.join("/a")
	c.Send("40/b,")
	c.Expect(`44/b,{"message":"too many namespaces","data":{"code":"E_TOO_MANY_NAMESPACES","retry":false}}`)
	if got := value(r.gw.metrics.limited.WithLabelValues("namespaces")); got != 1 {
		t.Errorf("counted %v times", got)
	}
	c.Send("41/a,")
	c.join("/b")
}

// What a client says as it joins is kept, and so it is bounded; it may try again.
func TestAuthTooLarge(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.AuthBytes = 20 })
	c := r.ws()
	c.Send(`40{"text":"12345678901"}`)
	c.Expect(`44{"message":"auth payload too large","data":{"code":"E_AUTH_TOO_LARGE","retry":false}}`)
	if got := value(r.gw.metrics.limited.WithLabelValues("auth")); got != 1 {
		t.Errorf("counted %v times", got)
	}
	c.Send(`40{"text":"123456789"}`)
	c.Expect(`40{"sid":"*"}`)
}

// A namespace whose token is hashed is admitted and reached like any other.
func TestLongNamespace(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(accept("room"))
	c, id := r.join("/" + longName)
	if got := next(t, r.app.connects).Namespace; got != "/"+longName {
		t.Errorf("namespace %q", got)
	}
	e := &backplane.Emit{Payload: payload(`["all"]`), Namespace: "/" + longName}
	r.app.publish(e.Encode(r.app.conn.Namespace("/"+longName), ""))
	c.Expect("42/" + longName + `,["all"]`)
	r.app.emitRoom("/"+longName, "room", `["room"]`)
	c.Expect("42/" + longName + `,["room"]`)
	r.app.emitSocket(id, "", payload(`["own"]`))
	c.Expect("42/" + longName + `,["own"]`)
}
