package gateway

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
)

// polled gathers what a gateway says to an emit that asks many, until its last word and all of some answers have come.
func (r *rig) polled(answers int) (asked []string, got map[string]*backplane.Msg) {
	r.Helper()
	got = map[string]*backplane.Msg{}
	for last := false; !last || len(got) < answers; {
		m := next(r, r.app.replies)
		if socket, ok := strings.CutPrefix(m.Subject, r.app.reply+".poll."); ok {
			got[socket] = m
			continue
		}
		var word backplane.Asked
		if err := json.Unmarshal(m.Data, &word); err != nil || word.Node != r.gw.options.ID || last {
			r.Fatalf("%s %q, %v", m.Subject, m.Data, err)
		}
		asked = append(asked, word.Sockets...)
		last = !word.More
	}
	slices.Sort(asked)
	return asked, got
}

// ask publishes an emit that asks everyone in rooms, or the namespace if there are none.
func (r *rig) ask(e *backplane.Emit, nsp string, rooms ...string) {
	r.Helper()
	e.Ask = true
	if len(rooms) == 0 {
		r.app.publish(e.Encode(r.app.conn.Namespace(nsp), r.app.reply+".poll"))
	}
	if len(rooms) > 1 {
		e.Rooms = rooms
	}
	for _, room := range rooms {
		r.app.publish(e.Encode(r.app.conn.Address(e, nsp, room), r.app.reply+".poll"))
	}
}

// reads a question, and returns the id to acknowledge.
func (c *wsClient) question() string {
	c.Helper()
	number := c.Expect(`42/chat,*["q"]`)[0]
	if len(number) != 16 {
		c.Fatalf("%q is no id of an acknowledgement of many", number)
	}
	return number
}

// One message asks all that are meant, on all loops, with one packet; the gateway says whom, and passes on what each answers.
func TestAskAll(t *testing.T) {
	r := newRig(t)
	var c [4]*wsClient
	var id [4]string
	for i := range c {
		c[i], id[i] = r.join("/chat")
		if i < 3 {
			r.app.join(id[i], "a")
		}
	}
	r.app.join(id[1], "b")
	r.ask(&backplane.Emit{Payload: payload(`["q"]`), ID: "x.1", Except: []string{id[2]}}, "/chat", "a", "b", id[3])
	number := c[0].question()
	for _, i := range []int{1, 3} {
		if got := c[i].question(); got != number {
			t.Errorf("asked under %s and %s", got, number)
		}
	}
	c[0].Send("43/chat," + number + `["zero"]`)
	c[1].Send("461-/chat," + number + `[{"_placeholder":true,"num":0}]`)
	c[1].SendBinary("bytes")
	c[3].Send("41/chat,")
	asked, got := r.polled(3)
	want := []string{id[0], id[1], id[3]}
	if slices.Sort(want); !slices.Equal(asked, want) {
		t.Errorf("asked %v, want %v", asked, want)
	}
	if m := got[id[0]]; string(m.Data) != `["zero"]` {
		t.Errorf("%q", m.Data)
	}
	if p, err := backplane.DecodePayload(got[id[1]]); err != nil || len(p.Attachments) != 1 || string(p.Attachments[0]) != "bytes" {
		t.Errorf("%+v, %v", p, err)
	}
	if m := got[id[3]]; m.Header[backplane.HeaderError][0] != backplane.SocketGone {
		t.Errorf("%q %v", m.Data, m.Header)
	}
	c[0].Send("43/chat," + number + `["twice"]`)
	r.ask(&backplane.Emit{Payload: payload(`["q"]`), ID: "x.2"}, "/chat")
	if asked, got := r.polled(0); len(asked) != 3 || len(got) != 0 {
		t.Errorf("asked %v, and heard %v", asked, got)
	}
	// Nobody is there: the gateway says so, rather than nothing.
	r.app.control(id[1], backplane.Control{Op: backplane.OpLeave, Rooms: []string{"b"}})
	r.ask(&backplane.Emit{Payload: payload(`["q"]`), ID: "x.3"}, "/chat", "b")
	if asked, _ := r.polled(0); len(asked) != 0 {
		t.Errorf("asked %v", asked)
	}
}

