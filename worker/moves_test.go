package worker

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"patchbay/backplane"
)

const second = time.Second

// at is a time some seconds after the tests' beginning.
func at(seconds int) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds) * second)
}

// repliesOf are the replies of arrivals; nil is none.
func repliesOf(list ...*arrival) (all []string) {
	for _, a := range list {
		if a != nil {
			all = append(all, a.replies...)
		}
	}
	return all
}

func expectReplies(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("answered %q, want %q", got, want)
	}
}

func TestMoves(t *testing.T) {
	a, b := move{"s1", "t1"}, move{"s1", "t2"}
	other := move{"s2", "t1"}
	t.Run("departure last", func(t *testing.T) {
		m := newMoves(2 * second)
		expectReplies(t, repliesOf(m.arrive(a, "r1", at(0))))
		expectReplies(t, repliesOf(m.arrive(a, "r2", at(1))))
		expectReplies(t, repliesOf(m.depart(b, at(1)), m.depart(other, at(1))))
		expectReplies(t, repliesOf(m.depart(a, at(1))), "r1", "r2")
		expectReplies(t, repliesOf(m.depart(a, at(1))))
		expectReplies(t, repliesOf(m.expire(at(9))...))
		if _, waits := m.next(); waits || len(m.waiting) != 0 {
			t.Error("somebody still waits")
		}
	})
	t.Run("departure first", func(t *testing.T) {
		m := newMoves(2 * second)
		expectReplies(t, repliesOf(m.depart(a, at(0))))
		expectReplies(t, repliesOf(m.arrive(a, "r1", at(0))), "r1")
		expectReplies(t, repliesOf(m.arrive(a, "r2", at(5))), "r2")
		expectReplies(t, repliesOf(m.arrive(b, "r3", at(5))))
	})
	t.Run("no departure", func(t *testing.T) {
		m := newMoves(2 * second)
		m.arrive(a, "r1", at(0))
		m.arrive(other, "r2", at(1))
		m.arrive(a, "r3", at(1)) // asking again does not prolong it
		if end, waits := m.next(); !waits || !end.Equal(at(2)) {
			t.Errorf("%v, %v", end, waits)
		}
		expectReplies(t, repliesOf(m.expire(at(1))...))
		expectReplies(t, repliesOf(m.expire(at(2))...), "r1", "r3")
		expectReplies(t, repliesOf(m.depart(other, at(2))), "r2")
		expectReplies(t, repliesOf(m.depart(a, at(2))))
		expectReplies(t, repliesOf(m.arrive(a, "r4", at(2))), "r4")
	})
}

// TestMovesForget: departures are kept for leftMemory and not for ever.
func TestMovesForget(t *testing.T) {
	m := newMoves(2 * second)
	m.depart(move{"s", "t"}, at(0))
	m.depart(move{"s", "u"}, at(9))
	if !m.hasLeft(move{"s", "t"}) {
		t.Error("forgotten too early")
	}
	m.depart(move{"s", "v"}, at(11))
	if !m.hasLeft(move{"s", "u"}) {
		t.Error("forgotten 2 s after it")
	}
	m.depart(move{"s", "w"}, at(22))
	if m.hasLeft(move{"s", "t"}) || m.hasLeft(move{"s", "u"}) || !m.hasLeft(move{"s", "v"}) {
		t.Error("remembered for too long, or not long enough")
	}
}

func TestMovesBounds(t *testing.T) {
	m := newMoves(2 * second)
	for i := range 3 * maxLeft {
		m.depart(move{"s", strconv.Itoa(i)}, at(0))
	}
	if n := len(m.left) + len(m.leftBefore); n > 2*maxLeft {
		t.Errorf("%d departures", n)
	}
	for i := range maxArrivals + 3 {
		got := repliesOf(m.arrive(move{"w", strconv.Itoa(i)}, strconv.Itoa(i), at(0)))
		if i < maxArrivals {
			expectReplies(t, got)
		} else {
			expectReplies(t, got, strconv.Itoa(i-maxArrivals))
		}
	}
	if len(m.queue) != maxArrivals || len(m.waiting) != maxArrivals {
		t.Errorf("%d of %d arrivals wait", len(m.waiting), len(m.queue))
	}
	last := move{"x", "t"}
	for i := range maxReplies + 2 {
		m.arrive(last, strconv.Itoa(i), at(0))
	}
	got := repliesOf(m.depart(last, at(0)))
	if len(got) != maxReplies || got[0] != "2" {
		t.Errorf("answered %q", got)
	}
}

// naiveMoves is moves with lists that are searched and never bounded.
type naiveMoves struct {
	left    map[move]bool
	waiting []arrival
}

func (n *naiveMoves) answer(match func(*arrival) bool) (replies []string) {
	n.waiting = slices.DeleteFunc(n.waiting, func(a arrival) bool {
		if match(&a) {
			replies = append(replies, a.replies...)
			return true
		}
		return false
	})
	return replies
}

// TestMovesAgainstNaive: whatever order messages come in, everybody is answered when the lists would.
func TestMovesAgainstNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		m, n := newMoves(2*second), &naiveMoves{left: map[move]bool{}}
		for step := range 60 {
			now := at(step / 8) // all within leftMemory
			one := move{"s" + strconv.Itoa(random.IntN(4)), "t" + strconv.Itoa(random.IntN(4))}
			same := func(a *arrival) bool { return a.move == one }
			var got, want []string
			switch random.IntN(3) {
			case 0:
				got = repliesOf(m.depart(one, now))
				n.left[one] = true
				want = n.answer(same)
			case 1:
				reply := strconv.Itoa(step)
				got = repliesOf(m.arrive(one, reply, now))
				i := slices.IndexFunc(n.waiting, func(a arrival) bool { return a.move == one })
				switch {
				case n.left[one]:
					want = []string{reply}
				case i >= 0:
					all := append(n.waiting[i].replies, reply)
					n.waiting[i].replies = all[max(0, len(all)-maxReplies):]
				default:
					n.waiting = append(n.waiting, arrival{one, []string{reply}, now.Add(2 * second)})
				}
			case 2:
				got = repliesOf(m.expire(now)...)
				want = n.answer(func(a *arrival) bool { return !now.Before(a.until) })
			}
			if !slices.Equal(got, want) || len(m.waiting) != len(n.waiting) {
				t.Fatalf("answered %q, want %q", got, want)
			}
		}
	}
}

// TestHeard: an answer from before a move does not bring the socket back to its former gateway.
func TestHeard(t *testing.T) {
	s := &Socket{node: "g1", epoch: 1}
	before := s.moveCount()
	s.heard(&backplane.ControlReply{Seen: backplane.Seen{Node: "g1", Epoch: 2}}, before)
	if !s.at("g1", 2) {
		t.Error("an answer is not heard")
	}
	s.moved(backplane.Moved{Node: "g2", Epoch: 5})
	s.heard(&backplane.ControlReply{Seen: backplane.Seen{Node: "g1", Epoch: 2}}, before)
	if !s.at("g2", 5) || s.on("g1", 9) || !s.on("g2", 5) || s.on("g2", 4) {
		t.Errorf("at %s", s.Node())
	}
	s.heard(&backplane.ControlReply{Seen: backplane.Seen{Node: "g2", Epoch: 6}}, s.moveCount())
	s.heard(&backplane.ControlReply{Seen: backplane.Seen{}}, s.moveCount())
	if !s.at("g2", 6) {
		t.Errorf("at %s", s.Node())
	}
}
