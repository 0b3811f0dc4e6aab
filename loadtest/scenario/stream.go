package scenario

// maxGaps bounds the ranges that a stream remembers as missing. Beyond it the oldest is forgotten: it stays lost, and
// what comes of it late counts as repeated.
const maxGaps = 256

// verdict is what the audit says of one message.
type verdict uint8

const (
	inOrder   verdict = iota
	reordered         // for the first time, but after a later one
	repeated          // for the second time
)

// stream is what one receiver has had of the messages of one sender in one room, which are numbered from 0. Its zero value has had
// none.
type stream struct {
	next      uint64 // above all that came
	lost      uint64 // of forgotten gaps
	gaps      []gap
	repeated  uint32
	reordered uint32
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
	}
	s.repeated++
	return repeated
}

// miss notes that what lies between next and seq has not come.
func (s *stream) miss(seq uint64) {
	if len(s.gaps) == maxGaps {
		s.lost += s.gaps[0].to - s.gaps[0].from
		s.gaps = append(s.gaps[:0], s.gaps[1:]...)
	}
	s.gaps = append(s.gaps, gap{s.next, seq, s.absent})
	s.absent = false
}

// fill takes a number out of the gaps, if it is in one.
func (s *stream) fill(seq uint64) bool {
	for i, g := range s.gaps {
		if seq < g.from || seq >= g.to {
			continue
		}
		var rest []gap
		if g.from < seq {
			rest = append(rest, gap{g.from, seq, g.away})
		}
		if seq+1 < g.to {
			rest = append(rest, gap{seq + 1, g.to, g.away})
		}
		s.gaps = append(s.gaps[:i], append(rest, s.gaps[i+1:]...)...)
		return true
	}
	return false
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
