// Package handoff is how a unit (a session, or a socket) moves from one node to another: the two state
// machines of docs/decisions/0005-one-handoff.md, one for each side. They are pure. A method takes a message
// or an event and the time, and returns actions; the edge, a gateway's loop, sends the messages, claims the
// subjects and moves the sockets.
//
//	taker                                owner
//	Look ──────────────────────────────▶        MakeOffer
//	Claim, hold   ◀─────────────── Offer
//	Give ──────────────────────────────▶        Freeze, Frozen; logs what comes
//	Stage, hold   ◀─────────────── State
//	Confirm ───────────────────────────▶        decides: Depart
//	Adopt         ◀─────────── Confirmed
//	Deliver, hold ◀─────────── Forward …        forwards what came and comes
//	Finish        ◀───────────── Settled        Cut, after Options.Linger
//	Done ──────────────────────────────▶        Forget
//	Retire, after Options.Trail
//
// # One owner
//
// The owner decides alone, when it accepts the first Confirm. Until then it may take the unit back: when the
// taker declines, is declared lost or does not confirm within Options.Frozen, when too much has to be logged,
// or when the unit ends. A taker uses what it was given only when it hears the decision, and never fails by
// itself between Confirm and its answer. Token and grant tie Confirm to one freezing, so that nothing late or
// repeated decides. Hence, whatever is lost, late, repeated or dead, and whether a node that was declared
// lost lives on or not:
//
//   - At no time do two nodes own a unit. It costs one round trip before the first delivery.
//   - If both live and are not declared lost, the unit ends up at one of them.
//   - A unit dies only with its owner, or if, between the decision and Confirmed, either is dead or declared
//     lost.
//
// # One order
//
// The owner keeps its claims after it froze, so that what it receives is complete and in each publisher's
// order. It logs that and forwards it, numbered. The taker delivers that and nothing else at first: what it
// receives itself it holds, for it cannot know since when its claims are in effect at every server of the
// backplane, and so which of it is complete. After Options.Linger the owner says Settled. Then the taker
// delivers what it holds and the owner had not, and what it receives from then on at once. For Options.Trail
// it drops what the owner had and comes late by its own way. So, for messages with a Mark:
//
//   - Each is delivered at most once, and each publisher's in order: always, also across deaths and chains of
//     handoffs. (It assumes that no message comes later to one node than to another by more than
//     Options.Trail.)
//   - None is lost, if no node dies or is declared lost while it has to do with the handoff, and Finish.Torn
//     and Cut.Early do not say otherwise. (It assumes that Options.Linger is as long as its comment says.)
//     There is no straggler that comes out of order: it is what the hold-back is for.
//
// A message without a Mark cannot be recognised. The owner's copies count until Settled, the taker's from
// then on. So it is delivered at most once, provided that the taker's copy is not later than the owner's
// copy, Linger and Settled together: which is certain if its publisher is connected to the same server as
// owner or taker. It may be lost if it arrives at the owner after the cut and at the taker before Settled.
// The same holds for a publisher that a partial Seen does not list; there it is the whole time since the
// taker's Claim.
//
// A Named message has no number either, but can be recognised. None is lost, each is delivered once, and
// one publisher's are in order, on the same conditions as numbered ones; if a node dies or is declared lost, one may come
// late instead of not at all.
//
// # The edge
//
//   - All of one node's inputs come in order of arrival: messages, the protocol's as well as the claims', and
//     ticks (see Owner.Tick). Note each message in the loop's Seen in the turn in which it is dispatched.
//   - A taker's Held gets what arrives on the claims, from Claim on, before Give is published. Once it has
//     adopted, only what concerns the unit need go there, and Deliver comes back when it is time.
//   - An owner's Message gets what concerns the unit, as if the unit were still in its rooms, while the phase
//     is Given or Lingering: emits, requests about its sockets, acknowledgements.
//   - What changes which messages concern the unit (join, leave) must not take effect between Freeze and
//     Finish: the frozen owner logs the request like any other message; a taker to which it is delivered
//     before Finish puts it off until then. Leaving out what ought to be held would lose it.
//   - A unit needs no Owner until somebody asks, and none while its Taker is Settling: Look and Give are
//     refused as Busy. While the Taker is Trailing, its Had is the Owner's floor.
//   - Decline answers a State, and Done a Settled, whose token is not known; other messages of unknown tokens
//     are ignored. Requests for what is not there are Refused as Gone, for what has
//     gone elsewhere as Moved. A unit that is about to be here is not there yet, but not gone: say nothing,
//     and the request is repeated.
//   - A client that has gone to a node that fails the handoff is told what it would be told if the unit did
//     not exist.
//
// Each machine holds at most Options.Messages messages and Options.Bytes (plus one message) and one Seen or
// two. An owner exists until Done or until its taker is declared lost, a taker until Retire or Fail.
package handoff
