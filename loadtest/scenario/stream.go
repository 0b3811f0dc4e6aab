package scenario

import "slices"

// maxGaps bounds the ranges that a stream remembers as missing, at 100 KB. Beyond it the oldest are forgotten: of what comes of them late it is not
// known whether it comes for the first time.
const maxGaps = 4096

// forgottenAtOnce is how many of them are forgotten together, so that it is seldom done.
const forgottenAtOnce = maxGaps / 4

// verdict is what the audit says of one message.
type verdict uint8

const (
	inOrder   verdict = iota
	reordered         // for the first time, but after a later one
	repeated          // for the second time
	unsure            // after a later one, and not known whether for the first time
)

// stream is what one receiver has had of the messages of one sender in one room, which are numbered from 0. Its zero value has had
// none.
type stream struct {
	next      uint64 // above all that came
	horizon   uint64 // below it gaps are forgotten
	lost      uint64 // of what is forgotten, has not come even if all that was unsure came for the first time
	gaps      []gap  // in order
	repeated  uint32
	reordered uint32
	unsure    uint32
	absent    bool // the receiver was away, without recovery: what is missing now was missed then
}

// gap is a range of numbers that have not come.
type gap struct {
	from, to uint64 // without to
	away     bool
}

// take notes a message.
func (s *stream) take(seq uint64) verdict {
	switch {
	case seq == s.next:
		s.next++
		s.absent = false
		return inOrder
	case seq > s.next:
		s.miss(seq)
		s.next = seq + 1
		return inOrder
	case s.fill(seq):
		s.reordered++
		return reordered
	case seq < s.horizon && s.lost > 0:
		s.lost--
		s.unsure++
		return unsure
	}
	s.repeated++
	return repeated
}

// miss notes that what lies between next and seq has not come.
func (s *stream) miss(seq uint64) {
	s.gaps = append(s.gaps, gap{s.next, seq, s.absent})
	s.absent = false
	s.forget()
}

// forget forgets the oldest gaps if there are too many.
func (s *stream) forget() {
	if len(s.gaps) <= maxGaps {
		return
	}
	for _, g := range s.gaps[:forgottenAtOnce] {
		s.lost += g.to - g.from
		s.horizon = g.to
	}
	s.gaps = slices.Delete(s.gaps, 0, forgottenAtOnce)
}

// fill takes a number out of the gaps, if it is in one.
func (s *stream) fill(seq uint64) bool {
	i, _ := slices.BinarySearchFunc(s.gaps, seq, func(g gap, seq uint64) int {
		if g.to <= seq {
			return -1
		}
		return 1
	})
	if i == len(s.gaps) || seq < s.gaps[i].from {
		return false
	}
	switch g := &s.gaps[i]; {
	case g.from+1 == g.to:
		s.gaps = slices.Delete(s.gaps, i, i+1)
	case seq == g.from:
		g.from++
	case seq+1 == g.to:
		g.to--
	default:
		upper := gap{seq + 1, g.to, g.away}
		g.to = seq
		s.gaps = slices.Insert(s.gaps, i+1, upper)
		s.forget()
	}
	return true
}

// missing is how many of the messages sent have not come, and how many of these were sent while the receiver was away.
func (s *stream) missing(sent uint64) (lost, away uint64) {
	lost = s.lost
	for _, g := range s.gaps {
		lost += g.to - g.from
		if g.away {
			away += g.to - g.from
		}
	}
	if sent > s.next {
		lost += sent - s.next
		if s.absent {
			away += sent - s.next
		}
	}
	return lost, away
}
