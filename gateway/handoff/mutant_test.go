package handoff

import (
	"os"
	"strings"
	"testing"
)

// mutant is a rule broken on purpose: text of a file, and what to put in its place.
type mutant struct{ name, file, old, new string }

// mutants are the rules that the simulation must see broken. TestMutants, under the build tag mutants, plays
// each; it is kept apart because it compiles the package once for every mutant.
func mutants() []mutant {
	return []mutant{
		{"taker: what the owner saw before the state is ignored", "taker.go", "m.Grant, m.State, m.Seen.Clone()", "m.Grant, m.State, NewSeen(0)"},
		{"taker: adopts before the owner has decided", "taker.go", "State: m.State}, t.confirm(now)}", "State: m.State}, t.confirm(now), t.adopt()[0]}"},
		{"taker: adopts again at every Confirmed", "taker.go", "t.phase != Confirming || m.Token != t.token {\n		return nil\n	}\n	return t.adopt()", "t.phase < Confirming || m.Token != t.token {\n		return nil\n	}\n	return t.adopt()"},
		{"taker: no trail", "taker.go", "	case Trailing:\n		if t.had.Has(mark) || mark.Known() && t.had.Unsure(mark) {\n			return nil\n		}\n", "	case Trailing:\n"},
		{"taker: forwarded messages may repeat", "taker.go", "t.phase != Settling || m.Index <= t.received", "t.phase != Settling"},
		{"taker: gaps in what is forwarded are accepted", "taker.go", "if m.Index > t.received+1 {", "if false {"},
		{"taker: does not note what is forwarded", "taker.go", "	t.had.Note(m.Mark)\n", ""},
		{"taker: does not count before it finishes", "taker.go", "if t.received < m.Count {", "if false {"},
		{"taker: Confirm is not repeated", "taker.go", "if now-t.sent >= t.options.Retry {", "if false {"},
		{"taker: never gives up", "taker.go", "if now-t.begun >= t.options.GiveUp {", "if false {"},
		{"taker: gives up without listeners though the owner may have decided", "taker.go", "if t.phase > Waiting {", "if t.phase > Confirming {"},
		{"taker: the owner's death is not heard", "taker.go", "	case t.phase == Settling:\n		return t.finish(now, nil)", "	case false:"},
		{"taker: adopts when the owner is lost", "taker.go", "	case t.phase < Settling:\n		return t.fail(FailOwnerLost, \"\")", "	case t.phase == Confirming:\n		return t.adopt()\n	case t.phase < Settling:\n		return t.fail(FailOwnerLost, \"\")"},
		{"taker: fails when full though it may be the owner", "taker.go", "	if t.phase == Waiting {\n		return t.fail(FailFull", "	if t.phase >= Waiting {\n		return t.fail(FailFull"},
		{"taker: loses silently what it has no room for", "taker.go", "Finish{Torn: t.held.torn(t.had)}", "Finish{}"},
		{"taker: a pause shortens the trail", "taker.go", "		if stalled {", "		if stalled = false; stalled {"},
		{"taker: keeps its claims after a failure", "taker.go", "if t.phase >= Waiting {\n		actions", "if false {\n		actions"},
		{"taker: what has no identity is not held back", "taker.go", "	if !mark.Known() || t.had.Has(mark) {\n		return nil\n	}\n", "	if !mark.Known() && t.phase == Settling {\n		return []Action{Deliver[M]{Mark: mark, Message: m}}\n	}\n"},
		{"taker: no hold-back", "taker.go", "	t.held.add(mark, m, t.size(m))\n", "	if t.phase == Settling {\n		return []Action{Deliver[M]{Mark: mark, Message: m}}\n	}\n	t.held.add(mark, m, t.size(m))\n"},
		{"taker: what the owner may have seen is delivered", "taker.go", "if !t.had.Has(l.mark) && !t.had.Unsure(l.mark) {", "if !t.had.Has(l.mark) {"},
		{"taker: a client that leaves ends what may be ours", "taker.go", "	case Looking, Waiting:\n		return t.fail(FailAbandoned", "	case Looking, Waiting, Confirming:\n		return t.fail(FailAbandoned"},

		{"owner: token and grant of Confirm unchecked", "owner.go", "m.Token != o.gift.Token || m.Grant != o.gift.Grant || o.phase", "o.phase"},
		{"owner: grant of Confirm unchecked", "owner.go", "m.Token != o.gift.Token || m.Grant != o.gift.Grant || o.phase", "m.Token != o.gift.Token || o.phase"},
		{"owner: goes on while it has given", "owner.go", "	case Owning, Freezing:\n		return []Action{Deliver[M]{Mark: mark, Message: m}}\n	case Given, Lingering:", "	case Owning, Freezing, Given:\n		return []Action{Deliver[M]{Mark: mark, Message: m}}\n	case Lingering:"},
		{"owner: restores what has gone", "owner.go", "	case o.phase == Lingering, o.phase == Leaving:\n		return o.forget()", "	case o.phase == Lingering, o.phase == Leaving:\n		return o.restore()"},
		{"owner: restores at any Decline", "owner.go", "if o.phase != Given || m.Token != o.gift.Token {\n		return nil\n	}\n	return o.restore()", "if o.phase < Given || o.phase > Leaving {\n		return nil\n	}\n	return o.restore()"},
		{"owner: gives to a second taker as well", "owner.go", "	case o.phase == Given && o.gift.Token == m.Token:\n", "	case o.phase == Given:\n		o.gift.Token = m.Token\n"},
		{"owner: does not linger", "owner.go", "o.phase == Lingering && now-o.since >= o.options.Linger", "o.phase == Lingering"},
		{"owner: a pause shortens the linger", "owner.go", "		if stalled {", "		if stalled = false; stalled {"},
		{"owner: what comes while it is frozen is lost when it restores", "owner.go", "	for _, l := range o.log.letters {", "	for _, l := range o.log.letters[:0] {"},
		{"owner: forwards only once", "owner.go", "	for i := range o.log.letters {", "	if len(actions) == 2 {\n		o.log.trim(0)\n	}\n	for i := range o.log.letters[:len(o.log.letters)*(len(actions)-1)] {"},
		{"owner: Settled is not repeated by the clock", "owner.go", "if now-o.sent >= o.options.Retry {", "if false {"},
		{"owner: the taker's death is not heard", "owner.go", "	case node != o.taker:", "	case true:"},
		{"owner: stays frozen for ever", "owner.go", "now-o.since >= o.options.Frozen", "false"},
		{"owner: the floor is forgotten", "owner.go", "	o.gift.Seen.merge(o.floor)\n", ""},
		{"owner: late copies are forwarded again", "owner.go", "	if o.floor.Has(mark) {", "	if false {"},
		{"owner: any Done is believed", "owner.go", "if o.phase != Lingering && o.phase != Leaving || m.Token != o.gift.Token {", "if false {"},
		{"owner: keeps without bound", "owner.go", "	case o.phase == Given && o.log.over(&o.options):\n		return o.restore()\n", ""},

		{"held: keeps without bound", "held.go", "len(h.letters) > o.Messages || h.bytes > o.Bytes }\n\nfunc (h *held[M]) add", "false }\n\nfunc (h *held[M]) add"},
		{"log: trims one too many", "held.go", "g.trimmed < min(index, g.last())", "g.trimmed < min(index+1, g.last())"},
		{"seen: forgets too much", "seen.go", "s.old, s.spiltOld = s.fresh, s.spilt", "s.old, s.spiltOld = nil, s.spilt"},
		{"seen: the last number is not included", "seen.go", "m.Sequence <= max(", "m.Sequence < max("},
		{"seen: the lower number counts", "seen.go", "s.fresh[p] = max(n, s.fresh[p])", "s.fresh[p] = n"},
	}
}

// Each mutant must still change something: the text that it replaces is there, once.
func TestMutantsApply(t *testing.T) {
	for _, m := range mutants() {
		source, err := os.ReadFile(m.file)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.old); n != 1 {
			t.Errorf("%s: its text is %d times in %s", m.name, n, m.file)
		}
	}
}
