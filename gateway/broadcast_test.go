package gateway

import (
	"fmt"
	"strings"
	"testing"

	"patchbay/backplane"
)

func TestEmits(t *testing.T) {
	r := newRig(t)
	var c [4]*wsClient
	var id [4]string
	for i := range c {
		c[i], id[i] = r.join("")
	}
	other, _ := r.join("/other")
	r.app.join(id[0], "a", "b", longName)
	r.app.join(id[1], "b", "c", "né.* >")
	r.app.join(id[2], "c", "")
	for i, e := range []struct {
		name string
		emit func(json string)
		to   []int
	}{
		{"namespace", func(j string) { r.app.emitAll("/", j) }, []int{0, 1, 2, 3}},
		{"namespace but a room", func(j string) { r.app.emitAll("/", j, "b") }, []int{2, 3}},
		{"namespace but a socket", func(j string) { r.app.emitAll("/", j, id[3]) }, []int{0, 1, 2}},
		{"namespace but unknown", func(j string) { r.app.emitAll("/", j, "zzz") }, []int{0, 1, 2, 3}},
		{"room", func(j string) { r.app.emitRoom("/", "b", j) }, []int{0, 1}},
		{"room without members", func(j string) { r.app.emitRoom("/", "zzz", j) }, nil},
		{"room of an empty name", func(j string) { r.app.emitRoom("/", "", j) }, []int{2}},
		{"room of a hard name", func(j string) { r.app.emitRoom("/", "né.* >", j) }, []int{1}},
		{"room of a long name", func(j string) { r.app.emitRoom("/", longName, j) }, []int{0}},
		{"union", func(j string) { r.app.emitRooms("/", []string{"a", "b", "c"}, nil, j) }, []int{0, 1, 2}},
		{"union with long", func(j string) { r.app.emitRooms("/", []string{longName, "c"}, nil, j) }, []int{0, 1, 2}},
		{"union less a room", func(j string) { r.app.emitRooms("/", []string{"a", "b", "c"}, []string{"b"}, j) }, []int{2}},
		{"union less a socket", func(j string) { r.app.emitRooms("/", []string{"b", "c"}, []string{id[1]}, j) }, []int{0, 2}},
		{"union with a socket", func(j string) { r.app.emitRooms("/", []string{"a", id[3]}, nil, j) }, []int{0, 3}},
		{"socket", func(j string) { r.app.emitSocket(id[3], "", payload(j)) }, []int{3}},
		{"socket by its room", func(j string) { r.app.emitRoom("/", id[1], j) }, []int{1}},
		{"socket in another namespace", func(j string) { r.app.emitRoom("/other", id[1], j) }, nil},
		{"unknown socket", func(j string) { r.app.emitSocket(r.gw.birth.NewSocketID("g1", 0), "", payload(j)) }, nil},
		{"node", func(j string) {
			m := (&backplane.Emit{Payload: payload(j), Namespace: "/"}).Encode(r.app.conn.Node("g1", "emit", ""), "")
			r.app.publish(m)
		}, []int{0, 1, 2, 3}},
		{"node, rooms", func(j string) {
			m := (&backplane.Emit{Payload: payload(j), Namespace: "/", Rooms: []string{"a", "c"}, Except: []string{id[2]}}).Encode(r.app.conn.Node("g1", "emit", ""), "")
			r.app.publish(m)
		}, []int{0, 1}},
	} {
		t.Run(e.name, func(t *testing.T) {
			json := fmt.Sprintf(`["e",%d]`, i)
			e.emit(json)
			for _, to := range e.to {
				c[to].Expect("42" + json)
			}
			// What follows shows that nobody got it twice, and nobody else got it.
			end := fmt.Sprintf(`["end",%d]`, i)
			r.app.emitAll("/", end)
			for i := range c {
				c[i].Expect("42" + end)
			}
		})
	}
	r.app.emitAll("/other", `["only"]`)
	other.Expect(`42/other,["only"]`)
}

