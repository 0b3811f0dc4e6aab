package handoff

import (
	"math"
	"strings"
	"testing"
)

func TestMark(t *testing.T) {
	long := strings.Repeat("x", MaxPublisher)
	for _, c := range []struct {
		text string
		want Mark
	}{
		{"w1.1", Mark{"w1", 1}},
		{"a.z", Mark{"a", 35}},
		{"A-b_9.10", Mark{"A-b_9", 36}},
		{long + ".1", Mark{long, 1}},
		{"a.3w5e11264sgsf", Mark{"a", math.MaxUint64}},

		{"", Mark{}},
		{".", Mark{}},
		{"a", Mark{}},
		{"a.", Mark{}},
		{".1", Mark{}},
		{"a.0", Mark{}},
		{"a.01", Mark{}},
		{"a.Z", Mark{}},
		{"a.+1", Mark{}},
		{"a.-1", Mark{}},
		{"a.1_0", Mark{}},
		{"a.1.2", Mark{}},
		{"a.1 ", Mark{}},
		{"a b.1", Mark{}},
		{"é.1", Mark{}},
		{"a\n.1", Mark{}},
		{long + "x.1", Mark{}},
		{"a.3w5e11264sgsg", Mark{}},
	} {
		got, ok := ParseMark(c.text)
		if got != c.want || ok != c.want.Known() {
			t.Errorf("ParseMark(%q) = %v, %t, want %v", c.text, got, ok, c.want)
		}
		if ok && got.String() != c.text {
			t.Errorf("%q is written %q", c.text, got)
		}
	}
	if text := (Mark{Publisher: "a"}).String(); text != "" {
		t.Errorf("no identity is written %q", text)
	}
}

func FuzzParseMark(f *testing.F) {
	for _, seed := range []string{"", "a.1", "A-b_9.zz", "a.0", "a..1", "a.3w5e11264sgsg"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, ok := ParseMark(text)
		if ok != m.Known() {
			t.Fatalf("%v, %t", m, ok)
		}
		if ok && m.String() != text {
			t.Fatalf("%q is written %q", text, m)
		}
	})
}
