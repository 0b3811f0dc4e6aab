package handoff

import "time"

// Owner is one movable unit, a session or a socket, as its owner sees it. It need not exist before the first
// Look or Give, and may be dropped whenever it is Owning. S is the unit's state, M a message. Owned by one
// loop.
//
// The owner alone decides: the first Confirm that it accepts moves the unit, and until then it may
// take the unit back at any time. So there is one owner whatever is lost, late or dead.
//
// Messages among the actions go to the node that Taker names; but what answers Look, and Refused, goes to
// whoever asked. An edge routes Look and Give by unit, to where the unit is now or else to the last machine
// that it left; Confirm, Decline and Done by token. Where there is no machine, the answer is Refused with
// Gone.
type Owner[S, M any] struct {
	options Options
	size    func(M) int
	seen    *Seen // the loop's
	floor   *Seen
	phase   Phase
	gift    State[S] // of this freezing; the same however often it is asked for
	taker   string
	log     log[M]
	since   time.Duration // of Given, Lingering
	sent    time.Duration // the last Settled
	ticked  time.Duration
}

// The phases of an owner.
const (
	Owning    Phase = iota + Ended + 1 // the unit is here
	Freezing                           // until Frozen is called
	Given                              // frozen, for a taker that has not confirmed
	Lingering                          // the unit is the taker's; what arrives for it is forwarded
	Leaving                            // all is forwarded; the taker has not said that it is done
	Forgotten                          // see the last action
)

// NewOwner makes the machine of a unit that is here. seen is the loop's; it is read, never written. floor is
// what the unit has had besides: Taker.Had while the unit's own taker is Trailing, and the named messages that it has had lately.
func NewOwner[S, M any](options Options, seen, floor *Seen, size func(M) int) *Owner[S, M] {
	return &Owner[S, M]{options: options.withDefaults(), size: size, seen: seen, floor: floor, phase: Owning}
}

// Phase is where the unit is.
func (o *Owner[S, M]) Phase() Phase { return o.phase }

// Token is the handoff's for which the unit is frozen or gone.
func (o *Owner[S, M]) Token() string { return o.gift.Token }

// Taker is the node for which the unit is frozen or to which it is gone.
func (o *Owner[S, M]) Taker() string { return o.taker }

// Backlog is how many messages and bytes are kept.
func (o *Owner[S, M]) Backlog() (messages, bytes int) { return len(o.log.letters), o.log.bytes }

// Look takes a taker's question what there is.
func (o *Owner[S, M]) Look(now time.Duration, m Look) []Action {
	if o.phase == Owning {
		return []Action{MakeOffer(m)}
	}
	return o.refuse(m.Token, StepLook)
}

// Give takes a taker's request for the unit. The first one wins; while it is given, others are told that
// it is busy, and later where it has gone.
func (o *Owner[S, M]) Give(now time.Duration, m Give, taker string) []Action {
	switch {
	case o.phase == Owning:
		o.phase, o.taker = Freezing, taker
		o.gift.Token = m.Token
		return []Action{Freeze(m)}
	case o.phase == Given && o.gift.Token == m.Token:
		return []Action{o.gift}
	}
	return o.refuse(m.Token, StepGive)
}

// refuse answers a request that cannot be met now. A repeated one of the taker itself needs no answer.
func (o *Owner[S, M]) refuse(token string, step Step) []Action {
	r := Refused{Token: token, Step: step, Reason: Gone}
	switch {
	case step != StepConfirm && o.gift.Token == token && o.phase < Forgotten:
		return nil
	case o.phase == Lingering || o.phase == Leaving:
		r.Reason, r.Node = Moved, o.taker
	case o.phase != Forgotten && step == StepConfirm:
		r.Reason = Revoked
	case o.phase != Forgotten:
		r.Reason = Busy
	}
	return []Action{r}
}

// Frozen answers Freeze, in the same turn. grant is a number that the node never gave before: it tells this
// state from another under the same token.
func (o *Owner[S, M]) Frozen(now time.Duration, grant uint64, state S) []Action {
	if o.phase != Freezing {
		return nil
	}
	o.phase, o.since, o.ticked = Given, now, now
	o.gift.Grant, o.gift.State = grant, state
	o.gift.Seen = o.seen.Clone()
	o.gift.Seen.merge(o.floor)
	return []Action{o.gift}
}

// Message takes a message for the unit that has reached this node, in the order of arrival. Call it while the
// phase is Given or Lingering; at other times it says to deliver it (Owning), or nothing.
//
// When the bounds are reached, a unit that is Given is restored, and one that is Lingering is cut early.
func (o *Owner[S, M]) Message(now time.Duration, mark Mark, m M) []Action {
	switch o.phase {
	case Owning, Freezing:
		return []Action{Deliver[M]{Mark: mark, Message: m}}
	case Given, Lingering:
	default:
		return nil
	}
	if o.floor.Has(mark) { // a late copy of what its former owner forwarded
		return nil
	}
	o.log.add(mark, m, o.size(m))
	switch {
	case o.phase == Given && o.log.over(&o.options):
		return o.restore()
	case o.phase == Given:
		return nil
	}
	actions := []Action{o.forward(len(o.log.letters) - 1)}
	if o.log.over(&o.options) {
		actions = append(actions, o.cut(now, true)...)
	}
	return actions
}