// A room may be named like a socket, of this node or another: those in it hear what the socket hears, once.
func TestRoomNamedLikeSocket(t *testing.T) {
	r := newRig(t)
	var c [4]*wsClient
	var id [4]string
	for i := range c {
		c[i], id[i] = r.join("")
	}
	foreign := backplane.NewSocketID("g2", 1)
	for _, i := range []int{1, 2} {
		r.app.join(id[i], id[0], foreign)
	}
	r.app.emitRoom("/", id[0], `["friends"]`)
	r.app.emitRoom("/", foreign, `["foreign"]`)
	r.app.emitAll("/", `["end"]`)
	c[0].Expect(`42["friends"]`, `42["end"]`)
	c[1].Expect(`42["friends"]`, `42["foreign"]`, `42["end"]`)
	c[2].Expect(`42["friends"]`, `42["foreign"]`, `42["end"]`)
	c[3].Expect(`42["end"]`)
	// Who asks the socket for an acknowledgement asks nobody else, and has one answer.
	r.app.emitSocket(id[0], r.app.reply+".ack", payload(`["ask"]`))
	c[0].Expect(`420["ask"]`)
	c[0].Send(`430["yes"]`)
	if m := next(t, r.app.replies); string(m.Data) != `["yes"]` {
		t.Errorf("first answer: %q %v", m.Data, m.Header)
	}
	// A node that merely has members of a room of that name does not answer for the owner.
	r.app.emitSocket(foreign, r.app.reply+".foreign", payload(`["ask"]`))
	r.app.emitSocket(r.gw.birth.NewSocketID("g1", 0), r.app.reply+".none", payload(`["ask"]`))
	r.app.emitSocket(r.gw.birth.NewSocketID("g1", 63), r.app.reply+".shard", payload(`["ask"]`))
	got := map[string]bool{}
	for range 2 {
		m := next(t, r.app.replies)
		got[m.Subject] = m.Header[backplane.HeaderError] != nil
	}
	if !got[r.app.reply+".none"] || !got[r.app.reply+".shard"] {
		t.Errorf("answers %v", got)
	}
	// After the friends have left, all is as before.
	for _, i := range []int{1, 2} {
		r.app.control(id[i], backplane.Control{Op: backplane.OpLeave, Rooms: []string{id[0]}})
	}
	r.app.emitRoom("/", id[0], `["alone"]`)
	r.app.emitAll("/", `["end"]`)
	c[0].Expect(`42["alone"]`, `42["end"]`)
	c[1].Expect(`42["end"]`)
}

func TestEmitsAskForAcks(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.PendingAcks = 3 })
	c, id := r.join("/chat")
	ask := func(n int) {
		r.app.emitSocket(id, fmt.Sprint(r.app.reply, ".", n), payload(fmt.Sprintf(`["q",%d]`, n)))
	}
	for n := range 4 {
		ask(n)
	}
	c.Expect(`42/chat,0["q",0]`, `42/chat,1["q",1]`, `42/chat,2["q",2]`)
	expect := func(n int, data, fault string) {
		t.Helper()
		m := next(t, r.app.replies)
		if m.Subject != fmt.Sprint(r.app.reply, ".", n) || string(m.Data) != data || fmt.Sprint(m.Header[backplane.HeaderError]) != fault {
			t.Errorf("%s %q %v, want %d %s %s", m.Subject, m.Data, m.Header, n, data, fault)
		}
	}
	expect(3, "", "["+ackTooMany+"]")
	if got := value(r.gw.metrics.limited.WithLabelValues("pending acks")); got != 1 {
		t.Errorf("counted %v times", got)
	}
	c.Send(`43/chat,1["one"]`, `43/chat,1["twice"]`, `43/chat,77[]`, `43/chat,0`)
	expect(1, `["one"]`, "[]")
	expect(0, `[]`, "[]")
	c.Send(`461-/chat,2[{"_placeholder":true,"num":0}]`)
	c.SendBinary("bytes")
	m := next(t, r.app.replies)
	p, err := backplane.DecodePayload(m)
	if err != nil || len(p.Attachments) != 1 || string(p.Attachments[0]) != "bytes" {
		t.Errorf("%+v %v", p, err)
	}
	// What is still owed when the client goes is answered for it.
	ask(5)
	c.Expect(`42/chat,3["q",5]`)
	c.Send("41/chat,")
	expect(5, "", "["+ackDisconnected+"]")
	ask(6)
	expect(6, "", "["+ackNoSocket+"]")
}

