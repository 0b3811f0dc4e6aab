package backplane

import (
	"strings"
	"testing"
)

func TestSubjects(t *testing.T) {
	s := NewSubjects("")
	birth := NewBirth()
	id := birth.NewSocketID("g1", 5)
	of := "pb.socket.g1." + string(birth) + "."
	for got, want := range map[string]string{
		s.Namespace("/"):                  "pb.nsp.-",
		s.Namespace("/chat"):              "pb.nsp.chat",
		s.Namespace("/a.b/c"):             "pb.nsp.a%2Eb/c",
		s.Room("/", "lobby"):              "pb.room.-.lobby",
		s.Room("/chat", ""):               "pb.room.chat.-",
		s.Room("/chat", id):               of + id + ".emit",
		s.SocketEmit(id):                  of + id + ".emit",
		s.SocketControl(id):               of + id + ".control",
		s.SocketAck(id, "7"):              of + id + ".ack.7",
		s.SocketAll(id):                   of + id + ".>",
		s.SocketsOf("g1"):                 "pb.socket.g1.>",
		s.SocketsBorn("g1", birth):        of + ">",
		s.SocketControl("a *"):            "pb.socket.-.-.a%20%2A.control",
		s.Node("g1", "connected", id):     "pb.gateway.g1.connected." + id,
		s.Node("g1", "emit", ""):          "pb.gateway.g1.emit",
		s.Worker("w1", "event", id):       "pb.worker.w1.event." + id,
		s.Connect("/"):                    "pb.router.connect.-",
		s.Feed("g1"):                      "pb.feed.g1",
		NewSubjects("a.b").Namespace("/"): "a.b.nsp.-",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

var names = []string{"", "-", "chat", "a.b", "*", ">", "é ü", "%41", "~", "a,b", "$x", strings.Repeat("n", 200)}

func TestParseEmit(t *testing.T) {
	s := NewSubjects("x.y")
	for _, nsp := range names {
		subject := s.Namespace("/" + nsp)
		name, room, whole, ok := s.ParseEmit(subject)
		if long := len(nsp) > MaxToken; ok == long || !whole || !long && (name != "/"+nsp || room != "") {
			t.Errorf("%s: %q %q %v %v", subject, name, room, whole, ok)
		}
		for _, want := range names {
			subject := s.Room("/"+nsp, want)
			name, room, whole, ok := s.ParseEmit(subject)
			long := len(nsp) > MaxToken || len(want) > MaxToken
			if ok == long || whole || !long && (name != "/"+nsp || room != want) {
				t.Errorf("%s: %q %q %v %v", subject, name, room, whole, ok)
			}
		}
		got, ok := s.ParseConnect(s.Connect("/" + nsp))
		if long := len(nsp) > MaxToken; ok == long || !long && got != "/"+nsp {
			t.Errorf("connect %q: %q %v", nsp, got, ok)
		}
	}
	for _, subject := range []string{"", "x.y", "x.y.", "x.y.nsp", "x.y.nsp.a.b", "x.y.room.a", "pb.nsp.-", "x.y.other.a", "x.y.nsp.%zz", "x.y.room.a.%", "x.y.room.a.b.c"} {
		if nsp, room, whole, ok := s.ParseEmit(subject); ok {
			t.Errorf("%q: %q %q %v", subject, nsp, room, whole)
		}
	}
}

func TestParseSocketAndOwned(t *testing.T) {
	s := NewSubjects("p")
	id := NewSocketID("node9", 63)
	for _, c := range []struct{ subject, verb, arg string }{
		{s.SocketEmit(id), "emit", ""}, {s.SocketControl(id), "control", ""}, {s.SocketAck(id, "12"), "ack", "12"},
	} {
		gotID, verb, arg, ok := s.ParseSocket(c.subject)
		if !ok || gotID != id || verb != c.verb || arg != c.arg {
			t.Errorf("%s: %q %q %q %v", c.subject, gotID, verb, arg, ok)
		}
	}
	for _, subject := range []string{s.Namespace("/"), s.Node("n", "emit", ""), "", "p.socket", "p.socket.n", "p.socket.n.b", "p.socket.n.b.id", "p.socket.n.b.id.emit", "p.socket.n." + id + ".emit"} {
		if _, verb, _, ok := s.ParseSocket(subject); ok && verb != "" {
			t.Errorf("%q is a socket's", subject)
		}
	}
	for _, subject := range []string{s.Node("n1", "connected", id), s.Worker("w1", "connected", id)} {
		if verb, arg, ok := s.ParseOwned(subject); !ok || verb != "connected" || arg != id {
			t.Errorf("%s: %q %q %v", subject, verb, arg, ok)
		}
	}
	if verb, arg, ok := s.ParseOwned(s.Node("n1", "emit", "")); !ok || verb != "emit" || arg != "" {
		t.Errorf("%q %q %v", verb, arg, ok)
	}
}

// Address tells in the headers what the subject does not.
func TestAddress(t *testing.T) {
	s := NewSubjects("")
	long, id := strings.Repeat("l", 200), NewSocketID("g1", 0)
	for _, c := range []struct {
		nsp, room, header string
		rooms             int
	}{
		{"/", "a", "", 0},
		{"/chat", "a.b", "", 0},
		{"/", long, "/", 1},
		{"/" + long, "a", "/" + long, 1},
		{"/chat", id, "/chat", 0},
		{"/" + long, id, "/" + long, 0},
	} {
		e := &Emit{Payload: Payload{JSON: []byte(`["e"]`)}}
		subject := s.Address(e, c.nsp, c.room)
		if subject != s.Room(c.nsp, c.room) || e.Namespace != c.header || len(e.Rooms) != c.rooms {
			t.Errorf("%q %q: %q %v", c.nsp, c.room, e.Namespace, e.Rooms)
		}
		both := &Emit{Rooms: []string{"x", "y"}}
		if s.Address(both, c.nsp, c.room); len(both.Rooms) != 2 {
			t.Errorf("the target set changed to %v", both.Rooms)
		}
	}
	for nsp, header := range map[string]string{"/": "", "/chat": "", "/" + long: "/" + long} {
		e := &Emit{}
		if subject := s.AddressAll(e, nsp); subject != s.Namespace(nsp) || e.Namespace != header || len(e.Rooms) != 0 {
			t.Errorf("%q: %s %q %v", nsp, subject, e.Namespace, e.Rooms)
		}
	}
}

func TestSocketIDs(t *testing.T) {
	seen := map[string]bool{}
	for shard := range MaxShards {
		id := NewSocketID("abc123", shard)
		node, got, ok := SplitSocketID(id)
		if !ok || node != "abc123" || got != shard || seen[id] || Token(id) != id || len(SocketBirth(id)) != len(NewBirth()) {
			t.Errorf("%s: %q %d %v", id, node, got, ok)
		}
		seen[id] = true
	}
	for _, text := range []string{"", "_", "abc", strings.Repeat("a", 16), strings.Repeat("a", 16) + "_", strings.Repeat("a", 16) + "_Node",
		strings.Repeat("a", 16) + "_n.n", strings.Repeat("a", 15) + "._n", strings.Repeat("a", 17) + "_n", strings.Repeat("a", 16) + "_" + strings.Repeat("n", 25)} {
		if _, _, ok := SplitSocketID(text); ok {
			t.Errorf("%q is a socket id", text)
		}
	}
	for _, kind := range "grw" {
		if id := NewID(byte(kind)); !ValidID(id) || id[0] != byte(kind) || len(id) != 10 {
			t.Errorf("id %q", id)
		}
	}
}
