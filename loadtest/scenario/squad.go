package scenario

import (
	"context"
	"errors"
	"net/netip"

	"patchbay/loadtest/load"
)

// Completion says that the members of a room in one part of the run have all received its first messages.
type Completion struct {
	Room, Part int
	Count      uint64
}

// Squad is the clients of one process. Its methods are for one goroutine, but for Completed.
type Squad struct {
	plan    *Plan
	process int
	crews   []*crew
}

// OpenSquad starts the loops of process number process. elsewhere hears, on a loop's goroutine, of completions whose room is at home in another
// process; it must not block.
func OpenSquad(ctx context.Context, plan *Plan, process int, elsewhere func(Completion)) (*Squad, error) {
	s := &Squad{plan: plan, process: process}
	server := plan.Options.Server
	settings := &load.Settings{
		Transport: transportOf(server.Transport), Parser: parserOf(server.Parser), Deflate: server.Deflate, Recover: plan.Options.Trouble.Recover,
	}
	var targets []*load.Target
	loopback := true
	for _, url := range server.URLs {
		t, err := load.NewTarget(ctx, url, server.Path, server.Remote)
		if err != nil {
			return nil, err
		}
		targets = append(targets, t)
		loopback = loopback && t.Loopback()
	}
	if loopback && process > 0 {
		// An address has 28,000 ports to offer, so each process has one of its own.
		settings.Source = netip.AddrFrom4([4]byte{127, 0, byte(process >> 8), byte(1 + process)})
	}
	clock := load.NewClock()
	for i := range plan.Options.Shape.Loops {
		loop, err := load.NewLoop(clock)
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		c := newCrew(plan, process*plan.Options.Shape.Loops+i, loop, settings, targets)
		c.tell = func(room, part int, count uint64) {
			if home := s.home(room); home != nil {
				if home == c {
					c.traffic.completed(room, part, count)
				} else {
					home.loop.Post(func() { home.traffic.completed(room, part, count) })
				}
				return
			}
			elsewhere(Completion{room, part, count})
		}
		s.crews = append(s.crews, c)
	}
	return s, nil
}

// home is the crew of a room's publisher, nil if it is in another process.
func (s *Squad) home(room int) *crew {
	part := 0
	if s.plan.rooms() > 1 {
		part = room % s.plan.parts()
	}
	loops := s.plan.Options.Shape.Loops
	if part/loops != s.process {
		return nil
	}
	return s.crews[part%loops]
}

// Completed takes a completion of another process. Safe for concurrent use.
func (s *Squad) Completed(c Completion) {
	if home := s.home(c.Room); home != nil {
		home.loop.Post(func() { home.traffic.completed(c.Room, c.Part, c.Count) })
	}
}

// all runs a function on each loop, one after the other, and waits for each.
func (s *Squad) all(do func(*crew)) {
	for _, c := range s.crews {
		done := make(chan struct{})
		if c.loop.Post(func() { do(c); close(done) }) {
			<-done
		}
	}
}

// Connect begins to connect all clients. Samples tell how many are missing.
func (s *Squad) Connect() { s.all((*crew).connect) }

// Begin starts the traffic.
func (s *Squad) Begin() { s.all(func(c *crew) { c.traffic.begin() }) }

// Trouble starts what the scenario has in store.
func (s *Squad) Trouble() { s.all((*crew).trouble) }

// End stops the traffic. What is under way still arrives.
func (s *Squad) End() { s.all(func(c *crew) { c.traffic.end() }) }

// Sample takes what happened since the last sample.
func (s *Squad) Sample() Sample {
	var sum Sample
	s.all(func(c *crew) { sum.Add(c.sample()) })
	return sum
}

// Sent says how many messages the senders here have sent to rooms.
func (s *Squad) Sent() Sent {
	sum := Sent{}
	s.all(func(c *crew) {
		for k, n := range c.sent() {
			sum[k] = n
		}
	})
	return sum
}

// Audit compares what was received with what all squads together have sent.
func (s *Squad) Audit(sent Sent) Audit {
	var sum Audit
	s.all(func(c *crew) { sum.Add(c.examine(sent)) })
	return sum
}

// Close has all clients take their leave, and ends the loops.
func (s *Squad) Close() error {
	s.all((*crew).leave)
	var failed error
	for _, c := range s.crews {
		failed = errors.Join(failed, c.loop.Stop())
	}
	return failed
}
