package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReserved(t *testing.T) {
	for _, name := range []string{"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"} {
		if !Reserved(name) {
			t.Errorf("%s is not reserved", name)
		}
	}
	for _, name := range []string{"", "Connect", "connection", "message", "error", "removeListeners"} {
		if Reserved(name) {
			t.Errorf("%s is reserved", name)
		}
	}
}

func TestEventName(t *testing.T) {
	cases := []struct {
		payload string
		name    string
		ok      bool
	}{
		{`["news",1]`, "news", true},
		{`[ "news" ]`, "news", true},
		{`[""]`, "", true},
		{`["é\u00e9\n\ud83d\ude00\ud800"]`, "éé\n😀\ufffd", true},
		{`[1,"a"]`, "", false}, {`[]`, "", false}, {`{"a":1}`, "", false}, {`"a"`, "", false}, {``, "", false},
		{`["a`, "", false}, {`[`, "", false}, {`["a\x"]`, "", false},
	}
	for _, c := range cases {
		if name, ok := EventName([]byte(c.payload)); name != c.name || ok != c.ok {
			t.Errorf("%s: got %q, %v; want %q, %v", c.payload, name, ok, c.name, c.ok)
		}
	}
}

func TestValidEvent(t *testing.T) {
	cases := []struct {
		payload string
		want    error
	}{
		{`["news"]`, nil}, {`["news",{"a":[1,2]}]`, nil}, {"[\"news\"]\n", nil}, {`[ "news" ]`, nil},
		{``, ErrPayload}, {`[]`, ErrPayload}, {`[1]`, ErrPayload}, {`[null]`, ErrPayload}, {`{}`, ErrPayload}, {` ["news"]`, ErrPayload},
		{`["news"`, ErrJSON}, {`[`, ErrJSON}, {`["news",]`, ErrJSON}, {`["news"]["news"]`, ErrJSON},
		{"[\"news\xff\"]", ErrUTF8}, {`["news",[[]]]`, ErrDepth},
		{`["connect"]`, ErrReservedEvent}, {`["\u006eewListener"]`, ErrReservedEvent},
	}
	for _, c := range cases {
		if err := ValidEvent([]byte(c.payload), &Limits{Depth: 2 + strings.Count(c.payload, "{")}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.payload, err, c.want)
		}
	}
}

func TestValidArray(t *testing.T) {
	cases := []struct {
		payload string
		want    error
	}{
		{`[]`, nil}, {`[null,"connect"]`, nil}, {"[1] ", nil},
		{``, ErrPayload}, {`{}`, ErrPayload}, {` []`, ErrPayload},
		{`[`, ErrJSON}, {`[]x`, ErrJSON}, {"[\"\xff\"]", ErrUTF8},
		{strings.Repeat("[", DefaultDepth+1), ErrDepth},
	}
	for _, c := range cases {
		if err := ValidArray([]byte(c.payload), nil); !errors.Is(err, c.want) {
			t.Errorf("%.20s: got %v, want %v", c.payload, err, c.want)
		}
	}
}

func TestAppendArgument(t *testing.T) {
	cases := []struct{ payload, want string }{
		{`["a"]`, `["a","x"]`}, {`["a",[]]`, `["a",[],"x"]`}, {"[\"a\" ]\n", `["a" ,"x"]`},
		{`[]`, `["x"]`}, {`[ ]`, `[ "x"]`}, {`{}`, `{}`}, {``, ``}, {`[`, `[`},
	}
	for _, c := range cases {
		got := string(AppendArgument([]byte("2"), []byte(c.payload), []byte(`"x"`)))
		if got != "2"+c.want {
			t.Errorf("%q: got %q, want %q", c.payload, got, "2"+c.want)
		}
	}
}

func TestEventAllocations(t *testing.T) {
	payload := []byte(`["news",{"a":[1,2,"\u00e9é"]},"` + strings.Repeat("text ", 100) + `"]`)
	array := []byte(`[1,{"a":[]}]`)
	if n := testing.AllocsPerRun(100, func() {
		if ValidEvent(payload, nil) != nil || ValidArray(array, nil) != nil {
			t.Fatal("refused")
		}
	}); n != 0 {
		t.Fatalf("%v allocations, want 0", n)
	}
}

func FuzzEventName(f *testing.F) {
	for _, s := range []string{`["news",1]`, `[ "\u0063onnect" ]`, `["é\ud83d\ude00\ud800"]`, `[1]`} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]))
		}
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		err := ValidEvent(payload, nil)
		name, ok := EventName(payload)
		if err == nil && !ok {
			t.Fatalf("%q: valid event without a name", payload)
		}
		var array []any
		if json.Unmarshal(payload, &array) != nil || !utf8.Valid(payload) || payload[0] != '[' {
			return
		}
		want, isString := "", false
		if len(array) > 0 {
			want, isString = array[0].(string)
		}
		if name != want || ok != isString {
			t.Fatalf("%q: got %q, %v; want %q, %v", payload, name, ok, want, isString)
		}
		valid := ok && !Reserved(name) && naiveJSON(payload, DefaultDepth) == nil
		if valid != (err == nil) {
			t.Fatalf("%q: got %v, naive %v", payload, err, valid)
		}
		if longer := AppendArgument(nil, payload, []byte(`"x"`)); !json.Valid(longer) {
			t.Fatalf("%q: not JSON with an argument more: %q", payload, longer)
		}
	})
}

func BenchmarkValidEvent(b *testing.B) {
	payload := []byte(`["news",{"id":12345,"text":"lorem ipsum dolor sit amet","tags":["a","b"]}]`)
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		if err := ValidEvent(payload, nil); err != nil {
			b.Fatal(err)
		}
	}
}
