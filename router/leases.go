package router

import (
	"time"

	"patchbay/backplane"
)

// Defaults of leases.
const (
	// DefaultLease is how long a node or worker may be silent before it is dead.
	DefaultLease = 5 * time.Second
	// DefaultBeat is how often nodes and workers show themselves.
	DefaultBeat = time.Second
)

// holder says who holds a lease.
type holder struct {
	kind byte // holderNode or holderWorker
	id   string
}

const (
	holderNode   = 'n'
	holderWorker = 'w'
)

type lease struct {
	epoch uint64
	heard time.Time
}

// leases watches over nodes and workers. It has no clock. Owned by the router's loop.
//
// A silence counts only while the router itself could hear. It knows that from a pulse
// that it sends to itself over the backplane: a pulse that comes back in time proves that all that
// was published before it has been read. After a pause in pulses (the process was
// stopped, NATS was away, the inbox was flooded) everybody gets a fresh lease, so that a
// router that was deaf declares nobody dead.
type leases struct {
	lease time.Duration
	beat  time.Duration
	held  map[holder]lease
	pulse time.Time // when the last pulse that came back in time was sent
}

func newLeases(term, beat time.Duration, now time.Time) *leases {
	return &leases{lease: term, beat: beat, held: map[holder]lease{}, pulse: now}
}

// renew notes that a holder was heard.
func (l *leases) renew(kind byte, id string, epoch uint64, now time.Time) {
	l.held[holder{kind, id}] = lease{epoch: epoch, heard: now}
}

// drop ends a lease without a word.
func (l *leases) drop(kind byte, id string) { delete(l.held, holder{kind, id}) }

// revoke ends the lease of an epoch without a word, and reports whether there was one.
func (l *leases) revoke(kind byte, id string, epoch uint64) bool {
	h := holder{kind, id}
	held, ok := l.held[h]
	if !ok || held.epoch != epoch {
		return false
	}
	delete(l.held, h)
	return true
}

// age is how long ago a holder was heard; zero for one without a lease.
func (l *leases) age(kind byte, id string, now time.Time) time.Duration {
	if held, ok := l.held[holder{kind, id}]; ok {
		return max(0, now.Sub(held.heard))
	}
	return 0
}

// silent is the age from which an answer calls a node missing: two and a half beats, so that one may be late.
func (l *leases) silent() time.Duration { return 2*l.beat + l.beat/2 }

// beaten takes a pulse that came back, and returns the leases that have run out; they are
// dropped. deaf reports that there was a pause and that everybody has a fresh lease.
func (l *leases) beaten(sent, now time.Time) (lost []backplane.Lost, deaf bool) {
	if now.Sub(sent) > l.beat {
		return nil, false // what is read now is old; it says nothing about who lives
	}
	deaf = sent.Sub(l.pulse) > 2*l.beat
	l.pulse = sent
	if deaf {
		for h, held := range l.held {
			held.heard = now
			l.held[h] = held
		}
		return nil, true
	}
	for h, held := range l.held {
		if sent.Sub(held.heard) < l.lease {
			continue
		}
		delete(l.held, h)
		word := backplane.Lost{Epoch: held.epoch}
		if h.kind == holderNode {
			word.Node = h.id
		} else {
			word.Worker = h.id
		}
		lost = append(lost, word)
	}
	return lost, false
}
