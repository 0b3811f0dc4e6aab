package socketio

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAppendString(t *testing.T) {
	cases := []struct{ in, want string }{
		{"", `""`}, {"news", `"news"`}, {`a"b\c/`, `"a\"b\\c/"`},
		{"\b\f\n\r\t\x00\x1e\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0000\\u001e\\u001f\x7f\""},
		{"é€😀\u2028<&>", "\"é€😀\u2028<&>\""},
		{"a\xffb\xe2\x82", "\"a\ufffdb\ufffd\ufffd\""}, {"\ufffd", "\"\ufffd\""},
	}
	for _, c := range cases {
		if got := AppendString([]byte("x"), c.in); string(got) != "x"+c.want {
			t.Errorf("%q: got %s, want %s", c.in, got, "x"+c.want)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "news", "a\"\\\x00\x1eé😀\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendString(nil, s)
		if err := checkJSON(quoted, 1); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil {
			t.Fatal(err)
		}
		// Ranging over a string replaces each bad byte, one by one.
		var want strings.Builder
		for _, r := range s {
			want.WriteRune(r)
		}
		if got != want.String() {
			t.Fatalf("got %q, want %q", got, want.String())
		}
	})
}
