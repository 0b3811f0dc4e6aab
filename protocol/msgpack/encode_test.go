package msgpack

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"patchbay/protocol/socketio"
)

func TestAppendPacket(t *testing.T) {
	for _, c := range []struct {
		name        string
		packet      socketio.Packet
		attachments []string
		want        string
	}{
		{"connect", socketio.Packet{Type: socketio.Connect, Payload: []byte(`{"sid":"x"}`)}, nil,
			"83 a474797065 00 a36e7370 a12f a464617461 81 a3736964 a178"},
		{"disconnect", socketio.Packet{Type: socketio.Disconnect, Namespace: "/n"}, nil, "82 a474797065 01 a36e7370 a22f6e"},
		{"ack", socketio.Packet{Type: socketio.Ack, HasAck: true, AckID: 300, Payload: []byte(`[]`)}, nil,
			"84 a474797065 03 a36e7370 a12f a26964 cd012c a464617461 90"},
		{"binary event", socketio.Packet{Type: socketio.BinaryEvent, Payload: []byte(`["e", { "num":1, "_placeholder" : true } ,{"_placeholder":true,"num":0}]`)}, []string{"", "\x01"},
			"83 a474797065 02 a36e7370 a12f a464617461 93 a165 c40101 c400"},
		{"placeholders in an event without attachments", socketio.Packet{Type: socketio.Event, Payload: []byte(`[{"_placeholder":true,"num":0}]`)}, []string{"x"},
			"83 a474797065 02 a36e7370 a12f a464617461 91 82 ac5f706c616365686f6c646572 c3 a36e756d 00"},
		{"no placeholders", socketio.Packet{Type: socketio.BinaryAck, Payload: []byte(`[{"_placeholder":false,"num":0},{"_placeholder":true},{"_placeholder":true,"num":9},{"num":0,"x":1}]`)}, []string{"x"},
			"83 a474797065 03 a36e7370 a12f a464617461 94 82 ac5f706c616365686f6c646572 c2 a36e756d 00 81 ac5f706c616365686f6c646572 c3 82 ac5f706c616365686f6c646572 c3 a36e756d 09 82 a36e756d 00 a178 01"},
	} {
		var attachments [][]byte
		for _, a := range c.attachments {
			attachments = append(attachments, []byte(a))
		}
		got, err := AppendPacket([]byte{0xff}, c.packet, attachments)
		if want := append([]byte{0xff}, raw(t, c.want)...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n got %x\nwant %x", c.name, err, got, want)
		}
	}
}

func TestAppendValues(t *testing.T) {
	for text, want := range map[string]string{
		`0`: "00", `127`: "7f", `128`: "cc80", `255`: "ccff", `256`: "cd0100", `65535`: "cdffff", `65536`: "ce00010000", `4294967295`: "ceffffffff", `4294967296`: "cf0000000100000000",
		`18446744073709551615`: "cfffffffffffffffff", `18446744073709551616`: "cb43f0000000000000",
		`-1`: "ff", `-32`: "e0", `-33`: "d0df", `-128`: "d080", `-129`: "d1ff7f", `-32768`: "d18000", `-32769`: "d2ffff7fff", `-2147483648`: "d280000000", `-2147483649`: "d3ffffffff7fffffff",
		`-9223372036854775808`: "d38000000000000000", `-9223372036854775809`: "cbc3e0000000000000",
		`1.5`: "cb3ff8000000000000", `-0`: "cb8000000000000000", `-0.0`: "cb8000000000000000", `1.0`: "01", `1e3`: "cd03e8", `-2E1`: "ec", `1e400`: "cb7ff0000000000000", `1e-400`: "00",
		`null`: "c0", `true`: "c3", `false`: "c2", `[ ]`: "90", `{ }`: "80", ` [ 1 , 2 ] `: "920102", `{"a" : {"b":[{}]}}`: "81a16181a1629180",
		`""`: "a0", `"\"\\\/\b\f\n\r\té"`: "aa225c2f080c0a0d09c3a9", `"\u00e9\ud83d\ude00\ud83d\ud83d\ude00\udc00x"`: "b1 c3a9 f09f9880 efbfbd f09f9880 efbfbd 78",
		`"` + strings.Repeat("x", 32) + `"`:   "d920" + strings.Repeat("78", 32),
		`"` + strings.Repeat("x", 256) + `"`:  "da0100" + strings.Repeat("78", 256),
		`[` + strings.Repeat("0,", 15) + `0]`: "dc0010" + strings.Repeat("00", 16),
	} {
		got, err := AppendPacket(nil, socketio.Packet{Type: socketio.Ack, Payload: []byte(text)}, nil)
		if want := append(raw(t, "83 a474797065 03 a36e7370 a12f a464617461"), raw(t, want)...); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%.40s: %v\n got %.200x\nwant %.200x", text, err, got, want)
		}
	}
	for _, n := range []int{1 << 16, 1<<16 + 20} {
		text := `["` + strings.Repeat("x", n) + `",{"_placeholder":true,"num":0},[` + strings.Repeat("1,", n-1) + `1]]`
		p := socketio.Packet{Type: socketio.BinaryAck, Namespace: socketio.Root, Attachments: 1, Payload: []byte(text)}
		packed, err := AppendPacket(nil, p, [][]byte{make([]byte, n)})
		if err != nil {
			t.Fatal(err)
		}
		again, attachments, err := Decode(packed, nil, 1<<20)
		if err != nil || string(again.Payload) != text || len(attachments[0]) != n {
			t.Errorf("%d: %v", n, err)
		}
	}
}

