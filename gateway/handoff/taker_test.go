package handoff

import (
	"testing"
	"time"
)

// asker is a taker with its inputs in short.
type asker struct {
	*Taker[string, string, string]
	now time.Duration
}

func newAsker(o Options) *asker {
	return &asker{Taker: NewTaker[string, string](o, "t", length)}
}

func (a *asker) start() []Action { return a.Start(a.now) }
func (a *asker) tick() []Action  { return a.Tick(a.now) }
func (a *asker) offered() []Action {
	return a.Offered(a.now, Offer[string]{Token: "t", Offer: "rooms"})
}

func (a *asker) given(seen ...string) func() []Action {
	return func() []Action {
		s := NewSeen(0)
		for _, m := range seen {
			s.Note(mark(m))
		}
		return a.Given(a.now, State[string]{Token: "t", Grant: 7, State: "unit", Seen: s})
	}
}

func (a *asker) confirmed() []Action { return a.Confirmed(a.now, Confirmed{Token: "t"}) }

// held hears a message whose content is its mark; bare for none.
func (a *asker) held(m string) func() []Action {
	return func() []Action { return a.Held(a.now, mark(m), m) }
}

func (a *asker) forwarded(i uint64, m string) func() []Action {
	return func() []Action {
		return a.Forwarded(a.now, Forward[string]{Token: "t", Index: i, Mark: mark(m), Message: m})
	}
}

func (a *asker) settled(n uint64) func() []Action {
	return func() []Action { return a.Settled(a.now, Settled{Token: "t", Count: n}) }
}

func (a *asker) refused(step Step, why Refusal) func() []Action {
	return func() []Action {
		return a.Refused(a.now, Refused{Token: "t", Step: step, Reason: why, Node: map[bool]string{true: "n9"}[why == Moved]})
	}
}

func (a *asker) noOwner() []Action   { return a.NoOwner(a.now) }
func (a *asker) ownerLost() []Action { return a.OwnerLost(a.now) }
func (a *asker) abandon() []Action   { return a.Abandon(a.now) }

// Where the dialogues begin.
func (a *asker) waiting() []line {
	return []line{{0, a.start, "look"}, {0, a.offered, "claim rooms, give"}}
}

func (a *asker) confirming(seen ...string) []line {
	return append(a.waiting(), line{0, a.given(seen...), "stage unit, confirm 7/0"})
}

func (a *asker) settling(seen ...string) []line {
	return append(a.confirming(seen...), line{0, a.confirmed, "adopt unit"})
}

