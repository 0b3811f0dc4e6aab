package scenario

import (
	"strconv"
	"time"
)

// burst is how many messages that are due leave in one turn, so that a crew that fell behind reads in between.
const burst = 256

// traffic sends a crew's share of the messages. Owned by its loop.
type traffic struct {
	crew    *crew
	senders []*member
	cursor  int // of the next sender
	over    bool
	begun   bool
	ended   bool

	interval float64 // open loop: nanoseconds between two messages
	start    int64
	fired    uint64

	tokens   int // echo in flight: how many questions may be asked now
	progress int64
	buffer   []byte
}

func (t *traffic) init(c *crew) {
	t.crew = c
	for _, m := range c.members {
		if m.sender >= 0 {
			t.senders = append(t.senders, m)
		}
	}
	o, parts := c.plan.Options.Traffic, c.plan.parts()
	if len(t.senders) == 0 {
		return
	}
	if o.Rate > 0 {
		own := o.Rate * float64(len(t.senders)) / float64(c.plan.senders())
		t.interval = float64(time.Second) / own
	}
	if c.plan.Traffic() == echoing && c.plan.Saturated() {
		// Shared out so that the parts' tokens add up.
		t.tokens = o.InFlight*(c.part+1)/parts - o.InFlight*c.part/parts
	}
}

// begin starts to send.
func (t *traffic) begin() {
	t.begun = true
	t.start = t.crew.loop.Time()
	t.progress = t.start
	switch {
	case len(t.senders) == 0:
	case !t.crew.plan.Saturated():
		t.pump()
	case t.crew.plan.Traffic() == echoing:
		t.ask()
		t.watch()
	default:
		for _, m := range t.senders {
			m.room.release(t.start)
			t.fill(m.room)
		}
		t.watch()
	}
}

// end stops sending: what is due by now still leaves, if it is no more than is usual, and the rest is counted. Clients that did not read do so now: as long as the window is shut, a server's farewell waits in its kernel behind what
// they have not read.
func (t *traffic) end() {
	t.catchUp()
	t.ended = true
	for _, m := range t.crew.members {
		if m.mute {
			m.client.SetReading(true)
		}
	}
}

func (t *traffic) sending() bool { return t.begun && !t.ended && !t.over }

// pump sends what is due of the open loop, and comes again when more is.
func (t *traffic) pump() {
	if !t.sending() {
		return
	}
	if t.sendDue(t.crew.loop.Time) {
		t.crew.loop.At(t.due(), t.pump)
	} else {
		t.crew.loop.Post(t.pump)
	}
}

// due is when the next message of the open loop is.
func (t *traffic) due() int64 { return t.start + int64(float64(t.fired)*t.interval) }

// sendDue sends what is due, but no more than a burst, and tells whether that was all.
func (t *traffic) sendDue(now func() int64) bool {
	for range burst {
		due := t.due()
		if due > now() {
			return true
		}
		t.fired++
		t.fire(due)
	}
	return t.due() > now()
}

// catchUp sends what of the open loop is due at its end, and counts what is more than a burst.
func (t *traffic) catchUp() {
	if !t.sending() || t.interval == 0 {
		return
	}
	now := t.crew.loop.Time()
	t.sendDue(func() int64 { return now })
	if due := uint64(float64(now-t.start)/t.interval) + 1; due > t.fired {
		t.crew.count.Unsent += due - t.fired
	}
}

// fire sends one message from the next sender that is connected.
func (t *traffic) fire(intended int64) {
	m := t.next()
	if m == nil {
		t.crew.count.Skipped++
		return
	}
	t.crew.hist.Late.Record(time.Duration(t.crew.loop.Time() - intended))
	if t.crew.plan.Traffic() == echoing {
		t.echo(m, intended)
	} else {
		t.publish(m, intended)
	}
}

func (t *traffic) next() *member {
	for range t.senders {
		m := t.senders[t.cursor]
		t.cursor = (t.cursor + 1) % len(t.senders)
		if m.joined && !m.mute {
			return m
		}
	}
	return nil
}

func (t *traffic) publish(m *member, intended int64) {
	b := append(t.buffer[:0], `["publish","`...)
	b = append(append(b, t.crew.plan.roomName(m.room.number)...), `","`...)
	b = t.crew.filler.appendPayload(b, mark{m.room.number, m.sender, m.sent, intended}, t.crew.plan.Options.Traffic.Payload)
	t.buffer = append(b, `"]`...)
	m.sent++
	m.room.sent++
	t.crew.count.Sent++
	m.client.Emit(t.buffer)
}

func (t *traffic) echo(m *member, intended int64) {
	b := t.crew.filler.appendPayload(append(t.buffer[:0], `["echo","`...), mark{0, m.index, m.sent, intended}, t.crew.plan.Options.Traffic.Payload)
	t.buffer = append(b, `"]`...)
	m.sent++
	if m.asking == nil {
		m.asking = map[uint64]struct{}{}
	}
	m.asking[m.sent] = struct{}{}
	t.crew.count.Sent++
	m.client.EmitAck(m.sent, t.buffer)
}

// fill publishes what a room's window lets out.
func (t *traffic) fill(r *room) {
	for r.sent < r.released && t.sending() {
		if !r.publisher.joined {
			return // present fills again
		}
		t.publish(r.publisher, t.crew.loop.Time())
	}
}

// completed hears at a room's home how far a part of the run is.
func (t *traffic) completed(number, part int, count uint64) {
	r := t.crew.room(number)
	r.completed(part, count, t.crew.loop.Time())
	t.fill(r)
}

// answered gives back what may be in flight, and asks as much.
func (t *traffic) answered(n int) {
	if t.crew.plan.Traffic() == echoing && t.crew.plan.Saturated() {
		t.tokens += n
		t.progress = t.crew.loop.Now()
		t.ask()
	}
}

func (t *traffic) ask() {
	for t.tokens > 0 && t.sending() {
		m := t.next()
		if m == nil {
			return
		}
		t.tokens--
		t.echo(m, t.crew.loop.Time())
	}
}

// present hears of a member that is back.
func (t *traffic) present(m *member) {
	if !t.sending() || !t.crew.plan.Saturated() || m.sender < 0 {
		return
	}
	if t.crew.plan.Traffic() == echoing {
		t.ask()
	} else {
		t.fill(m.room)
	}
}

// watch lets more out where nothing comes of what is in flight: a message that is lost must not end the run.
func (t *traffic) watch() {
	if !t.sending() {
		return
	}
	now, patience := t.crew.loop.Time(), int64(t.crew.plan.Options.Timing.Patience)
	if t.crew.plan.Traffic() == echoing {
		if now-t.progress > patience && t.tokens < t.crew.plan.Options.Traffic.InFlight {
			t.crew.count.Stalls++
			t.tokens++
			t.progress = now
			t.ask()
		}
	} else {
		for _, m := range t.senders {
			if r := m.room; now-r.progress > patience && r.sent >= r.released {
				t.crew.count.Stalls++
				r.giveUp(now)
				t.fill(r)
			}
		}
	}
	t.crew.loop.After(look, t.watch)
}

// Sent says how many messages were sent, by room and sender.
type Sent map[string]uint64

func key(room, sender int) string { return strconv.Itoa(room) + "." + strconv.Itoa(sender) }

func (s Sent) set(room, sender int, n uint64) { s[key(room, sender)] = n }
func (s Sent) of(room, sender int) uint64     { return s[key(room, sender)] }
