package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

type inner struct {
	B []byte `json:"b"`
	T string `json:"t,omitempty"`
}

type named []byte

func arg(text string, attachments ...[]byte) Arg {
	return Arg{raw: []byte(text), attachments: attachments}
}

func TestEncode(t *testing.T) {
	a, b := []byte("aa"), []byte("b")
	p := func(n string) string { return `{"_placeholder":true,"num":` + n + `}` }
	cases := []struct {
		name string
		args []any
		want string
		with [][]byte
	}{
		{"none", nil, `["e"]`, nil},
		{"scalars", []any{nil, "é<\"\n", true, 1, int64(-2), 1.5, uint8(3)}, `["e",null,"é<\"\n",true,1,-2,1.5,3]`, nil},
		{"encoding/json's rules", []any{map[string]int{"b": 1, "a": 2}, []int(nil), struct{ X, y int }{1, 2}, named("x"), [2]byte{1, 2}},
			`["e",{"a":2,"b":1},null,{"X":1},"eA==",[1,2]]`, nil},
		{"raw", []any{json.RawMessage(`{"a": 1}`)}, `["e",{"a":1}]`, nil},
		{"bytes", []any{a, b, a}, `["e",` + p("0") + "," + p("1") + "," + p("0") + `]`, [][]byte{a, b}},
		{"no bytes", []any{[]byte(nil), []byte{}, inner{}}, `["e",null,` + p("0") + `,{"b":null}]`, [][]byte{{}}},
		{"bytes deep down", []any{map[string]any{"x": []any{a, inner{B: b, T: "t"}}}, &inner{B: a}},
			`["e",{"x":[` + p("0") + `,{"b":` + p("1") + `,"t":"t"}]},{"b":` + p("0") + `}]`, [][]byte{a, b}},
		{"arg", []any{arg(`{"a": [1.50]}`), Arg{}}, `["e",{"a": [1.50]},null]`, nil},
		{"args", []any{Args{arg(`1`), arg(`2`)}, Args{}, 3, Values{4, Args{arg(`5`)}}}, `["e",1,2,3,4,5]`, nil},
		{"binary arg", []any{b, arg(`{"x":`+p("1")+`,"y":[{"num":1 ,"_placeholder": true},`+p("0")+`]}`, []byte("0"), []byte("1"))},
			`["e",` + p("0") + `,{"x":` + p("1") + `,"y":[{"num":1 ,"_placeholder": true},` + p("2") + `]}]`, [][]byte{b, []byte("1"), []byte("0")}},
		{"binary arg deep down", []any{b, map[string]any{"v": arg(`[`+p("0")+`]`, a), "w": Args{arg(p("0"), b)}}},
			`["e",` + p("0") + `,{"v":[` + p("1") + `],"w":[` + p("0") + `]}]`, [][]byte{b, a}},
		{"equal bytes of several buffers", []any{a, bytes.Clone(a)}, `["e",` + p("0") + "," + p("1") + `]`, [][]byte{a, a}},
		{"arg without its neighbours' attachments", []any{arg(`"x"`, a, b)}, `["e","x"]`, nil},
		{"text like a placeholder, alone", []any{arg(p("7"))}, `["e",` + p("7") + `]`, nil},
	}
	var pool encoders
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second time with a used encoder
				e := pool.get()
				got, err := e.event("e", c.args)
				if err != nil || string(got.JSON) != c.want || !slices.EqualFunc(got.Attachments, c.with, bytes.Equal) {
					t.Fatalf("got %s, %q, %v\nwant %s", got.JSON, got.Attachments, err, c.want)
				}
				pool.put(e)
			}
		})
	}
}

// Stock clients close their connections over more than ten attachments.
func TestAttachmentLimit(t *testing.T) {
	pool := encoders{limit: 2}
	one := []byte("one")
	for _, c := range []struct {
		args []any
		want error
	}{
		{[]any{one, []byte("two"), one}, nil},
		{[]any{one, map[string]any{"a": []byte("two"), "b": [][]byte{[]byte("three")}}}, ErrAttachments},
		{[]any{arg(`[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1},{"_placeholder":true,"num":2}]`, []byte("a"), []byte("b"), []byte("c"))}, ErrAttachments},
	} {
		e := pool.get()
		if _, err := e.event("e", c.args); !errors.Is(err, c.want) {
			t.Errorf("event %v: %v", c.args, err)
		}
		pool.put(e)
		e = pool.get()
		if _, err := e.ack(c.args); !errors.Is(err, c.want) {
			t.Errorf("acknowledgement %v: %v", c.args, err)
		}
		pool.put(e)
	}
}

