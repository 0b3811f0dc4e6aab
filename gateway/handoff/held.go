package handoff

// letter is a message that waits.
type letter[M any] struct {
	mark    Mark
	message M
	size    int
}

// held are the messages that a taker received itself and keeps until it knows which of
// them the owner has had.
type held[M any] struct {
	letters []letter[M]
	bytes   int
	dropped *Seen // nil until one was
}

// over reports whether there is more than the bounds allow.
func (h *held[M]) over(o *Options) bool { return len(h.letters) > o.Messages || h.bytes > o.Bytes }

func (h *held[M]) add(mark Mark, m M, size int) {
	h.letters = append(h.letters, letter[M]{mark: mark, message: m, size: size})
	h.bytes += size
}

// prune drops what somebody else has had.
func (h *held[M]) prune(had *Seen) {
	kept := h.letters[:0]
	for _, l := range h.letters {
		if had.Has(l.mark) {
			h.bytes -= l.size
			continue
		}
		kept = append(kept, l)
	}
	clear(h.letters[len(kept):])
	h.letters = kept
}

// skim drops from the front what somebody else has had.
func (h *held[M]) skim(had *Seen) {
	for len(h.letters) > 0 && had.Has(h.letters[0].mark) {
		h.shift()
	}
}

// shed drops the oldest until the bounds hold, and notes that.
func (h *held[M]) shed(o *Options) {
	if h.dropped == nil {
		h.dropped = NewSeen(0)
	}
	for len(h.letters) > 0 && h.over(o) {
		h.dropped.Note(h.letters[0].mark)
		h.shift()
	}
}

func (h *held[M]) shift() {
	h.bytes -= h.letters[0].size
	h.letters[0] = letter[M]{}
	h.letters = h.letters[1:]
}

// torn reports whether something was shed that nobody else has had.
func (h *held[M]) torn(had *Seen) bool { return h.dropped != nil && !h.dropped.within(had) }

// log is what an owner received for a unit after it froze, numbered from 1, until the taker has it.
type log[M any] struct {
	letters []letter[M]
	bytes   int
	trimmed uint64 // how many are gone from the front
}

func (g *log[M]) over(o *Options) bool { return len(g.letters) > o.Messages || g.bytes > o.Bytes }

// last is the index of the last message; 0 before the first.
func (g *log[M]) last() uint64 { return g.trimmed + uint64(len(g.letters)) }

func (g *log[M]) add(mark Mark, m M, size int) {
	g.letters = append(g.letters, letter[M]{mark: mark, message: m, size: size})
	g.bytes += size
}

// trim drops all up to an index.
func (g *log[M]) trim(index uint64) {
	for g.trimmed < min(index, g.last()) {
		g.bytes -= g.letters[0].size
		g.letters[0] = letter[M]{}
		g.letters = g.letters[1:]
		g.trimmed++
	}
}
