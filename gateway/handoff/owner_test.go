package handoff

import (
	"testing"
	"time"
)

// giver is an owner with its inputs in short. It has seen p up to 4.
type giver struct {
	*Owner[string, string]
	seen   *Seen
	grants uint64
	now    time.Duration
}

func newGiver(o Options, floor *Seen) *giver {
	g := &giver{seen: NewSeen(0)}
	g.seen.Note(mark("p.4"))
	g.Owner = NewOwner[string](o, g.seen, floor, length)
	return g
}

func (g *giver) look(token string) func() []Action {
	return func() []Action { return g.Look(g.now, Look{Token: token}) }
}

// give freezes at once when it is asked to.
func (g *giver) give(token string) func() []Action {
	return func() []Action {
		actions := g.Give(g.now, Give{Token: token}, "node-of-"+token)
		if g.Phase() == Freezing {
			g.grants++
			actions = append(actions, g.Frozen(g.now, g.grants, "unit")...)
		}
		return actions
	}
}

func (g *giver) message(m string) func() []Action {
	return func() []Action { return g.Message(g.now, mark(m), m) }
}

func (g *giver) confirm(token string, grant, received uint64) func() []Action {
	return func() []Action {
		return g.Confirm(g.now, Confirm{Token: token, Grant: grant, Received: received})
	}
}

func (g *giver) decline(token string) func() []Action {
	return func() []Action { return g.Decline(g.now, Decline{Token: token}) }
}

func (g *giver) done(token string) func() []Action {
	return func() []Action { return g.Done(g.now, Done{Token: token}) }
}

func (g *giver) lost(node string) func() []Action {
	return func() []Action { return g.TakerLost(g.now, node) }
}

func (g *giver) tick() []Action { return g.Tick(g.now) }
func (g *giver) end() []Action  { return g.End(g.now) }

// Where the dialogues begin.
func (g *giver) given() []line {
	return []line{{0, g.look("t"), "makeoffer"}, {0, g.give("t"), "freeze, state unit/1 seen p.4"}}
}

func (g *giver) lingering() []line {
	return append(g.given(), line{0, g.confirm("t", 1, 0), "depart to node-of-t, confirmed"})
}

// leaving ticks in time, so that the linger ends.
func (g *giver) leaving() []line {
	lines := g.lingering()
	for at := DefaultRetry; at < DefaultLinger; at += DefaultRetry {
		lines = append(lines, line{at, g.tick, ""})
	}
	return append(lines, line{DefaultLinger, g.tick, "cut, settled 0"})
}

