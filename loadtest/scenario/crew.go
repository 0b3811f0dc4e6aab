package scenario

import (
	"slices"
	"time"

	"patchbay/loadtest/load"
)

// look is the time between two looks for stalls.
const look = 250 * time.Millisecond

// crew is the clients of one loop. Owned by its loop; the squad reaches it with posted functions.
type crew struct {
	plan     *Plan
	part     int
	loop     *load.Loop
	settings *load.Settings
	targets  []*load.Target
	tell     func(room, part int, count uint64) // a room's members here have completed messages; called on the loop

	rooms   map[int]*room
	members []*member
	traffic traffic
	filler  filler
	queue   connecting

	count Counters
	hist  Histograms // since the last sample
	audit Audit
}

// connecting is the first connections, begun in order.
type connecting struct {
	next     int   // of the members
	under    int   // way
	missing  int   // members that have never been in their place
	last     int64 // when the last of the others was
	interval int64 // between two connections, in nanoseconds; 0 for none
	due      int64
}

func newCrew(plan *Plan, part int, loop *load.Loop, settings *load.Settings, targets []*load.Target) *crew {
	c := &crew{plan: plan, part: part, loop: loop, settings: settings, targets: targets, rooms: map[int]*room{}}
	c.filler = newFiller(plan.Options.Traffic.Payload)
	for _, s := range plan.seats(part) {
		c.members = append(c.members, newMember(c, s))
	}
	c.queue.missing = len(c.members)
	c.traffic.init(c)
	return c
}

// room is the crew's part of a room.
func (c *crew) room(number int) *room {
	r := c.rooms[number]
	if r == nil {
		r = &room{number: number, parts: map[int]uint64{}}
		if c.plan.Saturated() {
			r.had = make([]int, c.plan.Options.Traffic.InFlight)
			for part := range c.plan.parts() {
				if c.plan.rooms() > 1 && part == c.part || c.plan.rooms() == 1 && c.plan.reads(part) {
					r.parts[part] = 0
				}
			}
		}
		c.rooms[number] = r
	}
	return r
}

// connect begins all connections.
func (c *crew) connect() {
	q := &c.queue
	if rate := c.plan.Options.Timing.ConnectRate; rate > 0 {
		q.interval = int64(float64(time.Second) / rate * float64(c.plan.parts()))
	}
	q.due = c.loop.Time()
	c.connectMore()
}

// connectMore begins as many connections as may be under way.
func (c *crew) connectMore() {
	q := &c.queue
	bound := max(1, c.plan.Options.Timing.Connecting/c.plan.parts())
	for q.under < bound && q.next < len(c.members) {
		if wait := q.due - c.loop.Time(); q.interval > 0 && wait > 0 {
			c.loop.At(q.due, c.connectMore)
			return
		}
		m := c.members[q.next]
		q.next++
		q.under++
		q.due += q.interval
		m.connect()
	}
}

// arrived notes that a member is in its place, for the first time or again.
func (c *crew) arrived(m *member) {
	if !m.counted {
		m.counted = true
		c.queue.under--
		c.queue.missing--
		c.queue.last = c.loop.Time()
		c.connectMore()
	}
	c.traffic.present(m)
}

// left notes that a member's connection has ended, and has it come back.
func (c *crew) left(m *member, present bool) {
	if m.mute {
		c.audit.Unread.Closed++
		return
	}
	m.resting = m.willed && c.plan.Scenario == "jitter"
	c.loop.After(c.absence(m, present), func() {
		if m.client.Absent() && !c.traffic.over {
			m.connect()
		}
	})
}

// report tells the room's home how many messages the members here have.
func (c *crew) report(r *room) { c.tell(r.number, c.part, r.complete) }

// sample takes what happened since the last one.
func (c *crew) sample() Sample {
	c.count.Bytes = c.loop.Received()
	s := Sample{Counters: c.count, Histograms: c.hist, Missing: c.queue.missing, Arrived: c.queue.last}
	c.hist = Histograms{}
	for _, m := range c.members {
		if m.joined {
			s.Present++
		}
		if m.away() {
			s.Away++
		}
	}
	return s
}

// sent lists how many messages each sender here has sent to its room.
func (c *crew) sent() Sent {
	list := Sent{}
	for _, m := range c.members {
		if m.room != nil && m.sender >= 0 {
			list.set(m.room.number, m.sender, m.sent)
		}
	}
	return list
}

// examine audits what was received against what was sent.
func (c *crew) examine(sent Sent) Audit {
	a := c.audit
	a.Causes, a.Faults = nil, slices.Clone(c.audit.Faults)
	for cause, n := range c.audit.Causes {
		a.cause(cause, n)
	}
	for _, m := range c.members {
		if m.mute {
			continue
		}
		if !m.joined && !m.resting {
			a.wait(m.waitsFor(), 1)
		}
		if c.plan.Traffic() == echoing {
			lost, _ := m.acks.missing(m.sent)
			a.Expected += m.sent
			a.LostAcks += lost
			a.Repeated += uint64(m.acks.repeated)
			a.Reordered += uint64(m.acks.reordered)
			a.Unsure += uint64(m.acks.unsure)
		}
		for sender := range m.heard {
			c.examineStream(&a, m, sender, sent.of(m.room.number, sender))
		}
	}
	return a
}

func (c *crew) examineStream(a *Audit, m *member, sender int, sent uint64) {
	s := &m.heard[sender]
	lost, away := s.missing(sent)
	a.Expected += sent
	a.Lost += lost
	a.Away += away
	a.Repeated += uint64(s.repeated)
	a.Reordered += uint64(s.reordered)
	a.Unsure += uint64(s.unsure)
	if lost > 0 || s.repeated > 0 || s.reordered > 0 {
		a.fault(Fault{m.room.number, sender, lost, uint64(s.repeated), uint64(s.reordered)})
	}
}

// leave ends all connections as the stock client does.
func (c *crew) leave() {
	c.traffic.over = true
	for _, m := range c.members {
		m.client.Leave()
	}
}
