package socketio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func packet(t PacketType, nsp, payload string) Packet {
	p := Packet{Type: t, Namespace: nsp}
	if payload != "" {
		p.Payload = []byte(payload)
	}
	return p
}

func withAck(p Packet, id uint64) Packet {
	p.HasAck, p.AckID = true, id
	return p
}

func withAttachments(p Packet, n int) Packet {
	p.Attachments = n
	return p
}

func withQuery(p Packet, query string) Packet {
	p.Query = query
	return p
}

func TestDecode(t *testing.T) {
	cases := []struct {
		text string
		want Packet
	}{
		{"0", packet(Connect, "/", "")},
		{`0{"token":"x"}`, packet(Connect, "/", `{"token":"x"}`)},
		{"0/chat", packet(Connect, "/chat", "")},
		{"0/chat,", packet(Connect, "/chat", "")},
		{"0/,", packet(Connect, "/", "")},
		{"0/", packet(Connect, "/", "")},
		{`0/chat,{"a":[1]}`, packet(Connect, "/chat", `{"a":[1]}`)},
		{"0/chat?x=1,{}", withQuery(packet(Connect, "/chat", "{}"), "x=1")},
		{"0/chat?x=1?y", withQuery(packet(Connect, "/chat", ""), "x=1?y")},
		{"0/?x=1,", withQuery(packet(Connect, "/", ""), "x=1")},
		{"0/chat?,", packet(Connect, "/chat", "")},
		{"0/été,", packet(Connect, "/été", "")},
		{"012{}", withAck(packet(Connect, "/", "{}"), 12)},
		{"1", packet(Disconnect, "/", "")},
		{"1/chat,", packet(Disconnect, "/chat", "")},
		{"2", packet(Event, "/", "")},
		{"2/chat,", packet(Event, "/chat", "")},
		{`2["a"]`, packet(Event, "/", `["a"]`)},
		{`2["a"] `, packet(Event, "/", `["a"] `)},
		{`2[ "a" ,1 ]`, packet(Event, "/", `[ "a" ,1 ]`)},
		{`2[1,"a"]`, packet(Event, "/", `[1,"a"]`)},
		{`2[-1.5e3]`, packet(Event, "/", `[-1.5e3]`)},
		{`2[""]`, packet(Event, "/", `[""]`)},
		{`2["Connect"]`, packet(Event, "/", `["Connect"]`)},
		{`2["connect "]`, packet(Event, "/", `["connect "]`)},
		{`2["connect\n"]`, packet(Event, "/", `["connect\n"]`)},
		{`2["a","connect"]`, packet(Event, "/", `["a","connect"]`)},
		{`2["__proto__",{"__proto__":1}]`, packet(Event, "/", `["__proto__",{"__proto__":1}]`)},
		{`20["a"]`, withAck(packet(Event, "/", `["a"]`), 0)},
		{`213`, withAck(packet(Event, "/", ""), 13)},
		{`2007["a"]`, withAck(packet(Event, "/", `["a"]`), 7)},
		{`2/chat,456["a",{"b":null}]`, withAck(packet(Event, "/chat", `["a",{"b":null}]`), 456)},
		{`29007199254740991["a"]`, withAck(packet(Event, "/", `["a"]`), 9007199254740991)},
		{"313[]", withAck(packet(Ack, "/", "[]"), 13)},
		{"3[null]", packet(Ack, "/", "[null]")},
		{`31["connect"]`, withAck(packet(Ack, "/", `["connect"]`), 1)},
		{"3", packet(Ack, "/", "")},
		{`4{"message":"no"}`, packet(ConnectError, "/", `{"message":"no"}`)},
		{`4/chat,"no"`, packet(ConnectError, "/chat", `"no"`)},
		{"4", packet(ConnectError, "/", "")},
		{`51-["a",{"_placeholder":true,"num":0}]`, withAttachments(packet(BinaryEvent, "/", `["a",{"_placeholder":true,"num":0}]`), 1)},
		{`510-/chat,7["a"]`, withAck(withAttachments(packet(BinaryEvent, "/chat", `["a"]`), 10), 7)},
		{`50-["a"]`, packet(BinaryEvent, "/", `["a"]`)},
		{`51-`, withAttachments(packet(BinaryEvent, "/", ""), 1)},
		{`5002-["a"]`, withAttachments(packet(BinaryEvent, "/", `["a"]`), 2)},
		{`61-/chat,7[]`, withAck(withAttachments(packet(BinaryAck, "/chat", `[]`), 1), 7)},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			got, err := Decode([]byte(c.text), nil)
			if err != nil || !equal(got, c.want) {
				t.Fatalf("got %+v, %v; want %+v", got, err, c.want)
			}
			if naive, ok := naiveDecode([]byte(c.text)); !ok || !equal(got, naive) {
				t.Fatalf("naive reference: %+v, %v", naive, ok)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	cases := []struct {
		text string
		want error
	}{
		{"", ErrPacketType}, {"7", ErrPacketType}, {" 2", ErrPacketType}, {"x", ErrPacketType}, {"-1", ErrPacketType},
		{"5", ErrAttachmentCount}, {"51", ErrAttachmentCount}, {"5a-", ErrAttachmentCount},
		{"51.23-", ErrAttachmentCount}, {"5-", ErrAttachmentCount}, {"5--1-", ErrAttachmentCount},
		{"5 1-", ErrAttachmentCount}, {"51e1-", ErrAttachmentCount}, {"50x1-", ErrAttachmentCount},
		{`5["a"]`, ErrAttachmentCount}, {`6/chat,1-[]`, ErrAttachmentCount},
		{`511-["a"]`, ErrTooManyAttachments}, {`6999999999999999999999-[]`, ErrTooManyAttachments},
		{"0/a\x00b,", ErrNamespace}, {"0/a\x1eb,", ErrNamespace}, {"0/a?\n,", ErrNamespace},
		{"0/\xff,", ErrNamespace}, {"0/a?\xff,", ErrNamespace},
		{"0/" + strings.Repeat("a", DefaultNamespaceLength) + ",", ErrNamespace},
		{"0/a?" + strings.Repeat("b", DefaultQueryLength+1) + ",", ErrNamespace},
		{"0/" + strings.Repeat("a", 1<<20), ErrNamespace},
		{`2 ["a"]`, ErrAckID}, {`21 ["a"]`, ErrAckID}, {"2\n", ErrAckID},
		{`212345678901234567["a"]`, ErrAckID}, {"2" + strings.Repeat("0", 17), ErrAckID},
		{"0[]", ErrPayload}, {`0"x"`, ErrPayload}, {"0null", ErrPayload}, {`0/admin,"invalid"`, ErrPayload},
		{"1{}", ErrPayload}, {"1/admin,{}", ErrPayload}, {"1x", ErrPayload},
		{"2[]", ErrPayload}, {"2{}", ErrPayload}, {`2"a"`, ErrPayload}, {"2/admin,{}", ErrPayload},
		{`2[{"toString":"foo"}]`, ErrPayload}, {`2[true,"foo"]`, ErrPayload}, {`2[null,"bar"]`, ErrPayload},
		{`2[["a"]]`, ErrPayload}, {"3{}", ErrPayload}, {"3null", ErrPayload}, {"4[]", ErrPayload},
		{"4true", ErrPayload}, {"chat", ErrPacketType}, {"0chat,", ErrPayload}, {`2-1["a"]`, ErrPayload},
		{"0{", ErrJSON}, {`0{}{}`, ErrJSON}, {"2[", ErrJSON}, {`442["some","data"`, ErrPayload},
		{`2["a"`, ErrJSON}, {`2["a",]`, ErrJSON}, {`2["a"],`, ErrJSON}, {`2["a" 1]`, ErrJSON}, {`2["a",01]`, ErrJSON},
		{`2["a]`, ErrJSON}, {`2["a\x"]`, ErrJSON}, {"2[\"a\n\"]", ErrJSON}, {`2["a",nul]`, ErrJSON},
		{`2[-]`, ErrJSON}, {`2[1.]`, ErrJSON}, {`2["a"]x`, ErrJSON}, {`2["a"}`, ErrJSON}, {`3[1:2]`, ErrJSON},
		{"2[\"a\xff\"]", ErrUTF8}, {"2[\"a\",\"\xed\xa0\x80\"]", ErrUTF8}, {"2[\"a\",\xff]", ErrJSON},
		{"3" + nested(DefaultDepth), nil}, {"3" + nested(DefaultDepth+1), ErrDepth},
		{"3" + strings.Repeat("[", 1<<20), ErrDepth},
		{`2["connect"]`, ErrReservedEvent}, {`2["disconnect","123"]`, ErrReservedEvent},
		{`2[ "\u0063onnect"]`, ErrReservedEvent}, {`2["connect\u005Ferror"]`, ErrReservedEvent},
		{`2["disconnecting"]`, ErrReservedEvent}, {`2["newListener"]`, ErrReservedEvent},
		{`2["removeListener"]`, ErrReservedEvent}, {`51-["connect"]`, ErrReservedEvent},
	}
	for _, c := range cases {
		t.Run(c.text[:min(len(c.text), 32)], func(t *testing.T) {
			p, err := Decode([]byte(c.text), nil)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %+v, %v; want %v", p, err, c.want)
			}
			if _, ok := naiveDecode([]byte(c.text)); ok != (err == nil) {
				t.Fatalf("naive reference disagrees with %v", err)
			}
		})
	}
}

func TestDecodeLimits(t *testing.T) {
	cases := []struct {
		name string
		lim  Limits
		text string
		want error
	}{
		{"attachments raised", Limits{Attachments: 12}, `512-["a"]`, nil},
		{"attachments raised, beyond", Limits{Attachments: 12}, `513-["a"]`, ErrTooManyAttachments},
		{"attachments none", Limits{Attachments: -1}, `51-["a"]`, ErrTooManyAttachments},
		{"attachments none, zero", Limits{Attachments: -1}, `50-["a"]`, nil},
		{"namespace at", Limits{NamespaceLength: 5}, "0/chat,", nil},
		{"namespace beyond", Limits{NamespaceLength: 5}, "0/chats,", ErrNamespace},
		{"query does not count", Limits{NamespaceLength: 5}, "0/chat?abcdefgh,", nil},
		{"query at", Limits{QueryLength: 3}, "0/chat?x=1,", nil},
		{"query beyond", Limits{QueryLength: 3}, "0/chat?x=12,", ErrNamespace},
		{"both at, no comma", Limits{NamespaceLength: 5, QueryLength: 3}, "0/chat?x=1", nil},
		{"query none", Limits{QueryLength: -1}, "0/chat?x,", ErrNamespace},
		{"depth at", Limits{Depth: 2}, `2["a",[]]`, nil},
		{"depth beyond", Limits{Depth: 2}, `2["a",[{}]]`, ErrDepth},
		{"depth is capped", Limits{Depth: 1 << 30}, "3" + strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1), ErrDepth},
		{"depth at the cap", Limits{Depth: 1 << 30}, "3" + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth), nil},
		{"ack id at", Limits{AckIDDigits: 2}, `299["a"]`, nil},
		{"ack id beyond", Limits{AckIDDigits: 2}, `2100["a"]`, ErrAckID},
		{"ack id at the cap", Limits{AckIDDigits: 99}, `29999999999999999999["a"]`, nil},
		{"ack id is capped", Limits{AckIDDigits: 99}, `210000000000000000000["a"]`, ErrAckID},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Decode([]byte(c.text), &c.lim); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestDecodeAliases(t *testing.T) {
	data := []byte(`2/chat,["a"]`)
	p, err := Decode(data, nil)
	if err != nil || &p.Payload[0] != &data[7] {
		t.Fatalf("payload does not alias the input (err %v)", err)
	}
	clear(data)
	if p.Namespace != "/chat" {
		t.Fatalf("namespace aliases the input: %q", p.Namespace)
	}
}

func TestDecodeAllocations(t *testing.T) {
	cases := []struct {
		text string
		want float64
	}{
		{`2["news",{"a":[1,2.5,"x\n",null,true]}]`, 0},
		{`2/,12["news"]`, 0},
		{`2["\u0063onnection","é"]`, 0},
		{`51-["a",{"_placeholder":true,"num":0}]`, 0},
		{`3` + strings.Repeat("[", 200) + strings.Repeat("]", 200), 0},
		{`2["connect"]`, 0},
		{`2["a"`, 0},
		{"", 0},
		{`2/chat,["news",{"a":1}]`, 1},
		{`0/chat?x=1,{}`, 2},
	}
	for _, c := range cases {
		data := []byte(c.text)
		lim := &Limits{Depth: 250}
		if n := testing.AllocsPerRun(100, func() { _, _ = Decode(data, lim) }); n != c.want {
			t.Errorf("%.40s: %v allocations, want %v", c.text, n, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`0/chat?token=1,{"a":"b"}`, `1/chat,`, `2/chat,12["é\u00e9\ud83d\ude00",{"a":[1,-2.5e+3,true,false,null]}]`,
		`313["connect"]`, `4{"message":"no","data":{}}`, `52-/chat,1["a",{"_placeholder":true,"num":1}]`,
		`61-7[{"num":0,"_placeholder":true}]`, `2[ "\u0063onnect" ]`, `450-["a"]`,
	} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decode(data, nil)
		want, ok := naiveDecode(data)
		if ok != (err == nil) {
			t.Fatalf("%q: got %+v, %v; naive %+v, %v", data, got, err, want, ok)
		}
		if err != nil {
			if !equal(got, Packet{}) {
				t.Fatalf("%q: error %v with packet %+v", data, err, got)
			}
			return
		}
		if !equal(got, want) {
			t.Fatalf("%q: got %+v, naive %+v", data, got, want)
		}
		again, err := Decode(AppendPacket(nil, got), nil)
		if err != nil || !equal(got, again) {
			t.Fatalf("%q: round trip gave %+v, %v", data, again, err)
		}
		if name, ok := EventName(got.Payload); ok && got.Type == Event && Reserved(name) {
			t.Fatalf("%q: reserved name %q accepted", data, name)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"event", `2["news",{"a":1}]`},
		{"namespace", `2/chat,12["news",{"a":1}]`},
		{"text-1k", `2["news","` + strings.Repeat("lorem ipsum ", 85) + `"]`},
		{"objects-4k", `2["news",[` + strings.Repeat(`{"id":12345,"name":"abc","ok":true},`, 110) + `0]]`},
	} {
		b.Run(c.name, func(b *testing.B) {
			data := []byte(c.text)
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, err := Decode(data, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Namespace == b.Namespace && a.Query == b.Query &&
		a.HasAck == b.HasAck && a.AckID == b.AckID && a.Attachments == b.Attachments &&
		(a.Payload == nil) == (b.Payload == nil) && bytes.Equal(a.Payload, b.Payload)
}
