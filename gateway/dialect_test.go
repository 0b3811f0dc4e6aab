package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/protocol/engineio"
)

func oldClients(o *Options) { o.Engine.AllowEIO3 = true }

// oldWS opens a session of an old client on WebSocket, which joins the root; it returns the socket id too.
func (r *rig) oldWS(query string) (*wsClient, string) {
	r.Helper()
	c := r.dial("EIO=3&transport=websocket" + query)
	c.sid = c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)[0]
	c.Expect("40")
	return c, next(r, r.app.opens)
}

// oldClient is an old client on long-polling.
type oldClient struct {
	*pollClient
	base   string
	queued []string
}

// oldPoll opens a session of an old client on polling.
func (r *rig) oldPoll(query string) *oldClient {
	r.Helper()
	p := &oldClient{pollClient: r.browser(), base: "EIO=3&transport=polling" + query}
	p.poll()
	p.sid = p.Expect(`0{"sid":"*","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000}`)[0]
	return p
}

func (p *oldClient) query() string {
	if p.sid == "" {
		return p.base
	}
	return p.base + "&sid=" + p.sid
}

// poll makes a GET, and takes its packets apart.
func (p *oldClient) poll() {
	p.Helper()
	a := p.Do(http.MethodGet, p.query(), "")
	if a.status != http.StatusOK {
		p.Fatalf("GET: %d %s", a.status, a.body)
	}
	binary := a.header.Get("Content-Type") == octetStream
	for packet, err := range engineio.Packets3([]byte(a.body), binary) {
		if err != nil {
			p.Fatalf("%q: %v", a.body, err)
		}
		p.queued = append(p.queued, string(engineio.AppendPacket3(nil, packet)))
	}
}

// Expect polls for a packet for each pattern.
func (p *oldClient) Expect(patterns ...string) (stood []string) {
	p.Helper()
	for _, pattern := range patterns {
		if len(p.queued) == 0 {
			p.poll()
		}
		got, ok := matches(pattern, p.queued[0])
		if !ok {
			p.Fatalf("got %q, want %s", p.queued, pattern)
		}
		p.queued, stood = p.queued[1:], append(stood, got...)
	}
	return stood
}

// post posts a body as it is.
func (p *oldClient) post(body string, headers ...string) {
	p.Helper()
	if a := p.Do(http.MethodPost, p.query(), body, headers...); a.status != http.StatusOK || a.body != "ok" {
		p.Fatalf("POST: %d %s", a.status, a.body)
	}
}

// Without the option old clients are refused, by polling and by WebSocket; with it, whatever is not 4 is 3.
func TestOldClientsAreRefused(t *testing.T) {
	r := newRig(t)
	if a := r.browser().Do(http.MethodGet, "EIO=3&transport=polling", ""); a.status != 400 || a.body != `{"code":5,"message":"Unsupported protocol version"}` {
		t.Errorf("%+v", a)
	}
	c := r.raw()
	c.Raw([]byte(handshake("EIO=3&transport=websocket")))
	if a := c.response(); a.status != 400 {
		t.Errorf("%+v", a)
	}
	p := r.poll()
	if a := p.Do(http.MethodPost, p.query(), "\x00\x01\xff2", "Content-Type", octetStream); a.status != 400 {
		t.Errorf("%+v", a)
	}
	r = newRig(t, oldClients)
	for _, version := range []string{"EIO=3", "EIO=2", "x=1"} {
		if a := r.browser().Do(http.MethodGet, version+"&transport=polling", ""); a.status != 200 || !strings.Contains(a.body, `:0{"sid":`) {
			t.Errorf("%s: %+v", version, a)
		}
	}
	// Where old clients are served, a binary body still ends the session of a new one.
	p = r.poll()
	if a := p.Do(http.MethodPost, p.query(), "\x00\x01\xff2", "Content-Type", octetStream); a.status != 400 {
		t.Errorf("%+v", a)
	}
	if a := p.Get(); a.body != unknownSID {
		t.Errorf("%+v", a)
	}
}

