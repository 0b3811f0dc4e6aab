package backplane

import (
	"strings"
	"testing"
)

func TestToken(t *testing.T) {
	long := strings.Repeat("x", MaxToken)
	for _, c := range []struct{ name, token string }{
		{"", "-"},
		{"-", "%2D"},
		{"--", "--"},
		{"lobby", "lobby"},
		{"a.b", "a%2Eb"},
		{"*", "%2A"},
		{">", "%3E"},
		{"a b\t", "a%20b%09"},
		{"100%", "100%25"},
		{"~x", "%7Ex"},
		{"a,b", "a%2Cb"},
		{"é", "%C3%A9"},
		{"\x00\xff", "%00%FF"},
		{"\x7f", "%7F"},
		{"$SYS", "$SYS"},
		{"a/b?c=d&e#f", "a/b?c=d&e#f"},
		{long, long},
		{long + "y", "~" + long[:64] + "~"},
	} {
		got := Token(c.name)
		if strings.HasPrefix(c.token, "~") { // the hash itself is SHA-256's business
			if len(got) != 1+64+1+32 || got[:66] != c.token[:66] || !Hashed(got) {
				t.Errorf("Token(%q) = %q", c.name, got)
			}
			continue
		}
		if got != c.token || Hashed(got) {
			t.Errorf("Token(%q) = %q, want %q", c.name, got, c.token)
		}
		if name, err := Unescape(c.token); err != nil || name != c.name {
			t.Errorf("Unescape(%q) = %q, %v", c.token, name, err)
		}
	}
	if Token(long+"a") == Token(long+"b") {
		t.Error("two long names, one token")
	}
	if n := testing.AllocsPerRun(100, func() { Token("lobby") }); n != 0 {
		t.Errorf("a plain name costs %v allocations", n)
	}
}

// A name has exactly one spelling.
func TestUnescapeRefuses(t *testing.T) {
	for _, token := range []string{"", "%", "%4", "%zz", "%2e", "%41", "a.b", "a b", "~", "x~", "%2D%2D", "%2Dx", "é", "a,b", "*", ">", "%%"} {
		if name, err := Unescape(token); err == nil {
			t.Errorf("Unescape(%q) = %q", token, name)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "-", "a.b", "%2D", "~", "é", "\xff", strings.Repeat("é", 100)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		escaped := Escape(name)
		if back, err := Unescape(escaped); err != nil || back != name {
			t.Fatalf("%q became %q became %q, %v", name, escaped, back, err)
		}
		token := Token(name)
		if token == "" || len(token) > MaxToken || !Hashed(token) && token != escaped {
			t.Fatalf("token %q of %q", token, name)
		}
		for _, c := range []byte(escaped + token) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(".*>,", c) >= 0 {
				t.Fatalf("%q has a forbidden byte", token)
			}
		}
		// Read as a token: if it is one, then of one name only.
		if back, err := Unescape(name); err == nil && Escape(back) != name {
			t.Fatalf("%q is another spelling of %q", name, back)
		}
	})
}
