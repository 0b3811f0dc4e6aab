package handoff

import "time"

// Phase is where a machine is in its handoff.
type Phase uint8

// The phases of a taker.
const (
	Looking    Phase = iota // has asked what there is to claim
	Waiting                 // has claimed, holds what arrives, has asked for the state
	Confirming              // has the state and may not use it yet
	Settling                // has adopted; delivers what the owner forwards, holds what it receives itself
	Trailing                // delivers what it receives itself, but for what the owner had
	Ended                   // see the last action
)

// Taker is one handoff as the side sees it that wants the unit. O is the offer, S the unit's state, M a
// message; they are opaque here. It has no clock: now is the caller's, on any origin. Owned by one loop.
//
// Actions must be carried out in order and before the next call. Messages go to the owner, to the verb of
// their name.
type Taker[O, S, M any] struct {
	options  Options
	token    string
	size     func(M) int
	phase    Phase
	grant    uint64
	received uint64 // forwarded messages, without a gap
	asked    bool   // for the gap that there is
	state    S
	had      *Seen // what the unit has had by way of the owner: before it froze, and forwarded
	held     held[M]
	begun    time.Duration // of the handoff, then of trailing
	sent     time.Duration // the last request
	ticked   time.Duration
}

// NewTaker makes the machine of one handoff. size is how many bytes a message takes.
func NewTaker[O, S, M any](options Options, token string, size func(M) int) *Taker[O, S, M] {
	return &Taker[O, S, M]{options: options.withDefaults(), token: token, size: size}
}

// Token is the handoff's token.
func (t *Taker[O, S, M]) Token() string { return t.token }

// Phase is where the handoff is. While it is Settling, another taker's Look and Give are to be answered with
// Busy.
func (t *Taker[O, S, M]) Phase() Phase { return t.phase }

// Had is what the unit has had by way of its former owner. While the taker is Trailing, the unit's Owner needs it
// as its floor. Read only.
func (t *Taker[O, S, M]) Had() *Seen { return t.had }

// Backlog is how many messages and bytes are held.
func (t *Taker[O, S, M]) Backlog() (messages, bytes int) { return len(t.held.letters), t.held.bytes }

// Start begins.
func (t *Taker[O, S, M]) Start(now time.Duration) []Action {
	t.begun, t.sent, t.ticked = now, now, now
	return []Action{Look{Token: t.token}}
}

// Offered takes the owner's answer to Look.
func (t *Taker[O, S, M]) Offered(now time.Duration, m Offer[O]) []Action {
	if t.phase != Looking || m.Token != t.token {
		return nil
	}
	t.phase, t.sent = Waiting, now
	return []Action{Claim[O]{Offer: m.Offer}, Give{Token: t.token}}
}

// Held takes a message that this node received itself, on what is claimed. Call it from Claim until Retire or
// Fail, in the order in which messages arrive; more than is claimed does no harm.
//
// Before Finish the message is kept. Without an identity it is not: the owner has it, or it is lost (at most
// once). When the bounds are reached before the state has come, the handoff fails and the owner keeps the
// unit. Afterwards the taker may be the owner already and cannot fail: it drops the oldest, which are those
// that the owner most likely had, and Finish says so if it had not.
func (t *Taker[O, S, M]) Held(now time.Duration, mark Mark, m M) []Action {
	switch t.phase {
	case Trailing:
		if t.had.Has(mark) || mark.Known() && t.had.Unsure(mark) {
			return nil
		}
		return []Action{Deliver[M]{Mark: mark, Message: m}}
	case Waiting, Confirming, Settling:
	default:
		return nil
	}
	if !mark.Known() || t.had.Has(mark) {
		return nil
	}
	t.held.add(mark, m, t.size(m))
	if !t.held.over(&t.options) {
		return nil
	}
	if t.phase == Waiting {
		return t.fail(FailFull, "")
	}
	t.held.shed(&t.options)
	return nil
}

// Given takes the state. The taker is not the owner yet: it asks for that, and gets the unit with Confirmed.
func (t *Taker[O, S, M]) Given(now time.Duration, m State[S]) []Action {
	if t.phase != Waiting || m.Token != t.token {
		return nil
	}
	t.phase, t.sent = Confirming, now
	t.grant, t.state, t.had = m.Grant, m.State, m.Seen.Clone()
	t.held.prune(t.had)
	return []Action{Stage[S]{State: m.State}, t.confirm(now)}
}

// Confirmed takes the owner's word that the unit is this node's.
func (t *Taker[O, S, M]) Confirmed(now time.Duration, m Confirmed) []Action {
	if t.phase != Confirming || m.Token != t.token {
		return nil
	}
	return t.adopt()
}

func (t *Taker[O, S, M]) adopt() []Action {
	state := t.state
	var none S
	t.phase, t.state = Settling, none
	return []Action{Adopt[S]{State: state}}
}

// Forwarded takes a message that reached the owner after it froze the unit.
func (t *Taker[O, S, M]) Forwarded(now time.Duration, m Forward[M]) (actions []Action) {
	if m.Token != t.token {
		return nil
	}
	if t.phase == Confirming { // nothing is forwarded before the owner has decided
		actions = t.adopt()
	}
	if t.phase != Settling || m.Index <= t.received {
		return actions
	}
	if m.Index > t.received+1 {
		return t.gap(now, actions)
	}
	t.received, t.asked = m.Index, false
	if t.had.Has(m.Mark) {
		return actions
	}
	t.had.Note(m.Mark)
	t.held.skim(t.had)
	return append(actions, Deliver[M]{Mark: m.Mark, Message: m.Message})
}

