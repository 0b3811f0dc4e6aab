package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

const (
	unknownSID = `{"code":1,"message":"Session ID unknown"}`
	badRequest = `{"code":3,"message":"Bad request"}`
)

// Errors, in the reference's order of checks.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	p := r.poll()
	ws, _ := r.join("")
	for _, c := range []struct {
		method, query string
		status        int
		body          string
	}{
		{"GET", "", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=4", 400, `{"code":0,"message":"Transport unknown"}`},
		{"GET", "EIO=9&transport=abc&sid=x", 400, `{"code":0,"message":"Transport unknown"}`},
		{"POST", "EIO=9&transport=polling&sid=x", 400, unknownSID},
		{"GET", "EIO=4&transport=polling&sid=" + p.sid + "x", 400, unknownSID},
		{"GET", "EIO=4&transport=polling&sid=" + strings.ToLower(p.sid), 400, unknownSID},
		{"POST", "EIO=9&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"PUT", "EIO=4&transport=polling", 400, `{"code":2,"message":"Bad handshake method"}`},
		{"GET", "EIO=4&transport=websocket", 400, badRequest},
		{"GET", "EIO=4&transport=websocket&sid=" + p.sid, 400, badRequest},
		{"GET", "transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=5&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`},
		{"GET", "EIO=4&transport=polling&sid=" + ws.sid, 400, badRequest},
		{"POST", "EIO=4&transport=polling&sid=" + ws.sid, 400, badRequest},
	} {
		a := p.Do(c.method, c.query, "")
		if a.status != c.status || a.body != c.body || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %d %s", c.method, c.query, a.status, a.body)
		}
	}
	// The sessions are none the worse.
	ws.Alive(r.app)
	p.Send("40")
	p.Expect(`40{"sid":"*"}`)
}

func TestRefusedWebSocket(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		query, text string
	}{
		{"EIO=4", "Transport unknown"},
		{"EIO=4&transport=polling", "Transport unknown"},
		{"EIO=4&transport=websocket&sid=nobody", "Session ID unknown"},
		{"EIO=5&transport=websocket", "Unsupported protocol version"},
	} {
		raw := r.raw()
		raw.Raw([]byte(handshake(c.query)))
		if a := raw.response(); a.status != 400 || !strings.Contains(a.body, c.text) || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %+v", c.query, a)
		}
		raw.ExpectEnd()
	}
	eventually(t, "refused connections are closed", func() bool { return r.gw.listener.open.Load() == 0 })
}

func TestSecondGet(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	first := p.GetSoon(t.Context())
	p.polls()
	if a := p.Get(); a.status != 400 { // as the reference does
		t.Errorf("%+v", a)
	}
	if a := next(t, first); a.status != 200 || a.body != "1" {
		t.Errorf("%+v", a)
	}
	r.app.expectLeave(id, reasonTransportError)
	if a := p.Get(); a.body != unknownSID {
		t.Errorf("%+v", a)
	}
}

func TestAbortedGet(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	ctx, cancel := context.WithCancel(t.Context())
	got := p.GetSoon(ctx)
	p.polls()
	cancel()
	next(t, got)
	r.app.expectLeave(id, reasonTransportClose)
}

// The client goes away just when its GET is answered: the packets are lost, and so is the session.
func TestAnswerThatNobodyTakes(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	s, l := r.session(p.sid)
	get := &request{kind: requestGet, respond: func(response) {}}
	sid, _ := newSealer(r.gw.secret).open(p.sid)
	get.id = sid
	l.post(get)
	r.onLoop(l, func() { s.send(textPacket("4lost")) })
	eventually(t, "the answer", func() bool {
		taken := false
		r.onLoop(l, func() { taken = get.taken })
		return taken
	})
	l.post(&request{kind: requestAbort, id: sid, of: get})
	r.app.expectLeave(id, reasonTransportClose)
	// An abort of a GET that was not given anything, and is not open any more, ends nothing.
	q, _ := r.pollJoin()
	sid, _ = newSealer(r.gw.secret).open(q.sid)
	_, l = r.session(q.sid)
	l.post(&request{kind: requestAbort, id: sid, of: &request{kind: requestGet}})
	q.Send(`42["alive"]`)
	r.app.expectEvent(`["alive"]`)
}

