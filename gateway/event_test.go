package gateway

import (
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
)

func TestEventsOnWebSocket(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	c.Send(`42["plain",1,{"a":"é"}]`)
	if e := r.app.expectEvent(`["plain",1,{"a":"é"}]`); e.socket != id || e.receipt != (backplane.Receipt{Number: 1}) {
		t.Errorf("%+v", e)
	}
	// An acknowledgement, with and without attachments.
	c.Send(`427["ack",2]`)
	e := r.app.expectEvent(`["ack",2]`)
	if e.receipt != (backplane.Receipt{Number: 2, AckID: 7, WantsAck: true}) {
		t.Errorf("reply %q", e.reply)
	}
	r.app.publish(backplane.EncodePayload(e.reply, "", payload(`["ok"]`)))
	c.Expect(`437["ok"]`)
	c.Send(`428["again"]`)
	e = r.app.expectEvent(`["again"]`)
	r.app.publish(backplane.EncodePayload(e.reply, "", payload(`[{"_placeholder":true,"num":0}]`, "\x00\xff")))
	c.Expect(`461-8[{"_placeholder":true,"num":0}]`)
	c.ExpectBinary("\x00\xff")
	// Attachments: several, one empty, one as base64 text.
	c.Send(`453-["bin",{"_placeholder":true,"num":2},{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	c.SendBinary("first")
	c.SendBinary("")
	c.Send("bdGhpcmQ=")
	r.app.expectEvent(`["bin",{"_placeholder":true,"num":2},{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "first", "", "third")
	c.Send(`451-5["binack",{"_placeholder":true,"num":0}]`)
	c.SendBinary("x")
	if e := r.app.expectEvent(`["binack",{"_placeholder":true,"num":0}]`, "x"); e.receipt.AckID != 5 {
		t.Errorf("reply %q", e.reply)
	}
	// Harmless: no payload, a number for a name, unknown acks, and 450-.
	c.Send("42", `42[1,"n"]`, `43[]`, `4399["unknown"]`, `450-["zero"]`)
	r.app.expectEvent(`[1,"n"]`)
	r.app.expectEvent(`["zero"]`)
	c.Alive(r.app)
}

func TestEventsOnPolling(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	p.Send(`42["one"]`, `421["two"]`, `452-["bin",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAQID", "bBA==")
	r.app.expectEvent(`["one"]`)
	two := r.app.expectEvent(`["two"]`)
	r.app.expectEvent(`["bin",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "\x01\x02\x03", "\x04")
	r.app.publish(backplane.EncodePayload(two.reply, "", payload(`["yes"]`)))
	p.Expect(`431["yes"]`)
	r.app.emitSocket(id, "", payload(`["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "\x01\x02\x03", ""))
	p.Expect(`452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAQID", "b")
	// A packet whose attachments come with the next POST.
	p.Send(`451-["late",{"_placeholder":true,"num":0}]`)
	p.Send("bBQ==")
	r.app.expectEvent(`["late",{"_placeholder":true,"num":0}]`, "\x05")
}

// What a client may not send closes the whole connection. Others do not notice.
func TestForcedClose(t *testing.T) {
	r := newRig(t)
	other, _ := r.join("")
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for name, packets := range map[string][]string{
		"another namespace":        {`42/other,["e"]`},
		"second CONNECT":           {"40"},
		"unknown type":             {"47"},
		"no type":                  {"4"},
		"broken JSON":              {`42["e"`},
		"not an array":             {`42{"a":1}`},
		"reserved name":            {`42["disconnect"]`},
		"reserved name, disguised": {`42["\u0063onnect"]`},
		"CONNECT_ERROR":            {`44{"message":"x"}`},
		"DISCONNECT with payload":  {`41["x"]`},
		"too many attachments":     {`4511-["e"]`},
		"bad index":                {`451-["e",{"_placeholder":true,"num":1}]`},
		"negative index":           {`451-["e",{"_placeholder":true,"num":-1}]`},
		"text for an attachment":   {`451-["e",{"_placeholder":true,"num":0}]`, `42["e"]`},
		"attachment for nothing":   {"bAQID"},
		"deep JSON":                {`42["e",` + deep + `]`},
		"bad UTF-8 in ack id":      {"42\u0661[\"e\"]"},
		"huge ack id":              {`42` + strings.Repeat("9", 30) + `["e"]`},
	} {
		t.Run(name, func(t *testing.T) {
			c, id := r.join("")
			c.Send(packets...)
			c.ExpectClose(0)
			r.app.expectLeave(id, reasonForcedClose)
			p, id := r.pollJoin()
			if a := p.Post(packets...); a.status != 200 || a.body != "ok" {
				t.Errorf("POST: %+v", a)
			}
			r.app.expectLeave(id, reasonForcedClose)
		})
	}
	other.Alive(r.app)
	eventually(t, "closed sessions forgotten", func() bool { c := r.counts(); return c.sockets == 1 && c.namespaces == 1 })
}

func TestEventBeforeConnect(t *testing.T) {
	r := newRig(t)
	c := r.ws()
	c.Send(`42["early"]`)
	c.ExpectClose(0)
	// And while it is being decided.
	r.app.onConnect(silent)
	c = r.ws()
	c.Send("40", `42["early"]`)
	c.ExpectClose(0)
	eventually(t, "nothing left", func() bool { c := r.counts(); return c.sessions == 0 && c.sockets == 0 && c.namespaces == 0 })
}

func TestSeveralNamespaces(t *testing.T) {
	r := newRig(t)
	c, root := r.join("")
	chat := c.join("/chat")
	if root == chat || root == c.sid || chat == c.sid {
		t.Fatal("ids must differ")
	}
	c.Send(`42/chat,3["hi"]`)
	e := r.app.expectEvent(`["hi"]`)
	if e.socket != chat {
		t.Errorf("event of %s, want %s", e.socket, chat)
	}
	r.app.publish(backplane.EncodePayload(e.reply, "", payload(`[]`)))
	c.Expect(`43/chat,3[]`)
	r.app.emitAll("/chat", `["chat"]`)
	r.app.emitAll("/", `["root"]`)
	c.Expect(`42/chat,["chat"]`, `42["root"]`)
	c.Send("41/chat,")
	r.app.expectLeave(chat, reasonClientLeft)
	c.Alive(r.app)
	// The way back in.
	if again := c.join("/chat"); again == chat {
		t.Error("the same socket id again")
	}
	c.net.Close()
	var gone []string
	for range 2 {
		gone = append(gone, next(t, r.app.leaves).reason)
	}
	if !slices.Equal(gone, []string{reasonTransportClose, reasonTransportClose}) {
		t.Errorf("reasons %v", gone)
	}
}

func TestBinaryBeyondTheBackplane(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.MaxPayload = 2_000_000 })
	c, id := r.join("")
	c.Send(`4510-["big"` + strings.Repeat(`,{"_placeholder":true,"num":0}`, 2) + `]`)
	big := strings.Repeat("x", 1_900_000)
	for range 5 {
		c.SendBinary(big)
	}
	c.ExpectClose(0)
	r.app.expectLeave(id, reasonForcedClose)
}

// Bytes of one client never reach another's event, whatever buffers are shared.
func TestBuffersAreNotShared(t *testing.T) {
	r := newRig(t)
	a, ida := r.join("")
	b, idb := r.join("")
	for i := range 50 {
		text := strings.Repeat(string(rune('a'+i%26)), 1+i*97)
		a.Send(`42["a","` + text + `"]`)
		b.Send(`42["b","` + text + `"]`)
		want := map[string]string{ida: `["a","` + text + `"]`, idb: `["b","` + text + `"]`}
		for range 2 {
			e := next(t, r.app.events)
			if string(e.payload.JSON) != want[e.socket] {
				t.Fatalf("%s: %s", e.socket, e.payload.JSON)
			}
		}
	}
}