func TestEncodeErrors(t *testing.T) {
	fake := `{"_placeholder":true,"num":7}`
	cases := []struct {
		name string
		args []any
		want error
	}{
		{"text like a placeholder beside bytes", []any{[]byte("x"), arg(fake)}, ErrPlaceholder},
		{"a map like a placeholder beside bytes", []any{[]byte("x"), map[string]any{"_placeholder": true, "num": 7}}, ErrPlaceholder},
		{"beyond the attachments", []any{arg(fake, []byte("x"))}, ErrPlaceholder},
		{"no number", []any{arg(`{"_placeholder":true}`, []byte("x"))}, ErrPlaceholder},
		{"no integer", []any{arg(`{"_placeholder":true,"num":0.0}`, []byte("x"))}, ErrPlaceholder},
		{"broken text", []any{arg(`{"a":`, []byte("x"))}, nil},
		{"a channel", []any{make(chan int)}, nil},
	}
	var pool encoders
	for _, c := range cases {
		e := pool.get()
		var argument *ArgumentError
		if p, err := e.event("e", c.args); err == nil || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %s, %v", c.name, p.JSON, err)
		} else if c.want != nil && !errors.As(err, &argument) && !errors.Is(err, ErrPlaceholder) {
			t.Errorf("%s: %v", c.name, err)
		}
		pool.put(e)
	}
	e := pool.get()
	if _, err := e.event("connect", nil); !errors.Is(err, socketio.ErrReservedEvent) {
		t.Error(err)
	}
	pool.put(e)
	if p, err := pool.get().ack(nil); err != nil || string(p.JSON) != "[]" {
		t.Errorf("a used encoder: %s, %v", p.JSON, err)
	}
}

func TestDecode(t *testing.T) {
	with := [][]byte{[]byte("zero"), []byte("one")}
	one := `{"_placeholder":true,"num":1}`
	cases := []struct {
		text string
		into any
		want any
	}{
		{one, new([]byte), []byte("one")},
		{`null`, new([]byte), []byte(nil)},
		{`"YWJj"`, new([]byte), []byte("abc")},
		{one, new(any), []byte("one")},
		{`{"a":[` + one + `,1]}`, new(any), map[string]any{"a": []any{[]byte("one"), 1.0}}},
		{`{"a":` + one + `}`, new(map[string]any), map[string]any{"a": []byte("one")}},
		{`{"a":` + one + `}`, new(map[string][]byte), map[string][]byte{"a": []byte("one")}},
		{`[` + one + `,{"num":0,"_placeholder":true,"x":1}]`, new([][]byte), [][]byte{[]byte("one"), []byte("zero")}},
		{`{"B":` + one + `,"T":"x"}`, new(inner), inner{B: []byte("one"), T: "x"}},
		{`{"_placeholder":false,"num":1}`, new(any), map[string]any{"_placeholder": false, "num": 1.0}},
	}
	for _, c := range cases {
		if err := arg(c.text, with...).Decode(c.into); err != nil || !reflect.DeepEqual(reflect.ValueOf(c.into).Elem().Interface(), c.want) {
			t.Errorf("%s: %#v, %v", c.text, reflect.ValueOf(c.into).Elem(), err)
		}
	}
	for _, text := range []string{
		`{"_placeholder":true,"num":2}`, `{"_placeholder":true,"num":-1}`, `{"_placeholder":true,"num":0.5}`,
		`{"_placeholder":true,"num":1e300}`, `{"_placeholder":true}`, `{"_placeholder":true,"num":"0"}`, `[`, `{"a":}`,
	} {
		for _, into := range []any{new([]byte), new(any), new(map[string]any), new(inner)} {
			if _, ok := into.(*inner); ok && strings.HasPrefix(text, `{"_`) {
				continue // an object of keys that it does not have
			}
			if _, ok := into.(*map[string]any); ok && strings.HasPrefix(text, `{"_`) {
				continue // the placeholder is the map itself here, and taken as one
			}
			if err := arg(text, with...).Decode(into); err == nil {
				t.Errorf("%s into %T: %v", text, into, reflect.ValueOf(into).Elem())
			}
		}
	}
	var kept struct{ V Arg }
	if err := arg(`{"V":[`+one+`]}`, with...).Decode(&kept); err != nil || len(kept.V.attachments) != 2 || string(kept.V.raw) != `[`+one+`]` {
		t.Errorf("%+v, %v", kept, err)
	}
	// Without attachments a placeholder is an object like any other.
	var v any
	if err := arg(one).Decode(&v); err != nil || v.(map[string]any)["num"] != 1.0 {
		t.Errorf("%v, %v", v, err)
	}
}