func TestBadPosts(t *testing.T) {
	r := newRig(t)
	t.Run("binary content", func(t *testing.T) { // as the reference does
		p, id := r.pollJoin()
		open := p.GetSoon(t.Context())
		p.polls()
		if a := p.Do("POST", p.query(), "x", "Content-Type", "application/octet-stream"); a.status != 400 {
			t.Errorf("%+v", a)
		}
		r.app.expectLeave(id, reasonTransportClose)
		if a := next(t, open); a.status != 200 || a.body != "1" {
			t.Errorf("the open GET: %+v", a)
		}
	})
	t.Run("overlapping", func(t *testing.T) { // as the reference does
		p, id := r.pollJoin()
		raw := r.raw()
		raw.Raw([]byte("POST /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n42["))
		eventually(t, "the first POST", func() bool {
			open := false
			r.gw.web.posting.Range(func(any, any) bool { open = true; return false })
			return open
		})
		if a := p.Post(`42["second"]`); a.status != 400 {
			t.Errorf("%+v", a)
		}
		r.app.expectLeave(id, reasonTransportClose)
		raw.Raw([]byte(`"first"]`))
		if a := raw.response(); a.status != 400 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("aborted", func(t *testing.T) {
		p, id := r.pollJoin()
		raw := r.raw()
		raw.Raw([]byte("POST /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n42["))
		raw.net.Close()
		r.app.expectLeave(id, reasonTransportClose)
	})
	t.Run("oversize", func(t *testing.T) { // as the reference does
		p, _ := r.pollJoin()
		text := `42["` + strings.Repeat("x", 1_000_000-6) + `"]`
		p.Send(text)
		r.app.expectEvent(text[2:])
		if a := p.Post(text + " "); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d", a.status)
		}
		raw := r.raw() // without an announced length
		raw.Raw([]byte("POST /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"))
		raw.Raw([]byte(fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(text)+1, text+" ")))
		if a := raw.response(); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("%d", a.status)
		}
		p.Send(`42["alive"]`)
		r.app.expectEvent(`["alive"]`)
	})
	for name, body := range map[string]string{"no packet": "", "unknown packet": "x", "empty packet": "\x1e", "bad base64": "b!", "a client's ping": "2"} {
		t.Run(name, func(t *testing.T) {
			p, id := r.pollJoin()
			p.Post(body)
			if l := next(t, r.app.leaves); l.socket != id {
				t.Errorf("%+v", l)
			}
		})
	}
	t.Run("after upgrade", func(t *testing.T) {
		c, _ := r.join("")
		p := r.browser()
		p.sid = c.sid
		p.Do("POST", p.query(), "x", "Content-Type", "application/octet-stream")
		p.Get()
		c.Alive(r.app) // nothing that polling does is the WebSocket's business
	})
}

func TestGoodbyeByPost(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	open := p.GetSoon(t.Context())
	p.polls()
	p.Send("1") // as the reference does
	if a := next(t, open); a.body != "6" {
		t.Errorf("%+v", a)
	}
	r.app.expectLeave(id, reasonTransportClose)
	if a := p.Get(); a.body != unknownSID {
		t.Errorf("%+v", a)
	}
	p, id = r.pollJoin() // without a GET
	p.Send(`42["last"]`, "1", `42["never"]`)
	r.app.expectEvent(`["last"]`)
	r.app.expectLeave(id, reasonTransportClose)
	p, id = r.pollJoin() // after the server's own: it is not held for the time that others have to fetch the rest
	r.app.control(id, backplane.Control{Op: backplane.OpDisconnect, Close: true})
	r.app.expectLeave(id, reasonServerLeft)
	p.Send("1")
	eventually(t, "nothing left", func() bool { n := r.counts(); return n.sessions == 0 && n.timers == 0 })
}

