package scenario

import "time"

// settleLook is the time between two looks at whether all that was sent has arrived.
const settleLook = 100 * time.Millisecond

// readLook is how long nothing may come until the clients that did not read, and do at the end, have read what there was.
const readLook = time.Second

// quiet is since when nothing has come, of one kind and another.
type quiet struct {
	news     time.Time // of what came for the first time, clients that are back included
	messages time.Time // of any message, repeated ones included
	bytes    time.Time

	seenNews, seenMessages, seenBytes uint64
	most                              int // clients in their place
}

// look compares with what had come at the last look.
func (q *quiet) look(s Sample, a Audit) {
	now, c := time.Now(), s.Counters
	if s.Present > q.most {
		q.most, q.news = s.Present, now
	}
	if n := c.Delivered + c.Acked; n != q.seenNews {
		q.seenNews, q.news = n, now
	}
	if n := c.Delivered + c.Acked + c.Stray + c.Damaged + a.Repeated; n != q.seenMessages {
		q.seenMessages, q.messages = n, now
	}
	if c.Bytes != q.seenBytes {
		q.seenBytes, q.bytes = c.Bytes, now
	}
}

// over tells whether there is nothing more to wait for. A server that repeats without end does not keep a run from its end: patience is for what is new.
func (q *quiet) over(p *Plan, s Sample, a Audit) bool {
	t := p.Options.Timing
	if time.Since(q.news) > t.Patience {
		return true
	}
	arrived := a.Lost == 0 && a.LostAcks == 0 && s.Away == 0 && (a.Unread.Clients == a.Unread.Closed || time.Since(q.bytes) > readLook)
	return arrived && (p.Traffic() == silence || time.Since(q.messages) >= t.Grace)
}