// An old client joins the root without asking, and other namespaces with their query as auth payload.
func TestOldClientJoins(t *testing.T) {
	r := newRig(t, oldClients)
	c, _ := r.oldWS("")
	if got := next(t, r.app.connects); got.Namespace != "/" || got.Auth != nil {
		t.Errorf("%+v", got)
	}
	c.Send("40/n?token=a%20b&x=1&x=2,")
	c.Expect("40/n,")
	if got := next(t, r.app.connects); got.Namespace != "/n" || string(got.Auth) != `{"token":"a b","x":"2"}` {
		t.Errorf("%s", got.Auth)
	}
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Error: &backplane.ConnectError{Message: `not "now"`}}
	})
	c.Send("40/m")
	c.Expect(`44/m,"not \"now\""`)
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Error: &backplane.ConnectError{Message: "no", Data: json.RawMessage(`{"code":1}`)}}
	})
	c.Send("40/m")
	c.Expect(`44/m,{"code":1}`)
	c.Send("41/n,")
	r.app.expectLeave("", reasonClientLeft)
	c.Send("40") // a second CONNECT
	c.ExpectClose(0)
}

// The client pings and is answered; silent for both times together it is closed, and a pong of its own ends it.
func TestOldHeartbeat(t *testing.T) {
	r := newRig(t, oldClients, func(o *Options) {
		o.Engine.PingInterval, o.Engine.PingTimeout = 400*time.Millisecond, 400*time.Millisecond
	})
	begun := time.Now()
	silent := r.dial("EIO=3&transport=websocket")
	silent.Expect(`0{*}`, "40")
	silentID := next(t, r.app.opens)
	c, id := r.oldWS("")
	for range 3 {
		c.Send("2")
		c.Expect("3")
	}
	silent.ExpectClose(0)
	if d := time.Since(begun); d < 800*time.Millisecond {
		t.Errorf("closed after %v", d)
	}
	wrong, other := r.oldWS("")
	wrong.Send("3")
	wrong.ExpectClose(0)
	was := map[string]string{}
	for left := next(t, r.app.leaves); left.socket != other; left = next(t, r.app.leaves) { // c's may be among them, before or after the other
		was[left.socket] = left.reason
	}
	if was[silentID] != reasonPingTimeout || was[id] != "" && was[id] != reasonPingTimeout || len(was) > 2 {
		t.Errorf("%v, want the end of %s, and at most that of %s", was, silentID, id)
	}
}

// Binary goes with its type before it on WebSocket, and as base64 to those who ask; either is made once for all.
func TestOldBinary(t *testing.T) {
	r := newRig(t, oldClients)
	framed, _ := r.oldWS("")
	again, _ := r.oldWS("")
	based, _ := r.oldWS("&b64=1")
	today, _ := r.join("")
	framed.Send(`451-["up",{"_placeholder":true,"num":0}]`)
	framed.SendBinary("\x04\x00\xff")
	r.app.expectEvent(`["up",{"_placeholder":true,"num":0}]`, "\x00\xff")
	based.Send(`451-["up",{"_placeholder":true,"num":0}]`, "b4AP8=")
	r.app.expectEvent(`["up",{"_placeholder":true,"num":0}]`, "\x00\xff")

	text := `51-["down",{"_placeholder":true,"num":0}]`
	w := encodeEvent("/", payload(text[3:], "\x01\x02"), "")
	b := &broadcast{target: target{nsp: "/", whole: true}, wire: w}
	for _, l := range r.gw.loops {
		r.onLoop(l, func() { b.run(l) })
	}
	for _, c := range []*wsClient{framed, again} {
		c.Expect("4" + text)
		c.ExpectBinary("\x04\x01\x02")
	}
	based.Expect("4"+text, "b4AQI=")
	today.Expect("4" + text)
	today.ExpectBinary("\x01\x02")
	all := w.forms.Load()
	if len(all[formFramed].packets) != 1 || len(all[formBase64].packets) != 1 {
		t.Errorf("%+v", all)
	}
	if w := encodeEvent("/", payload(`["e"]`, "x"), ""); w.forms.Load() != nil {
		t.Error("forms that nobody wants")
	}
}