func TestArgs(t *testing.T) {
	args, err := appendArgs(nil, backplane.Payload{JSON: []byte(` ["e" , 1,{"a":"]\\\""},[[],","] ] `)})
	var name string
	var n int
	if err != nil || len(args) != 4 || args.Decode(&name, &n) != nil || name != "e" || n != 1 || string(args[3].JSON()) != `[[],","]` {
		t.Errorf("%q, %v", args, err)
	}
	var argument *ArgumentError
	if err := args.Decode(&n); !errors.As(err, &argument) || argument.Index != 0 {
		t.Error(err)
	}
	if err := args[:1].Decode(&name, &n); !errors.As(err, &argument) || argument.Index != 1 || !errors.Is(err, ErrMissing) {
		t.Error(err)
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{`["a",1,{"b":[1,"]"]},"\"\\"]`, ` [ ] `, `[[[]]]`, `[{"a":{}}]`, `["\\\\\""]`} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got [][]byte
		err := split(data, func(e []byte) { got = append(got, e) })
		var want []json.RawMessage
		if !json.Valid(data) || json.Unmarshal(data, &want) != nil || bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
			return // it may say anything, but not panic
		}
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %q, %v; want %q", data, got, err, want)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("%s: element %d is %q, want %q", data, i, got[i], want[i])
			}
		}
	})
}

// FuzzReemit: what came in goes out again, after an attachment of the server's own, and reads the same.
func FuzzReemit(f *testing.F) {
	f.Add([]byte(`["e",{"_placeholder":true,"num":0},{"x":[{"num":1,"_placeholder":true}]}]`), []byte("a"), []byte("b"))
	f.Add([]byte(`["e",{"_placeholder":true,"num":1,"num":0},{"_placeholder":{"_placeholder":true,"num":1}}]`), []byte(""), []byte("b"))
	f.Add([]byte(`["e","\ud800",1e999,{"\u005fplaceholder":true,"num":0}]`), []byte("a"), []byte("b"))
	f.Fuzz(func(t *testing.T, payload, a, b []byte) {
		// What a gateway lets through.
		if socketio.ValidEvent(payload, nil) != nil || socketio.CheckPlaceholders(payload, 2) != nil {
			return
		}
		args, err := appendArgs(nil, backplane.Payload{JSON: payload, Attachments: [][]byte{a, b}})
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		var pool encoders
		p, err := pool.get().event("again", []any{[]byte("own"), args[1:]})
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		if err := socketio.ValidEvent(p.JSON, nil); err != nil {
			t.Fatalf("%s became %s: %v", payload, p.JSON, err)
		}
		again, err := appendArgs(nil, p)
		if err != nil || len(again) != len(args)+1 {
			t.Fatalf("%s became %s: %v", payload, p.JSON, err)
		}
		for i := range args[1:] {
			var before, after any
			errBefore, errAfter := args[i+1].Decode(&before), again[i+2].Decode(&after)
			if (errBefore == nil) != (errAfter == nil) || !reflect.DeepEqual(before, after) {
				t.Fatalf("%s became %s: %v (%v) became %v (%v)", payload, p.JSON, before, errBefore, after, errAfter)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	type chat struct {
		From string `json:"from"`
		Text string `json:"text"`
		At   int64  `json:"at"`
	}
	for _, c := range []struct {
		name string
		args []any
	}{
		{"string", []any{"hello, world"}},
		{"struct", []any{chat{"Ada", "hello, world", 1700000000000}}},
		{"map", []any{map[string]any{"from": "Ada", "text": "hello, world"}}},
		{"raw", []any{arg(`{"from":"Ada","text":"hello, world"}`)}},
		{"bytes", []any{[]byte("hello, world")}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var pool encoders
			b.ReportAllocs()
			for b.Loop() {
				e := pool.get()
				if _, err := e.event("chatMessage", c.args); err != nil {
					b.Fatal(err)
				}
				pool.put(e)
			}
		})
	}
}

func TestEncodeAllocations(t *testing.T) {
	var pool encoders
	e := pool.get() // a pool under the race detector forgets at random
	args := []any{"hello, world", 17, true}
	n := testing.AllocsPerRun(100, func() {
		e.buf = e.buf[:0]
		if _, err := e.event("chatMessage", args); err != nil {
			t.Error(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations", n)
	}
}