// One large attachment, asked for again and again, must not fill the memory; asked for a few times it may be.
func TestAppendPacketIsBounded(t *testing.T) {
	attachment := make([]byte, 1<<20)
	holder := `{"_placeholder":true,"num":0}`
	p := socketio.Packet{Type: socketio.BinaryEvent, Payload: []byte(`["e"` + strings.Repeat(","+holder, 3) + `]`)}
	if packed, err := AppendPacket(nil, p, [][]byte{attachment}); err != nil || len(packed) < 3<<20 {
		t.Errorf("%d bytes, %v", len(packed), err)
	}
	p.Payload = []byte(`["e"` + strings.Repeat(","+holder, 10_000) + `]`)
	if packed, err := AppendPacket([]byte("x"), p, [][]byte{attachment}); !errors.Is(err, ErrTooLarge) || string(packed) != "x" {
		t.Errorf("%d bytes, %v", len(packed), err)
	}
}

// Valid JSON is the same in MessagePack; anything else is an error or nonsense, but no panic.
func FuzzAppendPacket(f *testing.F) {
	for _, seed := range []string{
		`[]`, `["e",1,-2.5e3,"é\ud83d\ude00\\\"",{"a":[{},null,true]},{"_placeholder":true,"num":0}]`, `[{"num":1,"_placeholder":true},{"_placeholder":true,"num":2}]`,
		`{"a":"]}[{,:"}`, `["\\\\\"]",[ 1 , 2 ]]`, `[1"["]`, `[[[`, `"`, `"\u`, `{"a"`, `{"a":`, `[1,`, `[{"_placeholder":tru`, `{"_placeholder":true,"num":`, `[}`, `]`,
	} {
		for n := range len(seed) + 1 {
			f.Add([]byte(seed[:n]))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		attachments := [][]byte{{1, 2}, {}}
		p := socketio.Packet{Type: socketio.BinaryAck, Namespace: socketio.Root, Attachments: len(attachments), Payload: text}
		packed, err := AppendPacket(nil, p, attachments)
		if socketio.ValidArray(text, nil) != nil {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want, ok := naiveValue(text, attachments)
		if !ok {
			return
		}
		r := bytes.NewReader(packed)
		got, ok := naiveRead(r).(map[string]any)
		if !ok || r.Len() > 0 || !same(want, got["data"]) {
			t.Errorf("%s:\n got %v\nwant %v", text, got["data"], want)
		}
	})
}

// A random walk over the values that clients send, both ways.
func TestRandomValues(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var value func(depth int) string
	value = func(depth int) string {
		kinds := 7
		if depth > 4 {
			kinds = 5
		}
		switch random.IntN(kinds) {
		case 0:
			return []string{"null", "true", "false", "-1", "70000", "1.25", "-123456789012", "1e-9"}[random.IntN(8)]
		case 1, 2:
			return `"` + strings.Repeat([]string{"x", "é", "😀", `\n`, `\u0001`}[random.IntN(5)], random.IntN(70)) + `"`
		case 3, 4:
			return []string{`{"_placeholder":true,"num":0}`, `{"_placeholder":true,"num":1}`}[random.IntN(2)]
		case 5:
			var all []string
			for range random.IntN(20) {
				all = append(all, value(depth+1))
			}
			return "[" + strings.Join(all, ",") + "]"
		default:
			var all []string
			for i := range random.IntN(20) {
				all = append(all, `"`+strings.Repeat("k", i)+`":`+value(depth+1))
			}
			return "{" + strings.Join(all, ",") + "}"
		}
	}
	for range 300 {
		text := "[" + value(0) + "," + value(0) + "]"
		attachments := [][]byte{{0xca}, bytes.Repeat([]byte{7}, 300)}
		p := socketio.Packet{Type: socketio.BinaryAck, Attachments: 2, Payload: []byte(text)}
		packed, err := AppendPacket(nil, p, attachments)
		if errors.Is(err, ErrTooLarge) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want, _ := naiveValue([]byte(text), attachments)
		got := naiveRead(bytes.NewReader(packed)).(map[string]any)["data"]
		if !same(want, got) {
			t.Fatalf("%s\n%s", text, hex.EncodeToString(packed))
		}
		many := socketio.Limits{Attachments: 1 << 20}
		back, others, err := Decode(packed, &many, 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := naiveValue(back.Payload, others); !same(want, got) {
			t.Fatalf("%s\n%s", text, back.Payload)
		}
	}
}

var news = []byte(`["news",{"a":1,"b":"some text of a common length"}]`)

func BenchmarkAppendPacket(b *testing.B) {
	p := socketio.Packet{Type: socketio.Event, Namespace: socketio.Root, Payload: news}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = AppendPacket(dst[:0], p, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	packed, err := AppendPacket(nil, socketio.Packet{Type: socketio.Event, Namespace: socketio.Root, Payload: news}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode(packed, nil, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
}
