package gateway

import "time"

// An event with which workers are lost may be why, or may only have been there. If all that a lost worker was not done with went to the next one
// at once, and one event among it killed that as well, the others would come to be suspected with it. So an event that two workers were
// lost with is given alone: it and nothing behind it, and one such event of a loop at a time. What is innocent is soon done with.

const (
	// suspectAfter is how many workers must have been lost with an event until it is given alone.
	suspectAfter = 2
	// suspectMost is how long the others wait for one. A handler that takes its time is no fault.
	suspectMost = 5 * time.Second
)

// suspects are those of a loop. Owned by it.
type suspects struct {
	tried *ledger   // whose oldest event is with a worker
	queue []*ledger // the others, in the order in which they are tried; some may be over
	held  bool      // no other is tried: its worker may be the one that is just being given up
	timer timer
}

// suspect reports whether the oldest event is to be given alone.
func (g *ledger) suspect() bool { return g.at(0).fatal >= suspectAfter }

// may reports whether a ledger's oldest event may be given now. If not, its turn comes.
func (l *loop) may(g *ledger) bool {
	s := &l.suspects
	switch {
	case s.tried == g:
		return true
	case s.tried == nil:
		s.tried = g
		l.wheel.set(&s.timer, l.now+suspectMost, suspicion{l})
		return true
	case !g.queued:
		g.queued = true
		s.queue = append(s.queue, g)
	}
	return false
}

// cleared ends the trial of a ledger, if it is on, and begins the next. Its event is done with, or lost with its worker.
func (l *loop) cleared(g *ledger) {
	s := &l.suspects
	if s.tried != g {
		return
	}
	s.tried = nil
	l.wheel.stop(&s.timer)
	l.advance()
}

// advance begins the next trial, if none is on.
func (l *loop) advance() {
	s := &l.suspects
	for !s.held && s.tried == nil && len(s.queue) > 0 {
		next := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		next.queued = false
		if k := next.socket; k != nil && k.ledger == next { // else it is over
			k.give()
		}
	}
	if len(s.queue) == 0 {
		s.queue = nil
	}
}

// suspicion has the others go on if one takes too long.
type suspicion struct{ l *loop }

func (s suspicion) expire(time.Duration) { s.l.cleared(s.l.suspects.tried) }