func TestTaker(t *testing.T) {
	for name, dialogue := range map[string]func(a *asker) []line{
		"whole": func(a *asker) []line {
			return append(a.waiting(), []line{
				{0, a.held("p.1"), ""}, // the owner has had it
				{0, a.held("p.3"), ""}, // and will have this one
				{0, a.held("p.4"), ""}, // and not this one
				{0, a.held("bare"), ""},
				{0, a.given("p.2"), "stage unit, confirm 7/0"},
				{0, a.held("q.1"), ""},
				{0, a.confirmed, "adopt unit"},
				{0, a.confirmed, ""},
				{0, a.forwarded(1, "p.3"), "deliver p.3"},
				{0, a.forwarded(2, "bare"), "deliver bare"},
				{0, a.forwarded(2, "bare"), ""},
				{0, a.settled(2), "deliver p.4, deliver q.1, finish, done"},
				{0, a.settled(2), "done"},
				{0, a.held("p.3"), ""}, // late
				{0, a.held("p.5"), "deliver p.5"},
				{0, a.held("bare"), "deliver bare"},
				{DefaultRetry, a.tick, ""},
			}...)
		},
		"requests are repeated": func(a *asker) []line {
			return []line{
				{0, a.start, "look"},
				{1, a.tick, ""},
				{DefaultRetry, a.tick, "look"},
				{DefaultRetry, a.offered, "claim rooms, give"},
				{DefaultRetry, a.offered, ""},
				{2 * DefaultRetry, a.tick, "give"},
				{2 * DefaultRetry, a.given(), "stage unit, confirm 7/0"},
				{2 * DefaultRetry, a.given(), ""},
				{3 * DefaultRetry, a.tick, "confirm 7/0"},
				{3 * DefaultRetry, a.forwarded(1, "p.1"), "adopt unit, deliver p.1"}, // Confirmed was lost
				{4 * DefaultRetry, a.tick, "confirm 7/1"},
			}
		},
		"gap": func(a *asker) []line {
			return append(a.settling(), []line{
				{0, a.forwarded(2, "p.2"), "confirm 7/0"},
				{0, a.forwarded(3, "p.3"), ""},
				{0, a.settled(3), ""},
				{0, a.forwarded(1, "p.1"), "deliver p.1"},
				{0, a.settled(3), "confirm 7/1"},
				{0, a.forwarded(2, "p.2"), "deliver p.2"},
				{0, a.forwarded(3, "p.3"), "deliver p.3"},
				{0, a.settled(3), "finish, done"},
			}...)
		},
		"settled comes first": func(a *asker) []line {
			return append(a.confirming(), line{0, a.settled(0), "adopt unit, finish, done"})
		},
		"gives up looking": func(a *asker) []line {
			return []line{{0, a.start, "look"}, {DefaultGiveUp, a.tick, "fail 1"}, {DefaultGiveUp, a.tick, ""}}
		},
		"gives up waiting": func(a *asker) []line {
			return append(a.waiting(), line{DefaultGiveUp, a.tick, "decline, release, fail 1"}, line{DefaultGiveUp, a.given(), ""})
		},
		"does not give up confirming": func(a *asker) []line {
			return append(a.confirming(), line{3 * DefaultGiveUp, a.tick, "confirm 7/0"}, line{3 * DefaultGiveUp, a.abandon, ""})
		},
		"busy": func(a *asker) []line {
			return []line{
				{0, a.start, "look"}, {0, a.refused(StepLook, Busy), ""}, {DefaultRetry, a.tick, "look"},
				{DefaultRetry, a.offered, "claim rooms, give"}, {DefaultRetry, a.refused(StepGive, Busy), ""},
			}
		},
		"moved": func(a *asker) []line {
			return []line{{0, a.start, "look"}, {0, a.refused(StepLook, Moved), "fail 5 n9"}}
		},
		"a late refusal": func(a *asker) []line {
			return append(a.confirming(), line{0, a.refused(StepLook, Moved), ""}, line{0, a.refused(StepGive, Gone), ""},
				line{0, a.refused(StepConfirm, Revoked), "release, fail 6"})
		},
		"refused while waiting": func(a *asker) []line {
			return append(a.waiting(), line{0, a.refused(StepGive, Gone), "decline, release, fail 4"})
		},
		"nobody listens": func(a *asker) []line {
			return []line{{0, a.start, "look"}, {0, a.noOwner, "fail 2"}}
		},
		"nobody listens any more": func(a *asker) []line {
			return append(a.settling(), line{0, a.noOwner, ""})
		},
		"the owner dies early": func(a *asker) []line {
			return append(a.confirming(), line{0, a.ownerLost, "release, fail 3"}, line{0, a.confirmed, ""})
		},
		"the owner dies late": func(a *asker) []line {
			return append(a.settling("p.1"), []line{
				{0, a.forwarded(1, "p.2"), "deliver p.2"},
				{0, a.held("p.2"), ""},
				{0, a.held("p.3"), ""},
				{0, a.ownerLost, "deliver p.3, finish"},
				{0, a.ownerLost, ""},
			}...)
		},
		"the owner has forgotten": func(a *asker) []line {
			return append(a.settling(), line{0, a.held("p.1"), ""}, line{0, a.refused(StepConfirm, Gone), "deliver p.1, finish"})
		},
		"the client leaves": func(a *asker) []line {
			return append(a.waiting(), line{0, a.abandon, "decline, release, fail 8"})
		},
		"the unit ends while settling": func(a *asker) []line {
			return append(a.settling(), line{0, a.abandon, "done, retire"}, line{0, a.abandon, ""})
		},
		"the unit ends while trailing": func(a *asker) []line {
			return append(a.settling(), line{0, a.settled(0), "finish, done"}, line{0, a.abandon, "retire"})
		},
		"trail": func(a *asker) []line {
			return append(a.settling(), []line{
				{0, a.settled(0), "finish, done"},
				{DefaultRetry, a.tick, ""},
				{DefaultTrail, a.tick, ""}, // it was stopped
				{DefaultTrail + DefaultRetry, a.tick, ""},
				{2*DefaultTrail - 1, a.tick, ""},
				{2 * DefaultTrail, a.tick, ""}, // and again
				{3 * DefaultTrail, a.tick, ""},
			}...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAsker(Options{})
			play(t, dialogue(a), &a.now)
		})
	}
}

