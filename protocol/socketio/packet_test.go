package socketio

import (
	"os"
	"strings"
	"testing"
)

func TestAppend(t *testing.T) {
	cases := []struct {
		got  []byte
		want string
	}{
		{AppendHeader(nil, Packet{}), "0"},
		{AppendHeader(nil, Packet{Namespace: "/"}), "0"},
		{AppendHeader(nil, Packet{Type: Event, Namespace: "/chat"}), "2/chat,"},
		{AppendHeader(nil, Packet{Namespace: "/chat", Query: "x=1"}), "0/chat?x=1,"},
		{AppendHeader(nil, Packet{Query: "x=1"}), "0/?x=1,"},
		{AppendHeader(nil, Packet{Type: Event, HasAck: true}), "20"},
		{AppendHeader(nil, Packet{Type: Event, AckID: 5}), "2"},
		{AppendHeader(nil, Packet{Type: Ack, Namespace: "/a", HasAck: true, AckID: 1<<64 - 1}), "3/a,18446744073709551615"},
		{AppendHeader(nil, Packet{Type: Event, Attachments: 3}), "2"},
		{AppendHeader(nil, Packet{Type: BinaryEvent, Attachments: 3}), "53-"},
		{AppendHeader(nil, Packet{Type: BinaryAck, Namespace: "/a", HasAck: true, AckID: 7}), "60-/a,7"},
		{AppendPacket([]byte("4"), Packet{Type: Event, Payload: []byte(`["a"]`)}), `42["a"]`},
		{AppendConnect(nil, "/", "abc", ""), `0{"sid":"abc"}`},
		{AppendConnect([]byte("4"), "/chat", "abc", "def"), `40/chat,{"sid":"abc","pid":"def"}`},
		{AppendConnectError(nil, "/", "Invalid namespace", nil), `4{"message":"Invalid namespace"}`},
		{AppendConnectError(nil, "/auth", `not "authorized"`, []byte(`{"code":"E_AUTH","retry":false}`)),
			`4/auth,{"message":"not \"authorized\"","data":{"code":"E_AUTH","retry":false}}`},
		{AppendDisconnect(nil, "/"), "1"},
		{AppendDisconnect([]byte("4"), "/chat"), "41/chat,"},
	}
	for _, c := range cases {
		if string(c.got) != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

func TestPacketTypeString(t *testing.T) {
	want := []string{"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK", "UNKNOWN"}
	for i, name := range want {
		if got := PacketType(i).String(); got != name {
			t.Errorf("type %d is %s, want %s", i, got, name)
		}
	}
}

// TestDialogue reads conversations from testdata/dialogue.txt: lines that a
// client (>) or a server (<) sends, each an Engine.IO text message, and behind a
// tab what it means. Canonical lines must encode to themselves again.
func TestDialogue(t *testing.T) {
	golden, err := os.ReadFile("testdata/dialogue.txt")
	if err != nil {
		t.Fatal(err)
	}
	for number, line := range strings.Split(strings.TrimSpace(string(golden)), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		text, want, _ := strings.Cut(line[2:], "\t")
		p, err := Decode([]byte(text[1:]), nil)
		if err == nil && p.Type.Binary() {
			err = CheckPlaceholders(p.Payload, p.Attachments)
		}
		if got := describe(p, err); got != want {
			t.Errorf("line %d, %s: got %q, want %q", number+1, text, got, want)
		}
		if encoded := "4" + string(AppendPacket(nil, p)); err == nil && encoded != text {
			t.Errorf("line %d: %s encodes to %s", number+1, text, encoded)
		}
	}
}

func describe(p Packet, err error) string {
	if err != nil {
		return err.Error()
	}
	parts := []string{p.Type.String(), p.Namespace}
	if p.Query != "" {
		parts = append(parts, "query "+p.Query)
	}
	if name, ok := EventName(p.Payload); ok && p.Type != Ack && p.Type != BinaryAck {
		parts = append(parts, "name "+name)
	}
	if p.HasAck {
		parts = append(parts, "ack "+strings.TrimPrefix(string(AppendHeader(nil, Packet{Type: Ack, HasAck: true, AckID: p.AckID})), "3"))
	}
	if p.Type.Binary() {
		parts = append(parts, "attachments "+strings.Trim(string(AppendHeader(nil, Packet{Type: BinaryAck, Attachments: p.Attachments}))[1:], "-"))
	}
	return strings.Join(parts, " ")
}

func BenchmarkAppendPacket(b *testing.B) {
	p := Packet{Type: Event, Namespace: "/chat", HasAck: true, AckID: 12, Payload: []byte(`["news",{"a":1}]`)}
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendPacket(dst[:0], p)
	}
}