// Requests in one go on one connection are answered one after another.
func TestPipelining(t *testing.T) {
	r := newRig(t)
	p, _ := r.pollJoin()
	raw := r.raw()
	post := func(body string) string {
		return fmt.Sprintf("POST /socket.io/?%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", p.query(), len(body), body)
	}
	raw.Raw([]byte(post(`42["one"]`) + post(`42["two"]`) + "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"))
	for _, want := range []int{200, 200, 404} {
		if a := raw.response(); a.status != want {
			t.Errorf("%+v", a)
		}
	}
	r.app.expectEvent(`["one"]`)
	r.app.expectEvent(`["two"]`)
}

func TestHeads(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.HeaderTimeout, o.Limits.HeaderBytes = 100*time.Millisecond, 2000 })
	good, _ := r.join("")
	t.Run("never whole", func(t *testing.T) {
		for _, part := range []string{"", "GET /socket.io/ HT", handshake("EIO=4&transport=websocket")[:60]} {
			raw := r.raw()
			raw.Raw([]byte(part))
			raw.ExpectEnd()
		}
	})
	long := "X-Long: " + strings.Repeat("x", 2000)
	t.Run("too long", func(t *testing.T) {
		for _, head := range []string{
			handshake("EIO=4&transport=websocket", long), // at once
			"GET /" + strings.Repeat("x", 3000),          // without an end
			"GET / HTTP/1.1\r\nHost: x\r\n" + long + "\r\n\r\n",
		} {
			raw := r.raw()
			raw.Raw([]byte(head))
			if a := raw.response(); a.status != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%+v", a)
			}
			raw.ExpectEnd()
		}
	})
	t.Run("garbage", func(t *testing.T) {
		for _, head := range []string{"\r\n\r\n", "\x16\x03\x01\x02\x00\r\n\r\n", "GET\r\n\r\n", "GET  HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"} {
			raw := r.raw()
			raw.Raw([]byte(head))
			if a := raw.response(); a.status != 400 {
				t.Errorf("%q: %+v", head, a)
			}
		}
	})
	t.Run("byte by byte", func(t *testing.T) {
		raw := r.raw()
		for _, b := range []byte(handshake("EIO=4&transport=websocket")) {
			raw.Raw([]byte{b})
		}
		if a := raw.response(); a.status != 101 {
			t.Fatalf("%+v", a)
		}
		raw.Expect("0*")
		raw.join("")
	})
	t.Run("idle WebSockets have no deadline", func(t *testing.T) {
		n := r.counts()
		good.Alive(r.app)
		if n.sessions == 0 {
			t.Error("no session")
		}
	})
}

func TestMaxConns(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Conns = 3 })
	var c [3]*wsClient
	for i := range c {
		c[i], _ = r.join("")
	}
	for range 3 {
		raw, err := net.Dial("tcp", r.gw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		r.client(raw, nil).ExpectEnd()
	}
	if n := value(r.gw.metrics.refusedConns); n != 3 {
		t.Errorf("%v refused", n)
	}
	c[0].net.Close()
	eventually(t, "room again", func() bool { return r.gw.listener.open.Load() == 2 })
	// Through net/http and back the count stays right.
	p := r.poll()
	if n := r.gw.listener.open.Load(); n != 3 {
		t.Errorf("%d open", n)
	}
	p.http.CloseIdleConnections()
	eventually(t, "room again", func() bool { return r.gw.listener.open.Load() == 2 })
	c[1].Alive(r.app)
}

// The slash at the end of the path may be missing.
func TestPathWithoutSlash(t *testing.T) {
	r := newRig(t)
	p := r.browser()
	for path, want := range map[string]int{"/socket.io/": 200, "/socket.io": 200, "/socket.io.js": 404, "/other/": 404} {
		a, err := p.try(t.Context(), http.MethodGet, "http://"+r.gw.Addr().String()+path+"?EIO=4&transport=polling", "")
		if err != nil || a.status != want {
			t.Errorf("%s: %d, %v; want %d", path, a.status, err, want)
		}
	}
}
