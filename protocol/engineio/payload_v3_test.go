package engineio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
)

func TestDecodePacket3(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		binary      bool
		want        Packet
		err         error
	}{
		{"text", "4hello", false, Packet{Type: Message, Data: []byte("hello")}, nil},
		{"ping", "2", false, Packet{Type: Ping}, nil},
		{"probe", "2probe", false, Packet{Type: Ping, Data: []byte("probe")}, nil},
		{"binary", "\x04\x01\x02", true, Packet{Type: Message, Binary: true, Data: []byte{1, 2}}, nil},
		{"binary, nothing", "\x04", true, Packet{Type: Message, Binary: true}, nil},
		{"base64", "b4AQID", false, Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3}}, nil},
		{"base64, nothing", "b4", false, Packet{Type: Message, Binary: true}, nil},
		{"empty", "", false, Packet{}, ErrEmptyPacket},
		{"binary, empty", "", true, Packet{}, ErrEmptyPacket},
		{"binary ping", "\x02", true, Packet{}, ErrPacketType},
		{"binary, type as a digit", "4\x01", true, Packet{}, ErrPacketType},
		{"base64 without type", "b", false, Packet{}, ErrPacketType},
		{"base64 of version 4", "bAQID", false, Packet{}, ErrPacketType},
		{"base64 of a ping", "b2AQID", false, Packet{}, ErrPacketType},
		{"bad base64", "b4!", false, Packet{}, ErrBase64},
		{"unknown type", "abc", false, Packet{}, ErrPacketType},
	} {
		got, err := DecodePacket3([]byte(c.frame), c.binary)
		if !errors.Is(err, c.err) || !equal(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
}

// The payloads of the protocol's own test suite, and those that break its rules.
func TestPackets3(t *testing.T) {
	text := func(s string) Packet { return Packet{Type: Message, Data: []byte(s)} }
	bytes4 := Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3, 4}}
	for _, c := range []struct {
		name, payload string
		binary        bool
		want          []Packet
		err           error
	}{
		{"one", "6:4hello", false, []Packet{text("hello")}, nil},
		{"several", "6:4test16:4test26:4test3", false, []Packet{text("test1"), text("test2"), text("test3")}, nil},
		{"ping", "1:2", false, []Packet{{Type: Ping}}, nil},
		{"base64", "6:4hello10:b4AQIDBA==", false, []Packet{text("hello"), bytes4}, nil},
		{"characters of two and four bytes", "3:4é€4:4😀x1:2", false, []Packet{text("é€"), text("😀x"), {Type: Ping}}, nil},
		{"no length", "0:1:2", false, []Packet{{Type: Ping}}, nil},
		{"nothing but that", "0:", false, nil, nil},
		{"binary", "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", true, []Packet{text("hello"), bytes4}, nil},
		{"two digits", "\x00\x01\x00\xff4123456789", true, []Packet{text("123456789")}, nil},
		{"empty", "", false, nil, ErrEmptyPacket},
		{"binary, empty", "", true, nil, ErrEmptyPacket},
		{"no colon", "abc", false, nil, ErrPayloadLength},
		{"colon alone", ":4a", false, nil, ErrPayloadLength},
		{"length alone", "6", false, nil, ErrPayloadLength},
		{"sign", "-1:4", false, nil, ErrPayloadLength},
		{"exponent", "1e0:4", false, nil, ErrPayloadLength},
		{"too long", "7:4hello", false, nil, ErrPayloadLength},
		{"in bytes", "6:4é€", false, nil, ErrPayloadLength},
		{"within a pair", "2:4😀", false, nil, ErrPayloadLength},
		{"ten digits", "1000000000:4", false, nil, ErrPayloadLength},
		{"the good before the bad", "1:2x", false, []Packet{{Type: Ping}}, ErrPayloadLength},
		{"bad packet", "1:9", false, nil, ErrPacketType},
		{"kind 2", "\x02\x01\xff2", true, nil, ErrPayloadLength},
		{"no end of length", "\x00\x01", true, nil, ErrPayloadLength},
		{"digit of text", "\x001\xff2", true, nil, ErrPayloadLength},
		{"binary, too long", "\x01\x09\xff\x04", true, nil, ErrPayloadLength},
	} {
		got, err := collect3([]byte(c.payload), c.binary)
		if !errors.Is(err, c.err) || !equalAll(got, c.want) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
	many := strings.Repeat("1:6", MaxPacketsPerPayload)
	if got, err := collect3([]byte(many), false); err != nil || len(got) != MaxPacketsPerPayload {
		t.Errorf("%d packets, %v", len(got), err)
	}
	if _, err := collect3([]byte(many+"1:6"), false); !errors.Is(err, ErrTooManyPackets) {
		t.Error(err)
	}
	if _, err := collect3([]byte(strings.Repeat("0:", MaxPacketsPerPayload+1)), false); !errors.Is(err, ErrTooManyPackets) {
		t.Error("packets of no length are not counted")
	}
}

