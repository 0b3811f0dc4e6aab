package gateway

import (
	"strings"
	"testing"

	"patchbay/backplane"
)

func TestSealer(t *testing.T) {
	s, same, other := newSealer([]byte("secret")), newSealer([]byte("secret")), newSealer([]byte("Secret"))
	key, text := s.seal(63, 1<<47+5, "node1")
	id, ok := same.open(text)
	if !ok || id.key != key || id.loop != 63 || id.epoch != 1<<47+5 || id.node != "node1" {
		t.Fatalf("%s: %+v %v", text, id, ok)
	}
	if _, ok := other.open(text); ok {
		t.Error("opens under another secret")
	}
	if again := s.text(id); again != text {
		t.Errorf("%s, then %s", text, again)
	}
	if _, twice := s.seal(63, 1<<47+5, "node1"); twice == text {
		t.Error("the same id twice")
	}
	for i := range text { // every change of a character is noticed
		for _, c := range []byte{'A', 'b', '0', '-', '_', '\n', '=', 0, 0xff} {
			forged := text[:i] + string([]byte{c}) + text[i+1:]
			if _, ok := s.open(forged); ok && forged != text {
				t.Errorf("forged %q is accepted", forged)
			}
		}
		if _, ok := s.open(text[:i]); ok {
			t.Errorf("cut %q is accepted", text[:i])
		}
	}
	for _, forged := range []string{text + "x", text + "2", " " + text, text + "\x00", strings.ToUpper(text), strings.Repeat("A", 36) + "_node1"} {
		if _, ok := s.open(forged); ok {
			t.Errorf("forged %q is accepted", forged)
		}
	}
}

func TestPID(t *testing.T) {
	s, other := newSealer([]byte("secret")), newSealer([]byte("other"))
	socket := backplane.NewSocketID("g1", 0)
	pid := s.pid(socket)
	if got, ok := s.openPID(pid); !ok || got != socket {
		t.Fatalf("%q %v", got, ok)
	}
	if _, ok := other.openPID(pid); ok {
		t.Error("opens under another secret")
	}
	for i := range pid {
		forged := pid[:i] + "!" + pid[i+1:]
		if _, ok := s.openPID(forged); ok {
			t.Errorf("forged %q is accepted", forged)
		}
		if _, ok := s.openPID(pid[:i]); ok {
			t.Errorf("cut %q is accepted", pid[:i])
		}
	}
}

func FuzzSealerOpen(f *testing.F) {
	s := newSealer([]byte("secret"))
	_, text := s.seal(1, 2, "n1")
	f.Add(text)
	f.Add("")
	f.Add(strings.Repeat("A", 36) + "_n")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := s.open(text)
		if ok && s.text(id) != text {
			t.Fatalf("%q is another spelling of %q", text, s.text(id))
		}
		if _, ok := s.openPID(text); ok {
			t.Fatalf("a private id was guessed: %q", text)
		}
	})
}

func BenchmarkSealerOpen(b *testing.B) {
	s := newSealer([]byte("secret"))
	_, text := s.seal(1, 2, "n1")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.open(text); !ok {
			b.Fatal("refused")
		}
	}
}