// A trail that is ticked when it is due ends.
func TestTakerRetires(t *testing.T) {
	a := newAsker(Options{})
	play(t, append(a.settling(), line{0, a.settled(0), "finish, done"}), &a.now)
	for {
		at, ok := a.Due()
		if !ok {
			t.Fatal("nothing is due")
		}
		a.now = at
		if got := words(a.tick()); got == "retire" {
			break
		} else if got != "" || at > DefaultTrail {
			t.Fatalf("at %s: %q", at, got)
		}
	}
	if _, ok := a.Due(); ok || a.Phase() != Ended {
		t.Error("it goes on")
	}
}

func TestTakerFull(t *testing.T) {
	o := Options{Messages: 2, Bytes: 100}
	t.Run("waiting", func(t *testing.T) {
		a := newAsker(o)
		play(t, append(a.waiting(), line{0, a.held("p.1"), ""}, line{0, a.held("p.2"), ""},
			line{0, a.held("p.3"), "decline, release, fail 7"}), &a.now)
	})
	t.Run("bytes", func(t *testing.T) {
		a := newAsker(Options{Bytes: 5})
		play(t, append(a.waiting(), line{0, a.held("p.1"), ""}, line{0, a.held("p.2"), "decline, release, fail 7"}), &a.now)
	})
	t.Run("what was dropped is forwarded", func(t *testing.T) {
		a := newAsker(o)
		play(t, append(a.settling(), []line{
			{0, a.held("p.1"), ""}, {0, a.held("p.2"), ""}, {0, a.held("p.3"), ""},
			{0, a.forwarded(1, "p.1"), "deliver p.1"},
			{0, a.settled(1), "deliver p.2, deliver p.3, finish, done"},
		}...), &a.now)
	})
	t.Run("what was dropped is lost", func(t *testing.T) {
		a := newAsker(o)
		play(t, append(a.settling(), []line{
			{0, a.held("p.1"), ""}, {0, a.held("p.2"), ""}, {0, a.held("p.3"), ""},
			{0, a.settled(0), "deliver p.2, deliver p.3, finish torn, done"},
		}...), &a.now)
	})
}

// Nothing with another token does anything, in any phase.
func TestTakerToken(t *testing.T) {
	for _, lines := range []func(a *asker) []line{
		func(a *asker) []line { return []line{{0, a.start, "look"}} },
		func(a *asker) []line { return a.waiting() },
		func(a *asker) []line { return a.confirming() },
		func(a *asker) []line { return a.settling() },
		func(a *asker) []line { return append(a.settling(), line{0, a.settled(0), "finish, done"}) },
	} {
		a := newAsker(Options{})
		play(t, lines(a), &a.now)
		phase := a.Phase()
		for _, got := range [][]Action{
			a.Offered(0, Offer[string]{Token: "u"}), a.Given(0, State[string]{Token: "u"}), a.Confirmed(0, Confirmed{Token: "u"}),
			a.Forwarded(0, Forward[string]{Token: "u", Index: 1}), a.Settled(0, Settled{Token: "u"}),
			a.Refused(0, Refused{Token: "u", Step: StepConfirm, Reason: Gone}), a.Refused(0, Refused{Token: "u", Step: StepLook, Reason: Gone}),
		} {
			if len(got) > 0 || a.Phase() != phase {
				t.Errorf("phase %d: %s", phase, words(got))
			}
		}
	}
}