// Payloads of polling: lengths in UTF-16 code units, or binary.
func TestOldPolling(t *testing.T) {
	r := newRig(t, oldClients)
	p := r.oldPoll("")
	p.Expect("40")
	id := next(t, r.app.opens)
	p.post(`9:42["é😀"]1:2`)
	r.app.expectEvent(`["é😀"]`)
	p.Expect("3")
	p.post("\x00\x01\xff2\x01\x09\xff\x04", "Content-Type", octetStream)
	r.app.expectLeave(id, reasonParseError) // the length is wrong

	p = r.oldPoll("")
	p.Expect("40")
	id = next(t, r.app.opens)
	up := `451-["up",{"_placeholder":true,"num":0}]`
	p.post(string(engineio.AppendBinaryPayloadPacket3(engineio.AppendBinaryPayloadPacket3(nil, []byte(up), false), []byte("\x04\xfe"), true)), "Content-Type", octetStream)
	r.app.expectEvent(up[4:], "\xfe")
	r.app.emitSocket(id, "", payload(`["down",{"_placeholder":true,"num":0}]`, "\x01\x02"))
	p.Expect(`451-["down",{"_placeholder":true,"num":0}]`, "\x04\x01\x02")
	r.app.emitSocket(id, "", payload(`["é😀"]`))
	if a := p.Do(http.MethodGet, p.query(), ""); a.body != `9:42["é😀"]` {
		t.Errorf("%q", a.body)
	}
	if a := p.Do(http.MethodPost, p.query(), "1:1"); a.body != "ok" {
		t.Errorf("%+v", a)
	}
	r.app.expectLeave(id, reasonTransportClose)
}

// A session that moves to the node of its WebSocket speaks on as it did; its sockets do not wait for clients that cannot come back.
func TestOldSessionMoves(t *testing.T) {
	nodes := cluster(t, 2, oldClients)
	r := nodes[0]
	r.app.answersMoved.Store(true)
	p := r.oldPoll("")
	p.Expect("40")
	id := next(t, r.app.opens)
	c := nodes[1].dial("EIO=3&transport=websocket&sid=" + p.sid)
	c.Send("2probe")
	c.Expect("3probe")
	r.app.emitSocket(id, "", payload(`["b",{"_placeholder":true,"num":0}]`, "\x07"))
	s, l := r.session(p.sid)
	eventually(t, "the emit", func() bool {
		n := 0
		r.onLoop(l, func() { n = len(s.queue) })
		return n == 2
	})
	c.Send("5", `42["behind"]`)
	offset := c.Expect(`451-["b",{"_placeholder":true,"num":0},*]`)
	c.ExpectBinary("\x04\x07")
	r.app.expectEvent(`["behind"]`)
	if len(offset) != 1 || offset[0] == "" {
		t.Error("no offset")
	}
	c.Send("2")
	c.Expect("3")
	r.app.emitSocket(id, "", payload(`["b",{"_placeholder":true,"num":0}]`, "\x08"))
	c.Expect(`451-["b",{"_placeholder":true,"num":0},*]`)
	c.ExpectBinary("\x04\x08")
	c.net.Close()
	r.app.expectLeave(id, reasonTransportClose)
	eventually(t, "nothing left", func() bool { return nodes[1].counts().sockets == 0 })
}

// All loops get one and the same form, whoever of them is first.
func TestFormsAreMadeOnce(t *testing.T) {
	w := encodeEvent("/", payload(`["e"]`, "x", "yz"), "")
	made := make(chan []packet, 8)
	for range cap(made) {
		go func() { made <- w.in(formFramed, w.framed) }()
	}
	first := <-made
	for range cap(made) - 1 {
		if other := <-made; &other[0] != &first[0] {
			t.Error("made twice")
		}
	}
	got := make([]string, len(first))
	for i := range first {
		got[i] = fmt.Sprintf("%x", first[i].frame)
	}
	if want := []string{"82020478", "820304797a"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
