package msgpack

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"patchbay/protocol/socketio"
)

const most = 1 << 20

func raw(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// What notepack.io 2.2 makes of packets of the stock client.
var stock = []struct {
	name, hex   string
	text        string // of the packet in JSON
	attachments []string
}{
	{"connect", "83a47479706500a36e7370a12fa46461746181a5746f6b656ea178", `0{"token":"x"}`, nil},
	{"connect without data", "83a47479706500a464617461d40000a36e7370a62f6e3f613d62", `0/n?a=b,`, nil},
	{"disconnect", "82a47479706501a36e7370a12f", `1`, nil},
	{"ack", "84a47479706503a46461746190a2696400a36e7370a12f", `30[]`, nil},
	{"integers", "84a47479706502a464617461dc0015a16501ff7fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000e0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffffcf001fffffffffffffd3ffe0000000000001a76f7074696f6e7381a8636f6d7072657373c3a36e7370a12f",
		`2["e",1,-1,127,128,255,256,65535,65536,4294967295,4294967296,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649,9007199254740991,-9007199254740991]`, nil},
	{"floats", "84a47479706502a46461746198a166cb3ff8000000000000cbbfb999999999999acb3e7ad7f29abcaf48cb419d6f3454800000cb0000000000000001cb7ff8000000000000cb7ff0000000000000a2696407a36e7370a12f",
		`27["f",1.5,-0.1,1e-7,123456789.125,5e-324,null,null]`, nil},
	{"text, nothing, dates", "83a47479706502a4646174619ba173a9c3a9f09f988001225cc0d40000c3c281a16181a16290d7000000011f71fb04cbd700ffffffffffffffffd7000000e677d21fdc00d700ffffc76e394a73ffa36e7370a22f78",
		`2/x,["s","é😀\u0001\"\\",null,null,true,false,{"a":{"b":[]}},"2009-02-13T23:31:30.123Z","1969-12-31T23:59:59.999Z","+010000-01-01T00:00:00.000Z","-000002-12-31T23:59:59.999Z"]`, nil},
	{"binary", "83a47479706502a46461746195a162c402010281a17891c400c7010000c702000000a36e7370a12f",
		`54-["b",{"_placeholder":true,"num":0},{"x":[{"_placeholder":true,"num":1}]},{"_placeholder":true,"num":2},{"_placeholder":true,"num":3}]`, []string{"\x01\x02", "", "\x00", "\x00\x00"}},
}

func TestDecodeStock(t *testing.T) {
	for _, c := range stock {
		data := raw(t, c.hex)
		p, attachments, err := Decode(data, nil, most)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := string(socketio.AppendPacket(nil, p)); got != c.text {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.text)
		}
		for i, want := range c.attachments {
			if len(attachments) != len(c.attachments) || string(attachments[i]) != want {
				t.Errorf("%s: attachments %q", c.name, attachments)
			}
		}
		for n := range data {
			if _, _, err := Decode(data[:n], nil, most); err == nil {
				t.Errorf("%s, cut at %d, is a packet", c.name, n)
			}
		}
		if _, _, err := Decode(append(data, 0xc0), nil, most); !errors.Is(err, ErrFormat) {
			t.Errorf("%s, with a byte more: %v", c.name, err)
		}
	}
}

// packed is a packet of an event whose data is an array of a name and what is given in hexadecimal.
func packed(t testing.TB, value string) []byte {
	return append(raw(t, "83 a474797065 02 a36e7370 a12f a464617461 92 a165"), raw(t, value)...)
}

