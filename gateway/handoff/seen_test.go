package handoff

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestSeen(t *testing.T) {
	s := NewSeen(0)
	s.Note(Mark{"a", 5})
	s.Note(Mark{"a", 3})
	s.Note(Mark{})
	for _, c := range []struct {
		m            Mark
		has, unclear bool
	}{
		{Mark{"a", 5}, true, false},
		{Mark{"a", 1}, true, false},
		{Mark{"a", 6}, false, false},
		{Mark{"b", 1}, false, false},
		{Mark{}, false, true},
	} {
		if s.Has(c.m) != c.has || s.Unsure(c.m) != c.unclear {
			t.Errorf("%v: has %t, unsure %t", c.m, s.Has(c.m), s.Unsure(c.m))
		}
	}
	var none *Seen
	if none.Has(Mark{"a", 1}) || none.Partial() || none.Unsure(Mark{"a", 1}) || none.Len() != 0 || none.Clone().Len() != 0 {
		t.Error("a nil Seen has seen something")
	}
}

// What is noted is known for a whole interval between turns, and forgotten after two.
func TestSeenTurn(t *testing.T) {
	s := NewSeen(0)
	s.Note(Mark{"a", 5})
	s.Note(Mark{"b", 5})
	s.Turn()
	s.Note(Mark{"b", 4}) // another copy
	if !s.Has(Mark{"a", 5}) || !s.Has(Mark{"b", 5}) || s.Len() != 2 {
		t.Error("forgot too early")
	}
	s.Turn()
	if s.Has(Mark{"a", 1}) || !s.Has(Mark{"b", 5}) || s.Len() != 1 {
		t.Error("did not forget the silent one alone")
	}
}

// Past the bound nothing is known about new publishers, until their time has passed.
func TestSeenBound(t *testing.T) {
	s := NewSeen(2)
	a, b, c := Mark{"a", 1}, Mark{"b", 1}, Mark{"c", 1}
	s.Note(a)
	s.Turn()
	s.Note(b)
	s.Note(c)
	s.Note(Mark{"a", 2}) // no room for it among the fresh
	if !s.Partial() || s.Len() != 3 || !s.Has(Mark{"a", 2}) {
		t.Errorf("partial %t, %d listed", s.Partial(), s.Len())
	}
	if s.Unsure(a) || s.Unsure(b) || !s.Unsure(Mark{"d", 1}) {
		t.Error("unsure about the wrong ones")
	}
	s.Turn()
	if !s.Unsure(a) || s.Unsure(b) {
		t.Error("sure about what was forgotten for want of room")
	}
	s.Turn()
	if s.Partial() || s.Len() != 0 {
		t.Error("still partial")
	}
}

// What one of two cannot say, both together cannot.
func TestSeenMerge(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""},
		{"a.1 b.5", "b.3 c.1", "a.1 b.5 c.1"},
		{"* a.1 b.5", "b.7 c.1", "* a.1 b.7"},
		{"b.7 c.1", "* a.1 b.5", "* a.1 b.7"},
		{"* a.1 b.5", "* b.7 c.1", "* b.7"},
		{"*", "a.1", "*"},
	} {
		a, errA := ParseSeen([]byte(c.a))
		b, errB := ParseSeen([]byte(c.b))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		a = a.Clone()
		a.merge(b)
		if got := string(AppendSeen(nil, a)); got != c.want {
			t.Errorf("%q and %q make %q, want %q", c.a, c.b, got, c.want)
		}
	}
}

func TestParseSeen(t *testing.T) {
	for _, text := range []string{"", "*", "a.1", "a.1 b.zz", "* a.1"} {
		s, err := ParseSeen([]byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(AppendSeen([]byte("x"), s)); got != "x"+text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	many := strings.Builder{}
	for i := range MaxPublishers + 1 {
		fmt.Fprintf(&many, "p%d.1 ", i)
	}
	for _, text := range []string{" ", "* ", "a", "a.1 ", " a.1", "a.1  b.1", "*a.1", "a.1 *", strings.TrimSpace(many.String())} {
		if _, err := ParseSeen([]byte(text)); !errors.Is(err, ErrSeen) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func FuzzParseSeen(f *testing.F) {
	for _, seed := range []string{"", "*", "* a.1", "a.1 b.2", "a.1 a.2", "a.1  b.2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseSeen(text)
		if err != nil {
			return
		}
		again, err := ParseSeen(AppendSeen(nil, s))
		if err != nil || again.Len() != s.Len() || again.Partial() != s.Partial() || !s.Partial() && !s.within(again) {
			t.Fatalf("%q becomes %q: %v", text, AppendSeen(nil, s), err)
		}
	})
}

// An unbounded history beside it: Seen never claims what was not seen, and within a turn and its bound knows
// everything.
func TestSeenAgainstHistory(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		limit := 1 + r.IntN(6)
		s := NewSeen(limit)
		had := map[string]uint64{}
		recent := map[string]bool{}
		for range 300 {
			p := string(rune('a' + r.IntN(8)))
			switch r.IntN(20) {
			case 0:
				s.Turn()
				recent = map[string]bool{}
			default:
				had[p] += uint64(1 + r.IntN(3))
				recent[p] = true
				s.Note(Mark{p, had[p]})
			}
			for p, n := range had {
				last, next := Mark{p, n}, Mark{p, n + 1}
				if s.Has(next) || s.Clone().Has(next) {
					t.Fatalf("%v was not seen", next)
				}
				if recent[p] && !s.Has(last) && !s.Unsure(last) {
					t.Fatalf("%v was seen, and is denied", last)
				}
				if s.Has(last) != s.Clone().Has(last) || s.Unsure(last) != s.Clone().Unsure(last) {
					t.Fatalf("a clone differs about %v", last)
				}
			}
			if len(s.fresh) > limit || len(s.old) > limit {
				t.Fatalf("%d and %d publishers, limit %d", len(s.fresh), len(s.old), limit)
			}
		}
	}
}
