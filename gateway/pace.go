package gateway

import "time"

// paceMany is how many conns a loop has to write to before it is worth to let more come together.
const paceMany = 64

// maxPause bounds what a pause adds to the way of a message.
const maxPause = 4 * time.Millisecond

// pace has a loop that has written for long pause half as long before it writes to many again: it reads and takes messages
// meanwhile, and what comes leaves together, in one system call for each conn instead of several. A message that comes later
// than that is written at once, and so is what goes to few. Pure; owned by its loop.
type pace struct {
	until time.Duration // the end of the pause
}

// wrote notes a time of writing. Pauses shorter than the poller's millisecond are none.
func (p *pace) wrote(from, to time.Duration) {
	p.until = to + min((to-from)/2, maxPause).Truncate(time.Millisecond)
}

// holds reports whether it is not yet time to write.
func (p *pace) holds(now time.Duration) bool { return now < p.until }

// shorten limits a wait, negative for ever, to the end of the pause if something waits for that.
func (p *pace) shorten(wait, now time.Duration, waiting bool) time.Duration {
	if !waiting {
		return wait
	}
	pause := max(0, p.until-now)
	if wait < 0 {
		return pause
	}
	return min(wait, pause)
}
