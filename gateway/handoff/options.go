package handoff

import (
	"cmp"
	"time"
)

// Defaults of Options.
const (
	// DefaultRetry is the time between a request and its repetition.
	DefaultRetry = 100 * time.Millisecond
	// DefaultGiveUp is how long a taker tries before the owner has given.
	DefaultGiveUp = 8 * time.Second
	// DefaultFrozen is how long a unit stays frozen for a taker that does not confirm.
	DefaultFrozen = 3 * time.Second
	// DefaultSpread is what DefaultLinger allows for a claim to reach every server of the backplane. In a NATS cluster
	// that is one hop from the taker's server to any other: a millisecond within a site, some 100 between
	// continents.
	DefaultSpread = 150 * time.Millisecond
	// DefaultDelay is what it allows for a message on its way to the owner, two hops at most.
	DefaultDelay = 150 * time.Millisecond
	// DefaultLinger is how long the owner forwards after the unit has gone. A client that moves on meanwhile waits
	// for the end of it, so it is as short as its comment in Options allows.
	DefaultLinger = DefaultSpread + DefaultDelay + 2*DefaultRetry
	// DefaultTrail is how long the taker knows what it has had from the owner.
	DefaultTrail = 5 * time.Second
	// DefaultMessages is how many messages are kept for one unit on each side.
	DefaultMessages = 4096
	// DefaultBytes is how many bytes of messages are kept for one unit on each side.
	DefaultBytes = 4 << 20
)

// Options are the timings and bounds of handoffs. The zero value means the defaults. All nodes
// should have the same.
type Options struct {
	Retry  time.Duration `name:"handoff-retry" default:"100ms" help:"Time after which a request of a handoff is repeated."`
	GiveUp time.Duration `name:"handoff-give-up" default:"8s" help:"How long a node tries to take a session before it tells the client that it does not exist."`
	// Frozen bounds how long a taker that is slow, or dead and not yet declared lost, can stop a unit.
	Frozen time.Duration `name:"handoff-frozen" default:"3s" help:"How long a session stays frozen for a node that does not confirm, before it goes on where it was."`
	// Linger must exceed the time that a claim takes to reach every server of the backplane, plus the longest
	// time that a message takes to reach the owner, plus two Retry: then nothing is lost between the two.
	Linger time.Duration `name:"handoff-linger" default:"500ms" help:"How long the old node forwards the messages of a session that has moved. Raise it where NATS servers are farther apart than 150 ms."`
	// Trail must exceed the time by which a message can reach one node later than another, plus two Retry:
	// then nothing comes twice.
	Trail time.Duration `name:"handoff-trail" default:"5s" help:"How long the new node of a session drops late copies of what the old one forwarded."`
	// Messages and Bytes stop one busy session that moves from filling memory.
	Messages int `name:"handoff-messages" default:"4096" help:"Messages kept for one session that moves."`
	Bytes    int `name:"handoff-bytes" default:"4194304" help:"Bytes of messages kept for one session that moves."`
}

// withDefaults fills in what is zero.
func (o Options) withDefaults() Options {
	o.Retry = cmp.Or(o.Retry, DefaultRetry)
	o.GiveUp = cmp.Or(o.GiveUp, DefaultGiveUp)
	o.Frozen = cmp.Or(o.Frozen, DefaultFrozen)
	o.Linger = cmp.Or(o.Linger, DefaultLinger)
	o.Trail = cmp.Or(o.Trail, DefaultTrail)
	o.Messages = cmp.Or(o.Messages, DefaultMessages)
	o.Bytes = cmp.Or(o.Bytes, DefaultBytes)
	return o
}

// Patience is GiveUp, or its default.
func (o Options) Patience() time.Duration { return o.withDefaults().GiveUp }

// Horizon is the shortest interval at which Seen.Turn may be called: as long as a message that an owner has
// had may matter to a taker.
func (o Options) Horizon() time.Duration {
	o = o.withDefaults()
	return o.GiveUp + o.Frozen + o.Linger + o.Trail
}

// stalled reports that a node has not run for so long that it may have messages waiting that it
// should have handled before now. Timers that stand for "by now it must have come" begin again then.
func (o *Options) stalled(now, ticked time.Duration) bool { return now-ticked > 2*o.Retry }
