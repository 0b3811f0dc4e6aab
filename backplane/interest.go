package backplane

import (
	"sync"
	"time"
)

// DefaultLinger is how long a subscription outlives its last claim. Clients that
// reconnect and rooms that empty and fill again then cost NATS nothing.
const DefaultLinger = 10 * time.Second

// Interest counts a node's claims on subjects, by shard (loop). The first claim on a
// subject subscribes; when the last is released, the subscription stays for the
// linger and is then dropped by Sweep. Safe for concurrent use; the mutex is held
// while subscribing, so that a claim that returns is backed by a subscription.
type Interest struct {
	inbox  *Inbox
	linger time.Duration
	fence  *Fence // nil for none

	mu     sync.RWMutex
	claims map[string]*claim
	idle   map[string]time.Time // claims without shards, and since when
}

// claim is one subject's: how many claims each shard holds.
type claim struct {
	sub    Subscription
	shards uint64 // bit i: shard i holds a claim
	counts []uint32
	number uint64 // of the fence; it confirms the subscription
}

// NewInterest returns an empty table whose subscriptions feed an inbox; a
// linger of 0 means DefaultLinger. The fence is the one of the inbox's connection; without one nothing is ever Confirmed.
func NewInterest(inbox *Inbox, linger time.Duration, fence *Fence) *Interest {
	if linger == 0 {
		linger = DefaultLinger
	}
	return &Interest{inbox: inbox, linger: linger, fence: fence, claims: map[string]*claim{}, idle: map[string]time.Time{}}
}

// Claim adds a claim of a shard (0 to MaxShards-1). When it returns, whatever others
// publish in answer to a later message of ours is received.
func (i *Interest) Claim(subject string, shard int) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.claims[subject] == nil {
		sub, err := i.inbox.Subscribe(subject)
		if err != nil {
			return err
		}
		c := &claim{sub: sub}
		if i.fence != nil {
			c.number = i.fence.next()
		}
		i.claims[subject] = c
	}
	i.countLocked(subject, shard)
	return nil
}

// Confirmed reports whether all NATS servers know of a subject, which has a claim or lingers: what is published now, anywhere, is heard here.
func (i *Interest) Confirmed(subject string) bool {
	i.mu.RLock()
	defer i.mu.RUnlock()
	c := i.claims[subject]
	return c != nil && i.fence != nil && (c.sub.sub == nil || i.fence.confirmed(c.number))
}

// Hold is Claim for a subject that the inbox hears anyway, through a wildcard: another
// subscription would bring every message twice.
func (i *Interest) Hold(subject string, shard int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.claims[subject] == nil {
		i.claims[subject] = &claim{}
	}
	i.countLocked(subject, shard)
}

// countLocked adds a shard's claim to a subject that is known.
func (i *Interest) countLocked(subject string, shard int) {
	c := i.claims[subject]
	delete(i.idle, subject)
	for len(c.counts) <= shard {
		c.counts = append(c.counts, 0)
	}
	c.counts[shard]++
	c.shards |= 1 << shard
}

// Release takes a claim back. Releasing what was not claimed does nothing.
func (i *Interest) Release(subject string, shard int, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.claims[subject]
	if c == nil || len(c.counts) <= shard || c.counts[shard] == 0 {
		return
	}
	if c.counts[shard]--; c.counts[shard] > 0 {
		return
	}
	if c.shards &^= 1 << shard; c.shards == 0 {
		i.idle[subject] = now
	}
}

// Abandon is Release without the linger: for a subject that was never of use, or one socket's. If it was the last claim, it
// unsubscribes at once; an error means that the connection is closed, and the subscription with it.
func (i *Interest) Abandon(subject string, shard int) {
	i.Release(subject, shard, time.Time{})
	i.mu.Lock()
	defer i.mu.Unlock()
	if since, idle := i.idle[subject]; idle && since.IsZero() {
		_ = i.claims[subject].sub.Unsubscribe()
		delete(i.claims, subject)
		delete(i.idle, subject)
	}
}

// Shards returns the set of shards with a claim on a subject, bit i for shard i.
func (i *Interest) Shards(subject string) uint64 {
	i.mu.RLock()
	defer i.mu.RUnlock()
	if c := i.claims[subject]; c != nil {
		return c.shards
	}
	return 0
}

// Sweep drops the subscriptions that have lingered long enough. It returns the first error,
// after having tried them all.
func (i *Interest) Sweep(now time.Time) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var first error
	for subject, since := range i.idle {
		if now.Sub(since) < i.linger {
			continue
		}
		if err := i.claims[subject].sub.Unsubscribe(); err != nil && first == nil {
			first = err
		}
		delete(i.claims, subject)
		delete(i.idle, subject)
	}
	return first
}

// Len returns how many subjects are subscribed, lingering ones included.
func (i *Interest) Len() int {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return len(i.claims)
}
