package gateway

import "patchbay/backplane"

// ledger is what a socket's client has sent and its worker is not known to be done with, oldest first. A socket has one only while
// there is something in it; a loop uses them again, so that an event costs no memory of its own. Owned by its loop.
type ledger struct {
	socket     *socket
	home       *home // who has the events that were given; nil if none was
	next, prev *ledger
	first      uint64 // number of the first event
	given      int    // so many, from the first on, are with the home; the others wait
	head       int    // of entries
	entries    []entry
	text       []byte // the JSON of the entries
	cut        int    // bytes that were taken off the beginning of text
	size       int    // bytes, attachments and a cost for each entry included
	queued     bool   // among the suspects
}

// entry is one event.
type entry struct {
	attachments [][]byte
	start, end  int // of its JSON: in text, plus cut
	ackID       uint64
	trace       *traced // nil for nearly all
	wantsAck    bool
	again       uint8 // how many homes have had it and were lost
	fatal       uint8 // how many of them while it was the oldest that they were not done with
}

// Of what a ledger keeps when it is used again.
const (
	spareLedgers   = 64
	maxSpareText   = 16 << 10
	maxSpareEvents = 128
)

// size is what the event counts for.
func (e *entry) size() int {
	size := entryCost + e.end - e.start
	for _, a := range e.attachments {
		size += len(a)
	}
	return size
}

func (g *ledger) len() int { return len(g.entries) - g.head }

// at is the i-th event, from 0.
func (g *ledger) at(i int) *entry { return &g.entries[g.head+i] }

// payload is what the i-th event carries. It is valid until the ledger changes.
func (g *ledger) payload(i int) backplane.Payload {
	e := g.at(i)
	return backplane.Payload{JSON: g.text[e.start-g.cut : e.end-g.cut : e.end-g.cut], Attachments: e.attachments}
}

// add appends an event. Its JSON is copied, its attachments are kept.
func (g *ledger) add(p backplane.Payload, e entry) {
	e.attachments, e.start = p.Attachments, g.cut+len(g.text)
	g.text = append(g.text, p.JSON...)
	e.end = g.cut + len(g.text)
	g.entries = append(g.entries, e)
	g.size += e.size()
}

// had is how many of the first n events a worker has had, this one or one before it: those that can be confirmed.
func (g *ledger) had(n int) int {
	i := min(n, g.given)
	for i < n && g.at(i).again > 0 {
		i++
	}
	return i
}

// drop takes the first n events off.
func (g *ledger) drop(n int) {
	for range n {
		g.size -= g.entries[g.head].size()
		if t := g.entries[g.head].trace; t != nil {
			t.end()
		}
		g.entries[g.head] = entry{}
		g.head++
	}
	g.first += uint64(n)
	g.given = max(0, g.given-n)
	switch {
	case g.len() == 0:
		g.entries, g.text, g.head, g.cut = g.entries[:0], g.text[:0], 0, 0
	case g.head > 32 && g.head > g.len():
		kept := copy(g.entries, g.entries[g.head:])
		clear(g.entries[kept:])
		g.entries, g.head = g.entries[:kept], 0
		from := g.entries[0].start - g.cut
		g.text = g.text[:copy(g.text, g.text[from:])]
		g.cut += from
	}
}

// custody is a loop's care for events. Owned by the loop.
type custody struct {
	homes map[string]*home // workers that have something to confirm, or are doubted
	spare []*ledger
	line  []byte // scratch, for subjects
	suspects
}

// open makes a ledger for a socket, whose next event has that number.
func (c *custody) open(k *socket, first uint64) *ledger {
	var g *ledger
	if last := len(c.spare) - 1; last >= 0 {
		g, c.spare = c.spare[last], c.spare[:last]
	} else {
		g = new(ledger)
	}
	g.socket, g.first = k, first
	return g
}

// close takes a ledger back, which must be of no home.
func (c *custody) close(g *ledger) {
	if g.socket = nil; g.queued || len(c.spare) >= spareLedgers {
		return
	}
	entries, text := g.entries[:0], g.text[:0]
	clear(g.entries)
	if cap(entries) > maxSpareEvents || cap(text) > maxSpareText {
		entries, text = nil, nil
	}
	*g = ledger{entries: entries, text: text}
	c.spare = append(c.spare, g)
}
