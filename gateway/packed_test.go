package gateway

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"patchbay/backplane"
	"patchbay/protocol/msgpack"
	"patchbay/protocol/socketio"
)

// packer is a client that speaks msgpack.
type packer struct {
	*wsClient
}

// SendPacket sends a packet, given as its text and attachments.
func (c packer) SendPacket(text string, attachments ...string) {
	c.Helper()
	c.SendBinary(string(packedOf(c, text, attachments...)))
}

// packedOf is a packet in msgpack.
func packedOf(t testing.TB, text string, attachments ...string) []byte {
	t.Helper()
	p, err := socketio.Decode([]byte(text), nil)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	data, err := msgpack.AppendPacket(nil, p, payload("", attachments...).Attachments)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return data
}

// ExpectPacket reads a packet, and compares its text with a pattern.
func (c packer) ExpectPacket(pattern string, attachments ...string) (stood []string) {
	c.Helper()
	f, err := c.frame()
	if err != nil || f.Header.OpCode != ws.OpBinary {
		c.Fatalf("got %+v %q, error %v, want %s", f.Header, f.Payload, err, pattern)
	}
	p, got, err := msgpack.Decode(f.Payload, nil, 1<<20)
	text := string(socketio.AppendPacket(nil, p))
	stood, ok := matches(pattern, text)
	if err != nil || !ok || len(got) != len(attachments) {
		c.Fatalf("got %s %q, error %v, want %s", text, got, err, pattern)
	}
	for i, want := range attachments {
		if string(got[i]) != want {
			c.Fatalf("attachment %d is %q, want %q", i, got[i], want)
		}
	}
	return stood
}

// pack opens a session that speaks msgpack, and joins the root; it returns the socket id and the private id too.
func (r *rig) pack() (c packer, id, pid string) {
	r.Helper()
	c = packer{r.ws()}
	c.SendPacket(`0`)
	var joined struct{ SID, PID string }
	if err := json.Unmarshal([]byte(c.ExpectPacket("0*")[0]), &joined); err != nil {
		r.Fatal(err)
	}
	next(r, r.app.opens)
	return c, joined.SID, joined.PID
}

// A client whose first packet is msgpack has msgpack for all that it is sent; the worker sees no difference.
func TestMsgpack(t *testing.T) {
	r := newRig(t)
	c, id, _ := r.pack()
	c.SendPacket(`2["e",{"a":[1,-2.5,"é",null]}]`)
	r.app.expectEvent(`["e",{"a":[1,-2.5,"é",null]}]`)
	c.SendPacket(`51-["b",{"x":{"_placeholder":true,"num":0}}]`, "\x00\xff")
	r.app.expectEvent(`["b",{"x":{"_placeholder":true,"num":0}}]`, "\x00\xff")

	c.SendPacket(`27["ask"]`)
	e := r.app.expectEvent(`["ask"]`)
	r.app.publish(backplane.EncodePayload(e.reply, "", payload(`["answer",{"_placeholder":true,"num":0}]`, "\x01")))
	c.ExpectPacket(`61-7["answer",{"_placeholder":true,"num":0}]`, "\x01")

	r.app.emitSocket(id, r.app.reply+".a", payload(`["question"]`))
	c.ExpectPacket(`20["question"]`)
	c.SendPacket(`30["yes"]`)
	if m := next(t, r.app.replies); string(m.Data) != `["yes"]` {
		t.Errorf("%s", m.Data)
	}

	c.SendPacket(`0/n,{"token":"x"}`)
	c.ExpectPacket(`0/n,{"sid":"*"}`)
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Error: &backplane.ConnectError{Message: "no", Data: json.RawMessage(`{"code":1}`)}}
	})
	c.SendPacket(`0/m`)
	c.ExpectPacket(`4/m,{"message":"no","data":{"code":1}}`)
	c.SendPacket(`1/n`)
	r.app.expectLeave("", reasonClientLeft)
	r.app.control(id, backplane.Control{Op: backplane.OpDisconnect})
	c.ExpectPacket(`1`)
}

// Clients of all kinds share a room; each form of an emit is made once.
func TestMsgpackSharesRooms(t *testing.T) {
	r := newRig(t, oldClients)
	a, _, _ := r.pack()
	b, _, _ := r.pack()
	today, _ := r.join("")
	old, _ := r.oldWS("")
	event := payload(`["e",{"_placeholder":true,"num":0},1.5]`, "\x07")
	w := encodeEvent("/", event, "")
	for _, l := range r.gw.loops {
		r.onLoop(l, func() { (&broadcast{target: target{nsp: "/", whole: true}, wire: w}).run(l) })
	}
	for _, c := range []packer{a, b} {
		c.ExpectPacket("51-"+string(event.JSON), "\x07")
	}
	for _, c := range []*wsClient{today, old} {
		c.Expect("451-" + string(event.JSON))
	}
	today.ExpectBinary("\x07")
	old.ExpectBinary("\x04\x07")
	all := w.forms.Load()
	if len(all[formMsgpack].packets) != 1 || len(all[formFramed].packets) != 1 || all[formBase64].packets != nil {
		t.Errorf("%+v", all)
	}
}