func TestAppendPayload3(t *testing.T) {
	hello, data := Packet{Type: Message, Data: []byte("hello")}, Packet{Type: Message, Binary: true, Data: []byte{1, 2, 3, 4}}
	got := AppendPayloadPacket3(nil, AppendPacket3(nil, hello))
	got = AppendPayloadPacket3(got, AppendBase64Packet3(nil, data.Data))
	if want := "6:4hello10:b4AQIDBA=="; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	got = AppendBinaryPayloadPacket3(nil, AppendPacket3(nil, hello), false)
	got = AppendBinaryPayloadPacket3(got, AppendPacket3(nil, data), true)
	if want := "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04"; string(got) != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := string(AppendPayloadPacket3(nil, []byte("4é😀"))); got != "4:4é😀" {
		t.Errorf("%q", got)
	}
}

// What is decoded, and encoded again, is decoded to the same, in both forms of a payload; any part of it, too, is packets or an error.
func FuzzPayload3(f *testing.F) {
	for _, seed := range []string{"6:4hello10:b4AQIDBA==", "3:4é€4:4😀x", "0:1:2", "1:9", "\x00\x06\xff4hello\x01\x05\xff\x04\x01\x02\x03\x04", "999999999:4", ":"} {
		for cut := range len(seed) + 1 {
			f.Add([]byte(seed[:cut]), false)
			f.Add([]byte(seed[:cut]), true)
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte, binary bool) {
		packets, err := collect3(payload, binary)
		if err == nil && len(payload) == 0 {
			t.Fatal("nothing is a payload")
		}
		var text, raw []byte
		for _, p := range packets {
			if !p.Binary && !bytes.Equal(p.Data, bytes.ToValidUTF8(p.Data, nil)) {
				return // counted as JavaScript would, after it has replaced what is wrong
			}
			encoded := AppendPacket3(nil, p)
			if again, err := DecodePacket3(encoded, p.Binary); err != nil || !equal(again, p) {
				t.Fatalf("%q becomes %+v, %v", encoded, again, err)
			}
			raw = AppendBinaryPayloadPacket3(raw, encoded, p.Binary)
			if p.Binary {
				encoded = AppendBase64Packet3(nil, p.Data)
			}
			text = AppendPayloadPacket3(text, encoded)
			if want := len(utf16.Encode([]rune(string(encoded)))); utf16Len(encoded) != want {
				t.Errorf("%q has %d units, want %d", encoded, utf16Len(encoded), want)
			}
		}
		if len(packets) == 0 {
			return
		}
		for name, again := range map[string][]Packet{"text": must3(t, text, false), "binary": must3(t, raw, true)} {
			if !equalAll(again, packets) {
				t.Errorf("%s: %+v, want %+v", name, again, packets)
			}
		}
	})
}

func must3(t *testing.T, payload []byte, binary bool) []Packet {
	t.Helper()
	packets, err := collect3(payload, binary)
	if err != nil {
		t.Fatalf("%q: %v", payload, err)
	}
	return packets
}

func collect3(payload []byte, binary bool) (packets []Packet, err error) {
	for p, err := range Packets3(payload, binary) {
		if err != nil {
			return packets, err
		}
		packets = append(packets, p)
	}
	return packets, nil
}