func TestDecodeValues(t *testing.T) {
	for value, want := range map[string]string{
		"c0":                         "null",
		"cf ffffffffffffffff":        "18446744073709551615",
		"d3 8000000000000000":        "-9223372036854775808",
		"ca 3dcccccd":                "0.10000000149011612", // the nearest float32
		"cb 8000000000000000":        "0",                   // as JSON.stringify has it
		"cb 444b1ae4d6e2ef50":        "1e+21",
		"cb 43e0000000000000":        "9223372036854776000",
		"cb fff0000000000000":        "null",
		"c7 03 05 010203":            `[5,{"_placeholder":true,"num":0}]`,
		"d4 ff 01":                   `[-1,{"_placeholder":true,"num":0}]`,
		"d5 00 0102":                 `[0,{"_placeholder":true,"num":0}]`,
		"d6 ff 00000000":             `[-1,{"_placeholder":true,"num":0}]`, // MessagePack's own timestamp: notepack.io knows it not
		"d7 00 7fffffffffffffff":     "null",
		"d7 00 001eb208c2dc0000":     `"+275760-09-13T00:00:00.000Z"`,
		"d7 00 001eb208c2dc0001":     "null",
		"82 a161 01 a161 02":         `{"a":1,"a":2}`,
		"81 a0 80":                   `{"":{}}`,
		"dd 00000001 90":             `[[]]`,
		"df 00000001 db 00000000 c3": `{"":true}`,
	} {
		p, _, err := Decode(packed(t, value), nil, most)
		if got, want := string(p.Payload), `["e",`+want+`]`; err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", value, got, err, want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	deep := strings.Repeat("91", socketio.DefaultDepth) + "c0"
	for _, c := range []struct {
		name, hex string
		want      error
	}{
		{"nothing", "", ErrFormat},
		{"no map", "c0", ErrPacket},
		{"text", "a3666f6f", ErrPacket},
		{"a key that is a number", "81 01 02", ErrPacket},
		{"no type", "81 a36e7370 a12f", ErrPacket},
		{"type 5", "82 a474797065 05 a36e7370 a12f", ErrPacket},
		{"type -1", "82 a474797065 ff a36e7370 a12f", ErrPacket},
		{"type as a float", "82 a474797065 cb0000000000000000 a36e7370 a12f", ErrPacket},
		{"no namespace", "81 a474797065 00", ErrPacket},
		{"namespace as a number", "82 a474797065 00 a36e7370 01", ErrPacket},
		{"namespace without slash", "82 a474797065 00 a36e7370 a178", socketio.ErrNamespace},
		{"namespace with a comma", "82 a474797065 00 a36e7370 a32f612c", socketio.ErrNamespace},
		{"namespace, empty", "82 a474797065 00 a36e7370 a0", socketio.ErrNamespace},
		{"id as text", "83 a474797065 03 a36e7370 a12f a26964 a131", ErrPacket},
		{"id below zero", "83 a474797065 03 a36e7370 a12f a26964 ff", ErrPacket},
		{"id beyond 2^53", "83 a474797065 03 a36e7370 a12f a26964 cf0020000000000001", ErrPacket},
		{"more fields than bytes", "df ffffffff", ErrFormat},
		{"never used", "83 a474797065 02 a36e7370 a12f a464617461 c1", ErrFormat},
		{"event that is no array", "83 a474797065 02 a36e7370 a12f a464617461 80", socketio.ErrPayload},
		{"event without name", "83 a474797065 02 a36e7370 a12f a464617461 91c0", socketio.ErrPayload},
		{"reserved event", "83 a474797065 02 a36e7370 a12f a464617461 91 a7636f6e6e656374", socketio.ErrReservedEvent},
		{"disconnect with data", "83 a474797065 01 a36e7370 a12f a464617461 90", socketio.ErrPayload},
		{"binary in connect", "83 a474797065 00 a36e7370 a12f a464617461 81 a161 c400", socketio.ErrPayload},
		{"array longer than the data", "83 a474797065 02 a36e7370 a12f a464617461 dd ffffffff a165", ErrFormat},
	} {
		if p, _, err := Decode(raw(t, c.hex), nil, most); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v; want %v", c.name, p, err, c.want)
		}
	}
	for _, c := range []struct {
		name, value string
		lim         *socketio.Limits
		most        int
		want        error
	}{
		{"text that is not UTF-8", "a1ff", nil, most, socketio.ErrUTF8},
		{"key that is a number", "81 01 02", nil, most, ErrKey},
		{"key that is nil", "81 c0 02", nil, most, ErrKey},
		{"too deep", deep, nil, most, socketio.ErrDepth},
		{"far too deep", strings.Repeat("91", 100_000) + "c0", nil, most, socketio.ErrDepth},
		{"too deep, maps", strings.Repeat("81a0", 100_000) + "c0", nil, most, socketio.ErrDepth},
		{"too many attachments", "9b" + strings.Repeat("c400", 11), nil, most, socketio.ErrTooManyAttachments},
		{"no attachments", "c400", &socketio.Limits{Attachments: -1}, most, socketio.ErrTooManyAttachments},
		{"a placeholder for none", "92 c400 82 ac5f706c616365686f6c646572 c3 a36e756d 01", nil, most, socketio.ErrPlaceholder},
		{"grown by escapes", "d9 64" + strings.Repeat("01", 100), nil, 500, ErrTooLarge},
		{"grown by literals", "dc 0064" + strings.Repeat("c2", 100), nil, 500, ErrTooLarge},
		{"grown by placeholders", "dc 8000" + strings.Repeat("c400", 0x8000), nil, 100_000, ErrTooLarge},
	} {
		if p, _, err := Decode(packed(t, c.value), c.lim, c.most); !errors.Is(err, c.want) {
			t.Errorf("%s: %.40s, %v; want %v", c.name, p.Payload, err, c.want)
		}
	}
	if _, _, err := Decode(packed(t, strings.Repeat("91", socketio.DefaultDepth-1)+"c0"), nil, most); err != nil {
		t.Errorf("as deep as allowed: %v", err)
	}
}

