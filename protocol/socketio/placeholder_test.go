package socketio

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestCheckPlaceholders(t *testing.T) {
	cases := []struct {
		name        string
		payload     string
		attachments int
		want        error
	}{
		{"no payload", ``, 1, nil},
		{"none", `["a",{"num":7}]`, 0, nil},
		{"one", `["a",{"_placeholder":true,"num":0}]`, 1, nil},
		{"spaced", ` [ "a" , { "_placeholder" : true , "num" : 0 } ] `, 1, nil},
		{"keys reordered", `["a",{"num":1,"_placeholder":true}]`, 2, nil},
		{"reordered", `[{"_placeholder":true,"num":1},{"_placeholder":true,"num":0}]`, 2, nil},
		{"repeated", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, 1, nil},
		{"fewer than attachments", `["a"]`, 3, nil},
		{"nested", `["a",{"b":[[{"c":{"_placeholder":true,"num":9}}]]}]`, 10, nil},
		{"false", `["a",{"_placeholder":false,"num":9}]`, 1, nil},
		{"truthy only", `["a",{"_placeholder":1,"num":9},{"_placeholder":"true"}]`, 1, nil},
		{"as text", `["_placeholder",{"a":"_placeholder"}]`, 1, nil},
		{"last wins, unmarked", `[{"_placeholder":true,"_placeholder":false,"num":9}]`, 1, nil},
		{"last wins, legal", `[{"_placeholder":true,"num":9,"num":0}]`, 1, nil},
		{"other keys", `[{"_placeholder":true,"num":0,"x":[1,{}]}]`, 1, nil},
		{"beyond", `["a",{"_placeholder":true,"num":1}]`, 1, ErrPlaceholder},
		{"no attachments", `["a",{"_placeholder":true,"num":0}]`, 0, ErrPlaceholder},
		{"far beyond", `["a",{"_placeholder":true,"num":99999999999999999999999999}]`, 10, ErrPlaceholder},
		{"negative", `["a",{"_placeholder":true,"num":-1}]`, 1, ErrPlaceholder},
		{"minus zero", `["a",{"_placeholder":true,"num":-0}]`, 1, ErrPlaceholder},
		{"fraction", `["a",{"_placeholder":true,"num":0.5}]`, 1, ErrPlaceholder},
		{"exponent", `["a",{"_placeholder":true,"num":0e0}]`, 1, ErrPlaceholder},
		{"string", `["a",{"_placeholder":true,"num":"splice"}]`, 1, ErrPlaceholder},
		{"digits in a string", `["a",{"_placeholder":true,"num":"0"}]`, 1, ErrPlaceholder},
		{"null", `["a",{"_placeholder":true,"num":null}]`, 1, ErrPlaceholder},
		{"missing", `["a",{"_placeholder":true}]`, 1, ErrPlaceholder},
		{"escaped key", `["a",{"\u005fplaceholder":true,"num":1}]`, 1, ErrPlaceholder},
		{"escaped both", `["a",{"\u005fplaceholder":true,"\u006eum":0}]`, 1, nil},
		{"last wins, marked", `[{"_placeholder":false,"_placeholder":true,"num":9}]`, 1, ErrPlaceholder},
		{"inside another", `[{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":1}}]`, 1, ErrPlaceholder},
		{"second of two", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":2}]`, 2, ErrPlaceholder},
		{"too deep", strings.Repeat("[", MaxDepth+2) + `"_placeholder"`, 1, ErrDepth},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := CheckPlaceholders([]byte(c.payload), c.attachments); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if !json.Valid([]byte(c.payload)) {
				return
			}
			if ok := naivePlaceholders([]byte(c.payload), c.attachments); ok != (c.want == nil) {
				t.Fatalf("naive reference says %v", ok)
			}
		})
	}
}

func TestCheckPlaceholdersAllocations(t *testing.T) {
	payload := []byte(`["a",{"b":[{"\u005fplaceholder":true,"num":0}]}]`)
	if n := testing.AllocsPerRun(100, func() { _ = CheckPlaceholders(payload, 1) }); n != 0 {
		t.Fatalf("%v allocations, want 0", n)
	}
}

func FuzzCheckPlaceholders(f *testing.F) {
	for _, s := range []string{
		`["a",{"_placeholder":true,"num":0},{"b":[{"num":1,"\u005fplaceholder":true}]}]`,
		`[{"_placeholder":true,"num":3,"num":0,"x":{"_placeholder":false}},-1.5e3,null]`,
	} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]), 2)
		}
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, payload []byte, attachments int) {
		err := CheckPlaceholders(payload, attachments)
		// What is not valid must only do no harm.
		if naiveJSON(payload, MaxDepth) != nil {
			return
		}
		if ok := naivePlaceholders(payload, attachments); ok != (err == nil) {
			t.Fatalf("%q with %d: got %v, naive %v", payload, attachments, err, ok)
		}
	})
}

func BenchmarkCheckPlaceholders(b *testing.B) {
	payload := []byte(`["a",{"_placeholder":true,"num":0},{"b":[{"num":1,"_placeholder":true}]}]`)
	b.ReportAllocs()
	for b.Loop() {
		if err := CheckPlaceholders(payload, 2); err != nil {
			b.Fatal(err)
		}
	}
}