func TestBinaryEmit(t *testing.T) {
	r := newRig(t)
	c, _ := r.join("")
	p, _ := r.pollJoin()
	big := strings.Repeat("\xfe", 70_000)
	e := backplane.Emit{Payload: payload(`["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, big, "")}
	r.app.publish(e.Encode(r.app.conn.Namespace("/"), ""))
	c.Expect(`452-["b",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)
	c.ExpectBinary(big, "")
	if got := p.Expect(`452-*`, "b*", "b")[1]; len(got) != (70_000+2)/3*4 {
		t.Errorf("%d characters", len(got))
	}
}

func TestVolatile(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	volatile := func(json string) {
		e := backplane.Emit{Payload: payload(json), Volatile: true}
		r.app.publish(e.Encode(r.app.conn.SocketEmit(id), ""))
	}
	volatile(`["dropped"]`) // no GET is open
	eventually(t, "the drop", func() bool { return value(r.gw.metrics.dropped) == 1 })
	got := p.GetSoon(t.Context())
	p.polls()
	volatile(`["kept"]`)
	if a := next(t, got); a.body != `42["kept"]` {
		t.Errorf("%+v", a)
	}
	// Of a burst in one turn only the first fits.
	c, _ := r.join("/ws")
	s, l := r.session(c.sid)
	r.onLoop(l, func() {
		for range 500 {
			s.sockets[0].deliver(encodeEvent("/ws", payload(`["burst"]`), ""), true)
		}
		s.sockets[0].deliver(encodeEvent("/ws", payload(`["end"]`), ""), false)
	})
	c.Expect(`42/ws,["burst"]`, `42/ws,["end"]`)
}

func TestBadBackplaneMessages(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	s := r.app.conn.Subjects
	bad := []*backplane.Msg{
		{Subject: s.Namespace("/"), Data: []byte(`{"no":"array"}`)},
		{Subject: s.Namespace("/"), Data: []byte(`["connect"]`)},
		{Subject: s.Namespace("/"), Data: []byte(`["bad`)},
		{Subject: s.Namespace("/"), Data: []byte("[\"bad utf8 \xff\"]")},
		{Subject: s.Namespace("/"), Data: nil},
		{Subject: s.SocketEmit(id), Data: []byte(`["x"]`), Header: map[string][]string{backplane.HeaderAttachments: {"9"}}},
		{Subject: s.SocketAck(id, "1"), Data: []byte(`{}`)},
		{Subject: s.SocketAck(id, "notanumber"), Data: []byte(`[]`)},
		{Subject: s.SocketAck(id, "1.x"), Data: []byte(`[]`)},
		{Subject: s.SocketAll(id)[:len(s.SocketAll(id))-1] + "done"},
		{Subject: s.SocketAll(id)[:len(s.SocketAll(id))-1] + "missing.x"},
		{Subject: s.Node("g1", "confirm", ""), Data: []byte(id + " 1\n" + id + " x\n")},
		{Subject: s.Node("g1", "confirm", ""), Data: []byte(id + " 1")},
		{Subject: s.Node("g1", "alive", "9.w1.-.0")},
		{Subject: s.SocketControl(id), Data: []byte(`[]`)},
		{Subject: s.Node("g1", "nonsense", ""), Data: []byte(`[]`)},
		{Subject: s.SocketAll(id)[:len(s.SocketAll(id))-1] + "nonsense"},
	}
	for _, m := range bad {
		r.app.publish(m)
	}
	r.app.emitAll("/", `["end"]`)
	c.Expect(`42["end"]`)
	if n := value(r.gw.metrics.badMessages); int(n) != len(bad) {
		t.Errorf("%v bad messages counted, want %d", n, len(bad))
	}
}

// What a worker emits once it is told that the socket is open arrives, on any subject and in order; and what
// follows the answer to a join reaches the newcomer.
func TestOrderWithAcceptance(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(accept("first"))
	c, own := r.join("")
	if id := next(t, r.app.opens); id != own {
		t.Fatalf("open: %s, want %s", id, own)
	}
	for i := range 20 {
		r.app.emitSocket(own, "", payload(fmt.Sprintf(`["own",%d]`, i)))
		r.app.emitAll("/", fmt.Sprintf(`["all",%d]`, i))
		r.app.emitRoom("/", "first", fmt.Sprintf(`["room",%d]`, i))
	}
	for i := range 20 {
		c.Expect(fmt.Sprintf(`42["own",%d]`, i), fmt.Sprintf(`42["all",%d]`, i), fmt.Sprintf(`42["room",%d]`, i))
	}
	c.Send("41")
	next(t, r.app.leaves)
	r.app.onConnect(accept())
	id := c.join("")
	for i := range 100 {
		room := fmt.Sprint("r", i)
		r.app.join(id, room)
		r.app.emitRoom("/", room, fmt.Sprintf(`["in",%d]`, i))
		c.Expect(fmt.Sprintf(`42["in",%d]`, i))
	}
}
