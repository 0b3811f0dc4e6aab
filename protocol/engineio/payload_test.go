package engineio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestPackets(t *testing.T) {
	text := func(s string) Packet { return Packet{Type: Message, Data: []byte(s)} }
	cases := []struct {
		name    string
		payload string
		want    []Packet
		err     error
	}{
		{"one", "4a", []Packet{text("a")}, nil},
		{"three", "4a\x1e2\x1e4b", []Packet{text("a"), {Type: Ping}, text("b")}, nil},
		{"binary", "4a\x1ebAQID\x1e4b", []Packet{text("a"), {Type: Message, Binary: true, Data: []byte{1, 2, 3}}, text("b")}, nil},
		{"empty", "", nil, ErrEmptyPacket},
		{"only a separator", "\x1e", nil, ErrEmptyPacket},
		{"separator first", "\x1e4a", nil, ErrEmptyPacket},
		{"separator last", "4a\x1e", []Packet{text("a")}, ErrEmptyPacket},
		{"two separators", "4a\x1e\x1e4b", []Packet{text("a")}, ErrEmptyPacket},
		{"bad type after good", "4a\x1e9\x1e4b", []Packet{text("a")}, ErrPacketType},
		{"bad base64", "b!\x1e4b", nil, ErrBase64},
		{"Engine.IO v3 length", "2:4a", []Packet{{Type: Ping, Data: []byte(":4a")}}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := collect([]byte(c.payload))
			if !errors.Is(err, c.err) || !equalAll(got, c.want) {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestPacketsLimit(t *testing.T) {
	most := strings.Repeat("6\x1e", MaxPacketsPerPayload-1) + "6"
	got, err := collect([]byte(most))
	if err != nil || len(got) != MaxPacketsPerPayload {
		t.Fatalf("%d packets, %v", len(got), err)
	}
	got, err = collect([]byte(most + "\x1e6"))
	if !errors.Is(err, ErrTooManyPackets) || len(got) != MaxPacketsPerPayload {
		t.Fatalf("%d packets, %v", len(got), err)
	}
}

func TestPacketsStops(t *testing.T) {
	n := 0
	for range Packets([]byte("4a\x1e4b\x1e4c")) {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Fatalf("%d packets before the break, want 2", n)
	}
}

func TestNextPacketRest(t *testing.T) {
	// The data of one packet must not reach into the next by append.
	payload := []byte("4a\x1e4b")
	p, rest, err := NextPacket(payload)
	if err != nil || string(rest) != "4b" {
		t.Fatalf("rest %q, %v", rest, err)
	}
	if _ = append(p.Data, 'X'); string(payload) != "4a\x1e4b" {
		t.Fatal("appending to a packet's data changed the payload")
	}
}

func TestAppendPayloadPacket(t *testing.T) {
	var payload []byte
	for _, p := range []Packet{
		{Type: OpenPacket, Data: []byte("{}")},
		{Type: Message, Data: []byte("€")},
		{Type: Message, Binary: true, Data: []byte{0xfb, 0xff}},
		{Type: Message, Binary: true},
		{Type: Close},
	} {
		payload = AppendPayloadPacket(payload, p)
	}
	const want = "0{}\x1e4€\x1eb+/8=\x1eb\x1e1"
	if string(payload) != want {
		t.Fatalf("got %q, want %q", payload, want)
	}
}

func TestPayloadAllocations(t *testing.T) {
	payload := []byte("40\x1e42[\"a\"]\x1e42[\"b\"]")
	if n := testing.AllocsPerRun(100, func() {
		for _, err := range Packets(payload) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}); n != 0 {
		t.Fatalf("%v allocations, want 0", n)
	}
}

func FuzzPayload(f *testing.F) {
	for _, s := range []string{"4a\x1e2\x1ebAQID\x1e4b", "4a\x1e", "\x1e", "bAQ==\x1eb-_8\x1e6", "4€\x1e5\x1e9"} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]))
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := collect(payload)
		want, wantErr := naivePackets(payload)
		if !errors.Is(err, wantErr) || !equalAll(got, want) {
			t.Fatalf("got %+v, %v; want %+v, %v", got, err, want, wantErr)
		}
		var encoded []byte
		for _, p := range got {
			encoded = AppendPayloadPacket(encoded, p)
		}
		if len(got) == 0 {
			return
		}
		again, err := collect(encoded)
		if err != nil || !equalAll(got, again) {
			t.Fatalf("round trip gave %+v, %v; want %+v", again, err, got)
		}
	})
}

func BenchmarkPackets(b *testing.B) {
	payload := []byte(strings.Repeat(`42["news",{"a":1}]`+"\x1e", 99) + "6")
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		for _, err := range Packets(payload) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// naivePackets splits all at once, as the reference does.
func naivePackets(payload []byte) ([]Packet, error) {
	var packets []Packet
	for i, text := range bytes.Split(payload, []byte{Separator}) {
		if i == MaxPacketsPerPayload {
			return packets, ErrTooManyPackets
		}
		p, err := DecodePacket(text, false)
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

func collect(payload []byte) ([]Packet, error) {
	var packets []Packet
	for p, err := range Packets(payload) {
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}

func equalAll(a, b []Packet) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
