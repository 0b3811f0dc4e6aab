package socketio

import (
	"errors"
	"strings"
	"testing"
)

func TestCheckJSON(t *testing.T) {
	cases := []struct {
		text string
		want error
	}{
		{`null`, nil}, {` true `, nil}, {`false`, nil}, {`0`, nil}, {`-0`, nil}, {`-0.0E-0`, nil}, {`1e999999`, nil},
		{`""`, nil}, {`"\"\\\/\b\f\n\r\t\u00Ff"`, nil}, {`"\ud800"`, nil}, {`"é€😀"`, nil}, {"\"\x7f\u2028\"", nil},
		{`[]`, nil}, {`[ ]`, nil}, {`{}`, nil}, {"{\t}", nil}, {`[1,2 , 3]`, nil}, {`{"a" : 1 , "b":[{}]}`, nil}, {`{"a":1,"a":2}`, nil},
		{``, ErrJSON}, {` `, ErrJSON}, {`nul`, ErrJSON}, {`nulll`, ErrJSON}, {`True`, ErrJSON}, {`NaN`, ErrJSON},
		{`00`, ErrJSON}, {`+1`, ErrJSON}, {`-`, ErrJSON}, {`.5`, ErrJSON}, {`5.`, ErrJSON}, {`1e`, ErrJSON}, {`1e+`, ErrJSON}, {`0x1`, ErrJSON},
		{`"`, ErrJSON}, {`"\`, ErrJSON}, {`"\u12`, ErrJSON}, {`"\u12g4"`, ErrJSON}, {`"\'"`, ErrJSON}, {"\"\t\"", ErrJSON}, {`'a'`, ErrJSON},
		{`[`, ErrJSON}, {`[1`, ErrJSON}, {`[1,`, ErrJSON}, {`[,1]`, ErrJSON}, {`[1,]`, ErrJSON}, {`[1}`, ErrJSON}, {`]`, ErrJSON}, {`[]]`, ErrJSON},
		{`{`, ErrJSON}, {`{"a"`, ErrJSON}, {`{"a":`, ErrJSON}, {`{"a":1,}`, ErrJSON}, {`{1:2}`, ErrJSON}, {`{"a" 1}`, ErrJSON}, {`{"a":1]`, ErrJSON},
		{"\u00a01", ErrJSON}, {"\ufeff1", ErrJSON}, {"1\x00", ErrJSON}, {`[] //`, ErrJSON},
		{"\"\x80\"", ErrUTF8}, {"\"\xc0\xaf\"", ErrUTF8}, {"\"\xf4\x90\x80\x80\"", ErrUTF8}, {"\"\xe2\x82", ErrUTF8},
		{`[[[[]]]]`, nil}, {`[[[[[]]]]]`, ErrDepth}, {`[{"a":[{"b":{}}]}]`, ErrDepth}, {`[[],[[]],[[[]]]]`, nil},
	}
	for _, c := range cases {
		if err := checkJSON([]byte(c.text), 4); !errors.Is(err, c.want) {
			t.Errorf("%q: got %v, want %v", c.text, err, c.want)
		}
		if err := naiveJSON([]byte(c.text), 4); (err == nil) != (c.want == nil) {
			t.Errorf("%q: naive reference says %v", c.text, err)
		}
	}
}

// TestCheckJSONMixedNesting opens and closes both kinds at every level, so that
// a bit left over from an earlier level would show.
func TestCheckJSONMixedNesting(t *testing.T) {
	for depth := 1; depth <= MaxDepth; depth += 31 {
		arrays := strings.Repeat("[", depth) + strings.Repeat("]", depth)
		objects := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
		mixed := strings.Repeat(`[{"a":`, depth/2) + "1" + strings.Repeat("}]", depth/2)
		text := []byte("[" + arrays + "," + objects + "," + mixed + "," + arrays + "]")
		if err := checkJSON(text, min(depth+1, MaxDepth)); err != nil && depth < MaxDepth {
			t.Fatalf("depth %d: %v", depth, err)
		}
		if err := checkJSON(text, depth); !errors.Is(err, ErrDepth) {
			t.Fatalf("depth %d, one too deep: %v", depth, err)
		}
	}
}

// TestSkipPlain puts every byte at every offset of the eight-byte steps.
func TestSkipPlain(t *testing.T) {
	for c := range 256 {
		plain := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
		for at := range 24 {
			data := []byte(strings.Repeat("!", 24))
			data[at] = byte(c)
			want := at
			if plain {
				want = len(data)
			}
			if got := skipPlain(data, 0); got != want {
				t.Fatalf("byte %#x at %d: got %d, want %d", c, at, got, want)
			}
		}
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{
		`["a",{"b":[1,-2.5E+3,true,false,null,"\"\\\u00e9é😀"]}]`, ` { "a" : { } , "b" : [ [ ] ] } `,
		`"0123456701234567\n01234567"`, `[[[[[[]]]]]]`,
	} {
		for cut := range len(s) + 1 {
			f.Add([]byte(s[:cut]), 5)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, depth int) {
		depth = min(max(depth, 1), MaxDepth)
		got, want := checkJSON(data, depth), naiveJSON(data, depth)
		if (got == nil) != (want == nil) {
			t.Fatalf("%q at depth %d: got %v, naive %v", data, depth, got, want)
		}
	})
}