// Whom a volatile event is dropped for is not asked, and who owes too much is answered for.
func TestAskAllUnready(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.PendingAcks = 1 })
	c, id := r.join("")
	_, polling := r.pollJoin()
	r.app.join(id, "a")
	r.app.join(polling, "a")
	r.ask(&backplane.Emit{Payload: payload(`["q"]`), Volatile: true}, "/", "a") // no GET is open
	if asked, _ := r.polled(0); !slices.Equal(asked, []string{id}) {
		t.Errorf("asked %v, want %s", asked, id)
	}
	r.ask(&backplane.Emit{Payload: payload(`["q"]`)}, "/", "a")
	asked, got := r.polled(1)
	if m := got[id]; len(asked) != 2 || m == nil || m.Header[backplane.HeaderError][0] != ackTooMany {
		t.Errorf("asked %v, got %v", asked, got)
	}
	c.Alive(r.app)
}

// An emit for a pattern reaches every namespace that matches, whatever its rooms and exceptions, and can be recovered in each.
func TestMatchingNamespaces(t *testing.T) {
	r := recovering(t)
	clients := map[string]*wsClient{}
	ids := map[string]string{}
	for _, nsp := range []string{"/dynamic-1", "/dynamic-22", "/dynamic-x", "/other"} {
		c := r.ws()
		ids[nsp] = c.join2(nsp)
		clients[nsp] = c
		r.app.join(ids[nsp], "a")
	}
	emit := func(json string, change func(*backplane.Emit)) {
		e := &backplane.Emit{Payload: payload(json), Match: `^(?:/dynamic-\d+)$`}
		change(e)
		r.app.publish(e.Encode(r.app.conn.Matching(), ""))
	}
	emit(`["all"]`, func(*backplane.Emit) {})
	emit(`["room"]`, func(e *backplane.Emit) { e.Rooms = []string{"a", "b"} })
	emit(`["except"]`, func(e *backplane.Emit) { e.Except = []string{ids["/dynamic-1"]} })
	for _, bad := range []string{"", "(", strings.Repeat("x", maxPattern+1)} {
		emit(`["bad"]`, func(e *backplane.Emit) { e.Match = bad })
	}
	for nsp := range clients {
		r.app.emitAll(nsp, `["end"]`)
	}
	for nsp, want := range map[string]string{"/dynamic-1": "all room", "/dynamic-22": "all room except", "/dynamic-x": "", "/other": ""} {
		for _, event := range append(strings.Fields(want), "end") {
			clients[nsp].Expect(fmt.Sprintf(`42%s,["%s","g1.*"]`, nsp, event))
		}
	}
	if n := value(r.gw.metrics.badMessages); n != 3 {
		t.Errorf("%v bad messages, want 3", n)
	}
}

// What an application said of an emit goes along when that is passed to another node.
func TestSealedEmit(t *testing.T) {
	for _, b := range []*broadcast{
		{emit: backplane.Emit{Payload: payload(`["e"]`), Volatile: true}, target: target{nsp: "/", whole: true}},
		{emit: backplane.Emit{Payload: payload(`["e"]`), Uncompressed: true, Ask: true}, reply: "r", target: target{nsp: "/", room: "a"}},
		{emit: backplane.Emit{Payload: payload(`["e"]`), Match: "^/a$"}, target: target{whole: true, match: regexp.MustCompile("^/a$")}},
	} {
		data, err := json.Marshal(b.seal())
		var e sealed
		if err == nil {
			err = json.Unmarshal(data, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := e.open()
		if got.emit.Volatile != b.emit.Volatile || got.emit.Uncompressed != b.emit.Uncompressed || got.emit.Ask != b.emit.Ask || got.reply != b.reply {
			t.Errorf("%+v became %+v", b.emit, got.emit)
		}
		for _, nsp := range []string{"/", "/a"} {
			if got.target.in(nsp) != b.target.in(nsp) {
				t.Errorf("%+v became %+v", b.target, got.target)
			}
		}
	}
	broken := sealed{Match: "("}
	if b := broken.open(); b.target.in("/") {
		t.Error("a broken pattern matches")
	}
}

// The worker of a socket that goes is told its rooms.
func TestLeftRooms(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	r.app.join(id, "b", "a, b")
	c.Send("41")
	if got := next(t, r.app.leaves); got.reason != reasonClientLeft || !slices.Equal(got.rooms, []string{"a, b", "b"}) {
		t.Errorf("%+v", got)
	}
}
