package gateway

import (
	"sync/atomic"
	"time"
)

// Defaults of LoopOptions.
const (
	DefaultGather      = Window(3 * time.Millisecond)
	DefaultGatherAbove = 1500
	// maxGather is little beside any timeout: timers are late by as much.
	maxGather = 100 * time.Millisecond
)

// LoopOptions are about the loops.
type LoopOptions struct {
	Loops int `name:"loops" default:"0" help:"Epoll loops; 0 means one per CPU, at most 64."`
	// Gather costs up to so much latency, and saves most of what it costs to wake a cluster for each message.
	Gather Window `name:"gather" default:"3ms" help:"How long a busy gateway lets what clients send wait for more, so that it travels together; 0 turns it off."`
	// GatherAbove is what makes a gateway busy.
	GatherAbove int `name:"gather-above" default:"1500" help:"Messages a second from the clients of a gateway, from which on they gather."`
}

// gatherWindow is how long the rate of messages is measured.
const gatherWindow = 100 * time.Millisecond

// gathering moderates how often loops read, as network cards moderate interrupts. A message that travels alone wakes each part of the
// cluster for itself, which costs many times what the message does. So when messages come faster than at a certain rate, all
// loops read at the same ticks, and what has come between two of them travels together. Otherwise they read at once. What
// comes from the backplane never waits for a tick. Safe for concurrent use.
type gathering struct {
	span  time.Duration // between ticks; 0 if loops always read at once
	above int64         // messages a second
	since atomic.Int64  // when the window began
	count atomic.Int64  // messages in it
	busy  atomic.Bool
}

func (g *gathering) configure(o *LoopOptions) {
	g.span, g.above = max(0, time.Duration(o.Gather)), int64(o.GatherAbove)
}

// note counts the messages that a loop has read in a turn.
func (g *gathering) note(n int, now time.Duration) {
	if n == 0 || g.span == 0 {
		return
	}
	count := g.count.Add(int64(n))
	since := g.since.Load()
	passed := int64(now) - since
	if passed < int64(gatherWindow) || !g.since.CompareAndSwap(since, int64(now)) {
		return
	}
	g.count.Add(-count)
	g.busy.Store(float64(count) >= float64(g.above)*time.Duration(passed).Seconds())
}

// gathers reports whether loops read at ticks. Without messages nobody says that they are over.
func (g *gathering) gathers(now time.Duration) bool {
	return g.busy.Load() && int64(now)-g.since.Load() < 2*int64(gatherWindow)
}

// next is when a loop may read again that has read now.
func (g *gathering) next(now time.Duration) time.Duration {
	if !g.busy.Load() {
		return now
	}
	return now - now%g.span + g.span
}