// Settled takes the owner's last word.
func (t *Taker[O, S, M]) Settled(now time.Duration, m Settled) (actions []Action) {
	if m.Token != t.token {
		return nil
	}
	switch t.phase {
	case Confirming:
		actions = t.adopt()
	case Settling:
	case Trailing: // it has not heard that we are done
		return []Action{Done{Token: t.token}}
	default:
		return nil
	}
	if t.received < m.Count {
		return t.gap(now, actions)
	}
	actions = append(t.finish(now, actions), Done{Token: t.token})
	// Linger is over: whatever the unit had had before it froze has been here, and what came later is listed.
	t.had.whole()
	return actions
}

// gap asks for what is missing, once; Tick does it again.
func (t *Taker[O, S, M]) gap(now time.Duration, actions []Action) []Action {
	if t.asked {
		return actions
	}
	t.asked = true
	return append(actions, t.confirm(now))
}

func (t *Taker[O, S, M]) confirm(now time.Duration) Action {
	t.sent = now
	return Confirm{Token: t.token, Grant: t.grant, Received: t.received}
}

// finish delivers what was held and the owner has not had. From here on had is what to drop.
func (t *Taker[O, S, M]) finish(now time.Duration, actions []Action) []Action {
	for _, l := range t.held.letters {
		if !t.had.Has(l.mark) && !t.had.Unsure(l.mark) {
			actions = append(actions, Deliver[M]{Mark: l.mark, Message: l.message})
		}
	}
	actions = append(actions, Finish{Torn: t.held.torn(t.had)})
	t.held = held[M]{}
	t.phase, t.begun, t.ticked = Trailing, now, now
	return actions
}

// Refused takes the owner's refusal of a request.
func (t *Taker[O, S, M]) Refused(now time.Duration, m Refused) []Action {
	if m.Token != t.token || m.Reason == Busy {
		return nil // Tick asks again
	}
	switch {
	case t.phase == Looking && m.Step == StepLook, t.phase == Waiting && m.Step == StepGive,
		t.phase == Confirming && m.Step == StepConfirm:
	case t.phase == Settling && m.Step == StepConfirm: // it has forgotten us: we were declared lost
		return t.finish(now, nil)
	default:
		return nil
	}
	switch m.Reason {
	case Moved:
		return t.fail(FailMoved, m.Node)
	case Revoked:
		return t.fail(FailRevoked, "")
	}
	return t.fail(FailGone, "")
}

// NoOwner takes the backplane's word that nobody listened to a request. It is not the owner's: once the taker
// has the state, the owner may have moved the unit, and the taker asks on.
func (t *Taker[O, S, M]) NoOwner(now time.Duration) []Action {
	if t.phase > Waiting {
		return nil
	}
	return t.fail(FailNoOwner, "")
}

// OwnerLost takes the routers' word that the owner is dead. A unit that was not adopted is lost with it; one
// that was goes on with what there is.
func (t *Taker[O, S, M]) OwnerLost(now time.Duration) []Action {
	switch {
	case t.phase < Settling:
		return t.fail(FailOwnerLost, "")
	case t.phase == Settling:
		return t.finish(now, nil)
	}
	return nil
}

// Abandon ends the handoff because nobody wants the unit here any more: the client has left, or the unit has
// ended after it was adopted. It does nothing while Confirming, when the unit may or may not be ours: look
// again after Adopt or Fail.
func (t *Taker[O, S, M]) Abandon(now time.Duration) []Action {
	switch t.phase {
	case Looking, Waiting:
		return t.fail(FailAbandoned, "")
	case Settling:
		t.end()
		return []Action{Done{Token: t.token}, Retire{}}
	case Trailing:
		t.end()
		return []Action{Retire{}}
	}
	return nil
}

func (t *Taker[O, S, M]) fail(reason Failure, node string) (actions []Action) {
	if t.phase == Waiting {
		actions = append(actions, Decline{Token: t.token})
	}
	if t.phase >= Waiting {
		actions = append(actions, Release{})
	}
	t.end()
	return append(actions, Fail{Reason: reason, Node: node})
}

func (t *Taker[O, S, M]) end() {
	var none S
	t.phase, t.state, t.held = Ended, none, held[M]{}
}

// Due is when Tick is to be called next; ok is false if never.
func (t *Taker[O, S, M]) Due() (at time.Duration, ok bool) {
	switch t.phase {
	case Looking, Waiting:
		return min(t.sent+t.options.Retry, t.begun+t.options.GiveUp), true
	case Confirming, Settling:
		return t.sent + t.options.Retry, true
	case Trailing:
		return min(t.ticked+t.options.Retry, t.begun+t.options.Trail), true
	}
	return 0, false
}

// Tick does what is due. See Owner.Tick about order.
func (t *Taker[O, S, M]) Tick(now time.Duration) []Action {
	stalled := t.options.stalled(now, t.ticked)
	t.ticked = now
	switch t.phase {
	case Looking, Waiting:
		if now-t.begun >= t.options.GiveUp {
			return t.fail(FailTimeout, "")
		}
		if now-t.sent < t.options.Retry {
			return nil
		}
		t.sent = now
		if t.phase == Looking {
			return []Action{Look{Token: t.token}}
		}
		return []Action{Give{Token: t.token}}
	case Confirming, Settling:
		if now-t.sent >= t.options.Retry {
			return []Action{t.confirm(now)}
		}
	case Trailing:
		if stalled {
			t.begun = now
		}
		if now-t.begun >= t.options.Trail {
			t.end()
			return []Action{Retire{}}
		}
	}
	return nil
}
