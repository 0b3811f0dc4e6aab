package gateway

import (
	"sync/atomic"
	"time"
)

// history is what a loop keeps of the emits that it handled, so that a client which lost its
// transport can be given what it missed (Socket.IO, connection state recovery). One entry serves all
// recipients: connected sockets cost nothing, and detached ones neither. Owned by its loop.
//
// It is bounded by age (the recovery window) and by bytes; whoever missed more than it holds
// cannot be recovered and starts anew.
type history struct {
	window  time.Duration // 0: nothing is kept
	limit   int           // bytes
	entries []past
	kinds   *atomic.Uint32 // of clients that were here
	first   uint64         // the position of entries[0]; positions count up for ever
	size    int            // bytes in entries
}

// past is an emit of the past, and its encoding.
type past struct {
	b    *broadcast
	wire *wire
	at   time.Duration
	size int
}

// entryCost is what an entry takes besides its packets' bytes.
const entryCost = 200

// next is the position that the next entry will have.
func (h *history) next() uint64 { return h.first + uint64(len(h.entries)) }

// add appends an emit, if it has an id to be found by, and drops what is too old or too much.
func (h *history) add(b *broadcast, w *wire, now time.Duration) {
	if h.window == 0 || b.id == "" {
		return
	}
	size := entryCost + w.size(h.kinds.Load())
	h.entries = append(h.entries, past{b: b, wire: w, at: now, size: size})
	h.size += size
	h.trim(now)
}

// trim drops the oldest entries.
func (h *history) trim(now time.Duration) {
	drop := 0
	for drop < len(h.entries) && (h.size > h.limit || now-h.entries[drop].at > h.window) {
		h.size -= h.entries[drop].size
		drop++
	}
	if drop == 0 {
		return
	}
	h.first += uint64(drop)
	clear(h.entries[:drop])
	h.entries = h.entries[drop:] // append moves the rest to the front of a new array in time
	if len(h.entries) == 0 {
		h.entries = nil
	}
}

// after returns the position behind the emit with an id; ok is false if it is not kept, or not any more.
func (h *history) after(id string) (position uint64, ok bool) {
	for i := len(h.entries) - 1; i >= 0; i-- {
		if h.entries[i].b.id == id {
			return h.first + uint64(i) + 1, true
		}
	}
	return 0, false
}

// since returns the entries from a position on; ok is false if some are gone.
func (h *history) since(position uint64) (entries []past, ok bool) {
	if position < h.first || position > h.next() {
		return nil, false
	}
	return h.entries[position-h.first:], true
}
