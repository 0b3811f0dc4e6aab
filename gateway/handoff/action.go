package handoff

// Action is what a machine wants done: a message to send to the other side, or one of the local
// acts below. The caller does them in order, before it gives the machine anything else.
type Action interface{ action() }

// Local acts of a taker.

// Claim asks for interest in what the offer names. From now on, whatever arrives on it (or more) goes to
// Taker.Held. It must be in effect at this node's own server before the Give that follows is sent.
type Claim[O any] struct{ Offer O }

// Stage asks for interest in what the state names and the offer did not: it may have changed in between.
type Stage[S any] struct{ State S }

// Adopt makes this node the owner: add the unit, deliver the state's packets, tell routers and worker.
// Messages for the unit still go to Taker.Held.
type Adopt[S any] struct{ State S }

// Deliver dispatches a message, to this unit alone, as if it had arrived now. Of a taker or an owner.
// The unit may turn out not to be a recipient.
type Deliver[M any] struct {
	Mark    Mark
	Message M
}

// Finish ends the hold-back: from here on Held returns at once what is to be delivered. Torn says that
// messages were lost for want of room (Options.Messages, Options.Bytes), or perhaps: close the unit with a
// reason rather than let it miss something silently.
type Finish struct{ Torn bool }

// Retire says that Held need not be called any more: drop the machine.
type Retire struct{}

// Release takes the claims back; after a failure.
type Release struct{}

// Fail ends the handoff without the unit. Drop the machine.
type Fail struct {
	Reason Failure
	Node   string // of FailMoved: where to try next, with a new token
}

// Failure is why a handoff failed, as the taker sees it.
type Failure uint8

// The failures.
const (
	// FailTimeout: no answer within Options.GiveUp.
	FailTimeout Failure = iota + 1
	// FailNoOwner: nobody listens where the owner should be.
	FailNoOwner
	// FailOwnerLost: the owner was declared lost.
	FailOwnerLost
	// FailGone: the owner has no such unit.
	FailGone
	// FailMoved: the unit is at another node.
	FailMoved
	// FailRevoked: the owner went on with the unit.
	FailRevoked
	// FailFull: more arrived than can be held. The owner keeps the unit.
	FailFull
	// FailAbandoned: Taker.Abandon was called.
	FailAbandoned
)

// Local acts of an owner.

// MakeOffer asks for an Offer with what the unit has, for whoever asked.
type MakeOffer struct{ Token string }

// Freeze asks to stop the unit: read nothing from its client, send it nothing, fire none of its timers but
// what ends it. Call Owner.Frozen with its state in the same turn. Its claims stay, and messages for it go to
// Owner.Message.
type Freeze struct{ Token string }

// Restore undoes Freeze. Deliver actions for what came meanwhile follow.
type Restore struct{ Token string }

// Depart says that the unit is no longer this node's. Take it out of everything but its claims, without
// telling its worker or client that it ended; messages for it still go to Owner.Message.
type Depart struct {
	Token string
	Taker string
}

// Cut says that the claims may be released, and Owner.Message need not be called any more. Early says that it
// came before Options.Linger was over, for want of room: something may be lost if the backplane is slow;
// count it.
type Cut struct {
	Token string
	Early bool
}

// Forget is the last action: drop the machine (and release the claims if there was no Cut).
type Forget struct{ Token string }

func (Claim[O]) action()   {}
func (Stage[S]) action()   {}
func (Adopt[S]) action()   {}
func (Deliver[M]) action() {}
func (Finish) action()     {}
func (Retire) action()     {}
func (Release) action()    {}
func (Fail) action()       {}
func (MakeOffer) action()  {}
func (Freeze) action()     {}
func (Restore) action()    {}
func (Depart) action()     {}
func (Cut) action()        {}
func (Forget) action()     {}