func (o *Owner[S, M]) forward(i int) Action {
	l := &o.log.letters[i]
	return Forward[M]{Token: o.gift.Token, Index: o.log.trimmed + 1 + uint64(i), Mark: l.mark, Message: l.message}
}

// Confirm takes the taker's word that it has the state, and moves the unit; later, how much of
// what was forwarded has come, and forwards the rest again.
func (o *Owner[S, M]) Confirm(now time.Duration, m Confirm) (actions []Action) {
	if m.Token != o.gift.Token || m.Grant != o.gift.Grant || o.phase < Given || o.phase > Leaving {
		return o.refuse(m.Token, StepConfirm)
	}
	if o.phase == Given {
		var none S
		o.phase, o.since, o.ticked = Lingering, now, now
		o.gift.State = none
		actions = append(actions, Depart{Token: o.gift.Token, Taker: o.taker})
	}
	o.log.trim(m.Received)
	actions = append(actions, Confirmed{Token: o.gift.Token})
	for i := range o.log.letters {
		actions = append(actions, o.forward(i))
	}
	if o.phase == Leaving {
		actions = append(actions, o.settled(now))
	}
	return actions
}

// Decline takes a taker's promise that it will not adopt.
func (o *Owner[S, M]) Decline(now time.Duration, m Decline) []Action {
	if o.phase != Given || m.Token != o.gift.Token {
		return nil
	}
	return o.restore()
}

// Done takes the taker's word that it needs no more.
func (o *Owner[S, M]) Done(now time.Duration, m Done) []Action {
	if o.phase != Lingering && o.phase != Leaving || m.Token != o.gift.Token {
		return nil
	}
	return o.forget()
}

// TakerLost takes the routers' word that a node is dead. What it had not confirmed goes on here; what it had
// is lost with it.
func (o *Owner[S, M]) TakerLost(now time.Duration, node string) []Action {
	switch {
	case node != o.taker:
	case o.phase == Given:
		return o.restore()
	case o.phase == Lingering, o.phase == Leaving:
		return o.forget()
	}
	return nil
}

// End says that the unit has ended here, for a reason of its own: its client timed out, the application
// closed it. A taker that confirms later is refused. It does nothing to a unit that is not here any more.
func (o *Owner[S, M]) End(now time.Duration) []Action {
	switch o.phase {
	case Owning, Freezing, Given:
		return o.forget()
	}
	return nil
}

// restore takes the unit back, with what came meanwhile.
func (o *Owner[S, M]) restore() []Action {
	actions := []Action{Restore{Token: o.gift.Token}}
	for _, l := range o.log.letters {
		actions = append(actions, Deliver[M]{Mark: l.mark, Message: l.message})
	}
	o.reset(Owning)
	return actions
}

func (o *Owner[S, M]) forget() []Action {
	token := o.gift.Token
	o.reset(Forgotten)
	return []Action{Forget{Token: token}}
}

func (o *Owner[S, M]) reset(phase Phase) {
	o.phase, o.taker, o.gift, o.log = phase, "", State[S]{}, log[M]{}
}

// cut ends the forwarding: all that reached this node up to now was the owner's, the rest is the taker's.
func (o *Owner[S, M]) cut(now time.Duration, early bool) []Action {
	o.phase = Leaving
	return []Action{Cut{Token: o.gift.Token, Early: early}, o.settled(now)}
}

func (o *Owner[S, M]) settled(now time.Duration) Action {
	o.sent = now
	return Settled{Token: o.gift.Token, Count: o.log.last()}
}

// Due is when Tick is to be called next; ok is false if never.
func (o *Owner[S, M]) Due() (at time.Duration, ok bool) {
	switch o.phase {
	case Given:
		return o.since + o.options.Frozen, true
	case Lingering:
		return min(o.ticked+o.options.Retry, o.since+o.options.Linger), true
	case Leaving:
		return o.sent + o.options.Retry, true
	}
	return 0, false
}

// CutDue reports whether Tick would end the linger. It is for an edge whose inbox may fall behind: see Tick.
func (o *Owner[S, M]) CutDue(now time.Duration) bool {
	return o.phase == Lingering && now-o.since >= o.options.Linger
}

// Tick does what is due. It must not overtake messages: when it is called, what had reached this node before
// now has been handled. A process that was stopped is noticed by the ticks that did not come, and Linger
// begins again; if the backplane's inbox can fall behind by as much as Linger, let ticks come out of the
// inbox, as a pulse that the node sends to itself.
func (o *Owner[S, M]) Tick(now time.Duration) []Action {
	stalled := o.options.stalled(now, o.ticked)
	o.ticked = now
	switch o.phase {
	case Given:
		if now-o.since >= o.options.Frozen {
			return o.restore()
		}
	case Lingering:
		if stalled {
			o.since = now
		}
		if o.CutDue(now) {
			return o.cut(now, false)
		}
	case Leaving:
		if now-o.sent >= o.options.Retry {
			return []Action{o.settled(now)}
		}
	}
	return nil
}
