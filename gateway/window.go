package gateway

import (
	"strings"

	"patchbay/gateway/handoff"
)

const (
	// windowSize is how many of a publisher's latest emits are remembered one by one. What is older counts as had: what is said again is younger.
	windowSize = 4096
	// maxWindows is how many publishers are remembered. Past it the emits of new ones are taken without a look, as those of clients that
	// do not number them.
	maxWindows = 4096
)

// windows are the emits that this node has had, by publisher. Owned by intake.
type windows struct {
	all map[string]*window
}

// window is the latest emits of one publisher.
type window struct {
	last  uint64
	bits  [windowSize / 64]uint64 // of last-windowSize+1 to last, each at its sequence modulo windowSize
	heard bool                    // since the last turn
}

// add notes an emit. It reports whether it was had before.
func (w *windows) add(m handoff.Mark) bool {
	if !m.Known() {
		return false
	}
	one := w.all[m.Publisher]
	if one == nil {
		if len(w.all) >= maxWindows {
			return false
		}
		if w.all == nil {
			w.all = map[string]*window{}
		}
		one = &window{last: m.Sequence - 1}
		w.all[strings.Clone(m.Publisher)] = one // the name may be part of a whole message
	}
	one.heard = true
	return one.add(m.Sequence)
}

func (o *window) add(sequence uint64) bool {
	if sequence > o.last {
		for n := max(o.last+1, sequence-min(sequence, windowSize-1)); n < sequence; n++ {
			o.bits[n%windowSize/64] &^= 1 << (n % 64)
		}
		o.last = sequence
		o.bits[sequence%windowSize/64] |= 1 << (sequence % 64)
		return false
	}
	if o.has(sequence) {
		return true
	}
	o.bits[sequence%windowSize/64] |= 1 << (sequence % 64)
	return false
}

func (o *window) has(sequence uint64) bool {
	return sequence+windowSize <= o.last || sequence <= o.last && o.bits[sequence%windowSize/64]&(1<<(sequence%64)) != 0
}

// has reports whether an emit was had.
func (w *windows) has(m handoff.Mark) bool {
	one := w.all[m.Publisher]
	return one != nil && one.has(m.Sequence)
}

// seen lists the last emit of each publisher.
func (w *windows) seen() []string {
	list := make([]string, 0, len(w.all))
	for name, one := range w.all {
		list = append(list, handoff.Mark{Publisher: name, Sequence: one.last}.String())
	}
	return list
}

// turn forgets the publishers that have been silent since the last turn.
func (w *windows) turn() {
	for name, one := range w.all {
		if !one.heard {
			delete(w.all, name)
		}
		one.heard = false
	}
}
