package handoff

// The messages between the two sides. A side's method returns them as actions: they are to be sent
// to the other side, and given there to the method of that name. All may be lost, repeated,
// late and out of order.
//
// Token names one handoff: unique in the cluster and over time. The taker's node makes it.

// Look asks the owner what there is to claim. From the taker; repeated until there is an answer.
type Look struct{ Token string }

// Give asks the owner to freeze the unit and give its state. From the taker; repeated.
type Give struct{ Token string }

// Confirm says that the taker has the state and all that Received counts of what was forwarded.
// The first one that reaches the owner moves the unit. From the taker, repeated until Settled has come.
type Confirm struct {
	Token    string
	Grant    uint64 // State.Grant
	Received uint64 // the last Forward.Index without a gap
}

// Decline is the taker's promise that it will not adopt, so that the owner need not wait.
// It may be lost: Options.Frozen does the same, later. A node that gets a State with a token that
// it does not know sends it.
type Decline struct{ Token string }

// Done says that the taker needs the owner no more. A node that gets a Settled with a token
// that it does not know sends it too.
type Done struct{ Token string }

// Offer answers Look. O says what to claim: namespaces, rooms, socket ids.
type Offer[O any] struct {
	Token string
	Offer O
}

// State answers Give. S is the unit as it was when it froze.
type State[S any] struct {
	Token string
	Grant uint64 // of this freezing
	State S
	Seen  *Seen // what the unit had had when it froze
}

// Confirmed answers Confirm: the unit is the taker's.
type Confirmed struct{ Token string }

// Forward is a message for the unit that reached the owner after it froze.
type Forward[M any] struct {
	Token   string
	Index   uint64 // 1, 2, …
	Mark    Mark
	Message M
}

// Settled is the owner's last word: it forwarded Count messages and will forward no more. What
// comes after them is the taker's own to receive.
type Settled struct {
	Token string
	Count uint64
}

// Refused answers Look, Give or Confirm.
type Refused struct {
	Token  string
	Step   Step
	Reason Refusal
	Node   string // of Moved: where the unit is
}

// Step is a request of the taker, of those that can be refused.
type Step uint8

// The steps.
const (
	StepLook Step = iota + 1
	StepGive
	StepConfirm
)

// Refusal is why a request was refused.
type Refusal uint8

// The refusals. A taker goes on after Busy and fails after the others.
const (
	// Busy: another taker has been given the unit and has not confirmed, or the owner has just taken it itself.
	Busy Refusal = iota + 1
	// Moved: the unit is at another node.
	Moved
	// Gone: there is no such unit. Also the answer of an edge that has no machine for the request.
	Gone
	// Revoked: the owner went on with the unit, after Options.Frozen or because the taker was declared lost.
	Revoked
)

func (Look) action()      {}
func (Give) action()      {}
func (Confirm) action()   {}
func (Decline) action()   {}
func (Done) action()      {}
func (Offer[O]) action()  {}
func (State[S]) action()  {}
func (Confirmed) action() {}
func (Forward[M]) action() {
}
func (Settled) action() {}
func (Refused) action() {}