// What is wrong with a client's packets ends its session, as in JSON; so does a change of language.
func TestBadMsgpack(t *testing.T) {
	r := newRig(t)
	for name, send := range map[string]func(c packer){
		"text":       func(c packer) { c.Send(`42["e"]`) },
		"no msgpack": func(c packer) { c.SendBinary("\xc1") },
		"cut":        func(c packer) { p := packedOf(t, `2["e"]`); c.SendBinary(string(p[:len(p)-1])) },
		"reserved": func(c packer) {
			c.SendBinary(strings.Replace(string(packedOf(t, `2["disconnec_"]`)), "disconnec_", "disconnect", 1))
		},
		"namespace":      func(c packer) { c.SendPacket(`2/elsewhere,["e"]`) },
		"second CONNECT": func(c packer) { c.SendPacket(`0`) },
		"of a server":    func(c packer) { c.SendPacket(`4"no"`) },
		"large once it is JSON": func(c packer) {
			data := append([]byte("\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1e\xdd\x00\x04\x00\x00"), strings.Repeat("\xc2", 1<<18)...)
			c.SendBinary(string(data))
		},
	} {
		c, id, _ := r.pack()
		send(c)
		c.ExpectClose(0)
		if left := next(t, r.app.leaves); left.socket != id || left.reason != reasonForcedClose {
			t.Errorf("%s: %+v", name, left)
		}
	}
	c := r.ws()
	c.SendBinary("\x01\x02") // neither msgpack nor an attachment
	c.ExpectClose(0)
	json, _ := r.join("")
	json.SendBinary(string(packedOf(t, `2["e"]`)))
	json.ExpectClose(0)
}

// A client with msgpack comes back by pid and offset: the offset is the last argument of what it had.
func TestMsgpackRecovery(t *testing.T) {
	nodes := cluster(t, 2)
	r := nodes[0]
	r.app.answersMoved.Store(true)
	for i, at := range []*rig{r, nodes[1]} {
		c, id, pid := r.pack()
		r.app.emitSocket(id, "", payload(`["one"]`))
		offset := c.ExpectPacket(`2["one",*]`)[0]
		c.net.Close()
		eventually(t, "the end", func() bool { return value(r.gw.metrics.detached) == float64(i+1) })
		r.app.emitSocket(id, "", payload(`["two",{"_placeholder":true,"num":0}]`, "\x02"))
		back := packer{at.ws()}
		back.SendPacket(fmt.Sprintf(`0{"pid":%q,"offset":%s}`, pid, offset))
		back.ExpectPacket(`51-["two",{"_placeholder":true,"num":0},*]`, "\x02")
		if got := back.ExpectPacket(`0{"sid":"*","pid":"*"}`)[0]; got != id {
			t.Errorf("came back as %s, was %s", got, id)
		}
		back.net.Close()
	}
}

// On polling packets are binary messages, and go along to the node of the WebSocket: the session speaks on as it did.
func TestMsgpackMoves(t *testing.T) {
	nodes := cluster(t, 2)
	r := nodes[0]
	r.app.answersMoved.Store(true)
	p := r.poll()
	engine := func(text string, attachments ...string) string {
		return string(binaryPacket(packedOf(t, text, attachments...)).appendPoll(nil))
	}
	p.Send(engine(`0`))
	p.Expect("b*")
	id := next(t, r.app.opens)
	c := packer{nodes[1].dial("EIO=4&transport=websocket&sid=" + p.sid)}
	c.Send("2probe")
	c.Expect("3probe")
	p.Send(engine(`51-["polled",{"_placeholder":true,"num":0}]`, "\x03"))
	r.app.expectEvent(`["polled",{"_placeholder":true,"num":0}]`, "\x03")
	c.Send("5")
	c.SendPacket(`2["behind"]`)
	r.app.expectEvent(`["behind"]`)
	r.app.emitSocket(id, "", payload(`["after"]`))
	c.ExpectPacket(`2["after",*]`)
	eventually(t, "the move", func() bool { return nodes[1].counts().sockets == 1 })
}

// With compression a large packet is compressed for the clients with msgpack that agreed to it, and not for the others.
func TestMsgpackIsCompressed(t *testing.T) {
	r := newRig(t, deflating)
	plain, _, _ := r.pack()
	c, agreed := r.deflated()
	if !agreed {
		t.Fatal("the offer was not taken")
	}
	packer{c}.SendPacket(`0`)
	packer{c}.ExpectPacket(`0{*}`)
	next(t, r.app.opens)
	large := `["large","` + strings.Repeat("all work and no play ", 200) + `"]`
	r.app.emitAll("/", large)
	plain.ExpectPacket("2" + large)
	if data, size := c.squeezed(); data != string(packedOf(t, "2"+large)) || size > len(large)/10 {
		t.Errorf("%d bytes: %.60q", size, data)
	}
	r.app.emitAll("/", `["small"]`)
	packer{c}.ExpectPacket(`2["small"]`)
}

// An emit that would grow without bound is left out, and counted; the session goes on.
func TestMsgpackIsBounded(t *testing.T) {
	r := newRig(t)
	c, id, _ := r.pack()
	holders := strings.Repeat(`,{"_placeholder":true,"num":0}`, 1000)
	r.app.emitSocket(id, "", payload(`["e"`+holders+`]`, strings.Repeat("x", 100_000)))
	r.app.emitSocket(id, "", payload(`["next"]`))
	c.ExpectPacket(`2["next"]`)
	if n := value(r.gw.metrics.badMessages); n != 1 {
		t.Errorf("%v counted", n)
	}
}

// Bytes of any kind, first or later, are a packet or the end of the session.
func FuzzMsgpackSession(f *testing.F) {
	for _, text := range []string{`0`, `0/n,{"a":1}`, `2["e",1]`, `27["e"]`, `30[]`, `1`} {
		f.Add(packedOf(f, text), packedOf(f, `2["e"]`))
	}
	f.Add([]byte("\xc1"), []byte{})
	_, l := bench(f)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		c := dummy(l, false)
		for _, data := range [][]byte{first, second} {
			c.read(maskedFrame(true, ws.OpBinary, string(data)))
		}
		l.end(c)
		if len(l.sessions) != 0 || len(l.namespaces) != 0 {
			t.Errorf("%d sessions, %d namespaces left", len(l.sessions), len(l.namespaces))
		}
	})
}
