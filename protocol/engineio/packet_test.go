package engineio

import (
	"bytes"
	"errors"
	"testing"
)

func TestDecodePacket(t *testing.T) {
	cases := []struct {
		name   string
		frame  string
		binary bool
		want   Packet
		err    error
	}{
		{"open", `0{}`, false, Packet{Type: OpenPacket, Data: []byte(`{}`)}, nil},
		{"close", "1", false, Packet{Type: Close}, nil},
		{"probe ping", "2probe", false, Packet{Type: Ping, Data: []byte(Probe)}, nil},
		{"probe pong", "3probe", false, Packet{Type: Pong, Data: []byte(Probe)}, nil},
		{"message", "4hello €", false, Packet{Type: Message, Data: []byte("hello €")}, nil},
		{"empty message", "4", false, Packet{Type: Message}, nil},
		{"upgrade", "5", false, Packet{Type: Upgrade}, nil},
		{"noop", "6", false, Packet{Type: Noop}, nil},
		{"separator is data here", "4a\x1e4b", false, Packet{Type: Message, Data: []byte("a\x1e4b")}, nil},
		{"binary", "\x00\x01", true, Packet{Type: Message, Binary: true, Data: []byte{0, 1}}, nil},
		{"binary looks like text", "4a", true, Packet{Type: Message, Binary: true, Data: []byte("4a")}, nil},
		{"empty binary", "", true, Packet{Type: Message, Binary: true}, nil},
		{"base64", "bAQIDBA==", false, Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3, 4}}, nil},
		{"base64 unpadded", "bAQIDBA", false, Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3, 4}}, nil},
		{"base64 standard alphabet", "b+/8=", false, Packet{Type: Message, Binary: true, Data: []byte{0xfb, 0xff}}, nil},
		{"base64 URL alphabet", "b-_8=", false, Packet{Type: Message, Binary: true, Data: []byte{0xfb, 0xff}}, nil},
		{"base64 empty", "b", false, Packet{Type: Message, Binary: true}, nil},
		{"base64 garbage", "b!", false, Packet{}, ErrBase64},
		{"base64 one letter", "bA", false, Packet{}, ErrBase64},
		{"base64 inner padding", "bAA==AA", false, Packet{}, ErrBase64},
		{"base64 three pads", "bAQ===", false, Packet{}, ErrBase64},
		{"empty", "", false, Packet{}, ErrEmptyPacket},
		{"type 7", "7", false, Packet{}, ErrPacketType},
		{"type letter", "abc", false, Packet{}, ErrPacketType},
		{"type space", " 4", false, Packet{}, ErrPacketType},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodePacket([]byte(c.frame), c.binary)
			if !errors.Is(err, c.err) || !equal(got, c.want) {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestDecodePacketAliases(t *testing.T) {
	frame := []byte("4hello")
	p, err := DecodePacket(frame, false)
	if err != nil || &p.Data[0] != &frame[1] {
		t.Fatalf("data does not alias the frame (err %v)", err)
	}
	encoded := []byte("bAQID")
	p, err = DecodePacket(encoded, false)
	if err != nil {
		t.Fatal(err)
	}
	clear(encoded)
	if !bytes.Equal(p.Data, []byte{1, 2, 3}) {
		t.Fatal("decoded base64 aliases the frame")
	}
}

func TestAppendPacket(t *testing.T) {
	cases := []struct {
		p    Packet
		want string
	}{
		{Packet{Type: OpenPacket, Data: []byte("{}")}, "0{}"},
		{Packet{Type: Ping}, "2"},
		{Packet{Type: Pong, Data: []byte(Probe)}, "3probe"},
		{Packet{Type: Message, Data: []byte("hello")}, "4hello"},
		{Packet{Type: Message, Binary: true, Data: []byte{1, 2}}, "\x01\x02"},
		{Packet{Type: Noop}, "6"},
	}
	for _, c := range cases {
		if got := AppendPacket([]byte("x"), c.p); string(got) != "x"+c.want {
			t.Errorf("%+v: got %q, want %q", c.p, got, "x"+c.want)
		}
	}
}

func TestPacketTypeString(t *testing.T) {
	want := []string{"open", "close", "ping", "pong", "message", "upgrade", "noop", "unknown"}
	for i, name := range want {
		if got := PacketType(i).String(); got != name {
			t.Errorf("type %d is %q, want %q", i, got, name)
		}
	}
}

func TestPacketAllocations(t *testing.T) {
	frame := []byte(`42["news",{"a":1}]`)
	dst := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		p, err := DecodePacket(frame, false)
		if err != nil {
			t.Fatal(err)
		}
		dst = AppendPacket(dst[:0], p)
		if _, err := DecodePacket(frame[:0], false); err == nil {
			t.Fatal("empty packet accepted")
		}
	}); n != 0 {
		t.Fatalf("%v allocations, want 0", n)
	}
}

func FuzzDecodePacket(f *testing.F) {
	for _, s := range []string{"", `0{"sid":"x"}`, "2probe", "4hello €", "bAQIDBA==", "b-_8=", "7", "4a\x1e4b"} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]), false)
		}
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, frame []byte, binary bool) {
		p, err := DecodePacket(frame, binary)
		if err != nil {
			if !equal(p, Packet{}) {
				t.Fatalf("error %v with packet %+v", err, p)
			}
			return
		}
		again, err := DecodePacket(AppendPacket(nil, p), p.Binary)
		if err != nil || !equal(p, again) {
			t.Fatalf("round trip of %+v gave %+v, %v", p, again, err)
		}
	})
}

func BenchmarkDecodePacket(b *testing.B) {
	frame := []byte(`42["news",{"a":1}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodePacket(frame, false); err != nil {
			b.Fatal(err)
		}
	}
}

func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Binary == b.Binary && bytes.Equal(a.Data, b.Data)
}
