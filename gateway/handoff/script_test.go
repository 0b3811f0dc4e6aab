package handoff

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A dialogue with one machine: what it is told, at which time, and what it wants done.
type line struct {
	at   time.Duration
	do   func() []Action
	want string
}

func play(t *testing.T, lines []line, now *time.Duration) {
	t.Helper()
	for i, l := range lines {
		*now = l.at
		if got := words(l.do()); got != l.want {
			t.Fatalf("line %d: %q, want %q", i, got, l.want)
		}
	}
}

func words(actions []Action) string {
	all := make([]string, len(actions))
	for i, a := range actions {
		all[i] = word(a)
	}
	return strings.Join(all, ", ")
}

// word spells an action. Tokens are left out: each dialogue has one, but for refusals.
func word(a Action) string {
	switch a := a.(type) {
	case Confirm:
		return fmt.Sprintf("confirm %d/%d", a.Grant, a.Received)
	case State[string]:
		return fmt.Sprintf("state %s/%d seen %s", a.State, a.Grant, AppendSeen(nil, a.Seen))
	case Forward[string]:
		return fmt.Sprintf("forward %d %s", a.Index, a.Message)
	case Settled:
		return fmt.Sprintf("settled %d", a.Count)
	case Refused:
		return strings.TrimSpace(fmt.Sprintf("refused %s %d %d %s", a.Token, a.Step, a.Reason, a.Node))
	case Claim[string]:
		return "claim " + a.Offer
	case Stage[string]:
		return "stage " + a.State
	case Adopt[string]:
		return "adopt " + a.State
	case Deliver[string]:
		return "deliver " + a.Message
	case Finish:
		if a.Torn {
			return "finish torn"
		}
		return "finish"
	case Fail:
		return strings.TrimSpace(fmt.Sprintf("fail %d %s", a.Reason, a.Node))
	case Cut:
		if a.Early {
			return "cut early"
		}
		return "cut"
	case Depart:
		return "depart to " + a.Taker
	}
	name := fmt.Sprintf("%T", a)
	return strings.ToLower(name[strings.LastIndexByte(name, '.')+1:])
}

func mark(text string) Mark {
	m, _ := ParseMark(text)
	return m
}

func length(m string) int { return len(m) }