// What is a packet is one in JSON too, by all the rules of JSON's; whatever part of it is cut off, it is none; and it is
// the same when it has come back.
func FuzzDecode(f *testing.F) {
	for _, c := range stock {
		f.Add(raw(f, c.hex))
	}
	for _, value := range []string{"d7007fffffffffffffff", "c70305010203", "82a16101a16102", "92c40082ac5f706c616365686f6c646572c3a36e756d00", "a1ff", "8101c0", "cbfff0000000000000"} {
		f.Add(packed(f, value))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 16
		p, attachments, err := Decode(data, nil, most)
		if err != nil {
			return
		}
		text := socketio.AppendPacket(nil, p)
		again, err := socketio.Decode(text, nil)
		if err != nil || again.Type != p.Type || again.Namespace != p.Namespace || again.AckID != p.AckID || !bytes.Equal(again.Payload, p.Payload) {
			t.Fatalf("%s: %+v, %v", text, again, err)
		}
		if len(p.Payload) > most || len(attachments) != p.Attachments {
			t.Errorf("%d bytes, %d of %d attachments", len(p.Payload), len(attachments), p.Attachments)
		}
		if len(data) < 200 {
			for n := range data {
				if _, _, err := Decode(data[:n], nil, most); err == nil {
					t.Errorf("%x, cut at %d, is a packet", data, n)
				}
			}
		}
		if !bytes.Contains(data, []byte("_placeholder")) {
			compare(t, data, p, attachments)
		}
		packed, err := AppendPacket(nil, p, attachments)
		if err != nil {
			t.Fatal(err)
		}
		back, others, err := Decode(packed, nil, most)
		if bytes.Contains(data, []byte("_placeholder")) { // one that was in the data stands for an attachment now
			return
		}
		if err != nil || !bytes.Equal(back.Payload, p.Payload) || back.Type != p.Type || back.Namespace != p.Namespace || back.AckID != p.AckID {
			t.Fatalf("%x\n%s\n%s\n%v", packed, p.Payload, back.Payload, err)
		}
		for i := range others {
			if !bytes.Equal(others[i], attachments[i]) {
				t.Errorf("attachment %d", i)
			}
		}
	})
}

// compare compares a packet with what the naive reader makes of it.
func compare(t *testing.T, data []byte, p socketio.Packet, attachments [][]byte) {
	t.Helper()
	want, ok := naiveRead(bytes.NewReader(data)).(map[string]any)
	if !ok {
		t.Fatalf("%x is no map", data)
	}
	if len(p.Payload) == 0 {
		if want["data"] != nil {
			t.Errorf("%v, want no data", want["data"])
		}
		return
	}
	got, ok := naiveValue(p.Payload, attachments)
	if !ok || !same(got, want["data"]) {
		t.Errorf("%x:\n got %v\nwant %v", data, got, want["data"])
	}
}