func TestOwner(t *testing.T) {
	for name, dialogue := range map[string]func(g *giver) []line{
		"whole": func(g *giver) []line {
			return []line{
				{0, g.message("p.5"), "deliver p.5"},
				{0, g.look("t"), "makeoffer"},
				{0, g.give("t"), "freeze, state unit/1 seen p.4"},
				{0, g.message("p.6"), ""},
				{0, g.give("t"), "state unit/1 seen p.4"},
				{0, g.confirm("t", 1, 0), "depart to node-of-t, confirmed, forward 1 p.6"},
				{0, g.message("bare"), "forward 2 bare"},
				{0, g.confirm("t", 1, 1), "confirmed, forward 2 bare"},
				{DefaultRetry, g.tick, ""},
				{2 * DefaultRetry, g.done("t"), "forget"},
				{2 * DefaultRetry, g.done("t"), ""},
				{2 * DefaultRetry, g.give("t"), "refused t 2 3"},
			}
		},
		"the end is repeated": func(g *giver) []line {
			return append(g.leaving(), []line{
				{DefaultLinger, g.message("p.9"), ""},
				{DefaultLinger, g.confirm("t", 1, 0), "confirmed, settled 0"},
				{DefaultLinger + DefaultRetry, g.tick, "settled 0"},
				{DefaultLinger + DefaultRetry, g.done("t"), "forget"},
			}...)
		},
		"a stop prolongs the linger": func(g *giver) []line {
			return append(g.lingering(), []line{
				{DefaultLinger, g.tick, ""},
				{DefaultLinger + DefaultRetry, g.tick, ""},
			}...)
		},
		"nobody confirms": func(g *giver) []line {
			return append(g.given(), []line{
				{0, g.message("p.5"), ""},
				{0, g.message("bare"), ""},
				{DefaultFrozen, g.tick, "restore, deliver p.5, deliver bare"},
				{DefaultFrozen, g.confirm("t", 1, 0), "refused t 3 4"},
				{DefaultFrozen, g.give("t"), "freeze, state unit/2 seen p.4"}, // a late one
				{DefaultFrozen, g.confirm("t", 1, 0), "refused t 3 4"},        // of the state before
				{DefaultFrozen, g.decline("t"), "restore"},
			}...)
		},
		"the taker declines": func(g *giver) []line {
			return append(g.given(), line{0, g.decline("u"), ""}, line{0, g.decline("t"), "restore"}, line{0, g.decline("t"), ""})
		},
		"a decline is too late": func(g *giver) []line {
			return append(g.lingering(), line{0, g.decline("t"), ""})
		},
		"a second taker waits": func(g *giver) []line {
			return append(g.given(), []line{
				{0, g.look("u"), "refused u 1 1"},
				{0, g.give("u"), "refused u 2 1"},
				{0, g.confirm("u", 1, 0), "refused u 3 4"},
				{0, g.look("t"), ""},
				{0, g.confirm("t", 1, 0), "depart to node-of-t, confirmed"},
				{0, g.look("u"), "refused u 1 2 node-of-t"},
				{0, g.give("u"), "refused u 2 2 node-of-t"},
				{0, g.confirm("u", 1, 0), "refused u 3 2 node-of-t"},
				{0, g.confirm("t", 2, 0), "refused t 3 2 node-of-t"},
				{0, g.give("t"), ""},
			}...)
		},
		"the taker dies": func(g *giver) []line {
			return append(g.given(), line{0, g.lost("another"), ""}, line{0, g.lost("node-of-t"), "restore"},
				line{0, g.lost("node-of-t"), ""}, line{0, g.confirm("t", 1, 0), "refused t 3 4"})
		},
		"the taker dies with the unit": func(g *giver) []line {
			return append(g.lingering(), line{0, g.lost("another"), ""}, line{0, g.lost("node-of-t"), "forget"})
		},
		"the unit ends": func(g *giver) []line {
			return append(g.given(), line{0, g.end, "forget"}, line{0, g.confirm("t", 1, 0), "refused t 3 3"})
		},
		"the unit cannot end any more": func(g *giver) []line {
			return append(g.lingering(), line{0, g.end, ""})
		},
		"the taker knows too much": func(g *giver) []line {
			return append(g.lingering(), line{0, g.message("p.5"), "forward 1 p.5"}, line{0, g.confirm("t", 1, 99), "confirmed"},
				line{0, g.message("p.6"), "forward 2 p.6"})
		},
		"done of another": func(g *giver) []line {
			return append(g.lingering(), line{0, g.done("u"), ""})
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGiver(Options{}, nil)
			play(t, dialogue(g), &g.now)
		})
	}
}

func TestOwnerFull(t *testing.T) {
	g := newGiver(Options{Messages: 1}, nil)
	play(t, append(g.given(), line{0, g.message("p.5"), ""}, line{0, g.message("p.6"), "restore, deliver p.5, deliver p.6"}), &g.now)

	g = newGiver(Options{Bytes: 3}, nil)
	play(t, append(g.lingering(), []line{
		{0, g.message("p.5"), "forward 1 p.5"},
		{0, g.message("p.6"), "forward 2 p.6, cut early, settled 2"},
		{0, g.confirm("t", 1, 1), "confirmed, forward 2 p.6, settled 2"},
	}...), &g.now)
	if messages, size := g.Backlog(); messages != 1 || size != 3 {
		t.Errorf("keeps %d messages, %d bytes", messages, size)
	}
}

// What the unit had by way of its former owner counts as seen, and its late copies are dropped.
func TestOwnerFloor(t *testing.T) {
	floor := NewSeen(0)
	floor.Note(mark("p.6"))
	floor.Note(mark("q.2"))
	g := newGiver(Options{}, floor)
	play(t, []line{
		{0, g.give("t"), "freeze, state unit/1 seen p.6 q.2"},
		{0, g.message("p.6"), ""},
		{0, g.message("p.7"), ""},
		{0, g.confirm("t", 1, 0), "depart to node-of-t, confirmed, forward 1 p.7"},
	}, &g.now)
}

func TestHorizon(t *testing.T) {
	if got, want := (Options{}).Horizon(), DefaultGiveUp+DefaultFrozen+DefaultLinger+DefaultTrail; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
