package handoff

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Bounds of Seen.
const (
	// DefaultPublishers is how many publishers a Seen remembers in each of its two generations.
	DefaultPublishers = 4096
	// MaxPublishers is how many ParseSeen accepts.
	MaxPublishers = 65536
)

// ErrSeen reports text that is no Seen.
var ErrSeen = errors.New("handoff: malformed list of what was seen")

// Seen is what somebody has had: for each publisher, the highest sequence number. The backplane
// keeps a publisher's order, so that is a complete description.
//
// Each loop keeps one and notes in it every message that is posted to it, in the turn in which it
// is dispatched, whether or not it has a recipient there.
//
// Its size is bounded in two ways. Turn forgets publishers that have been silent for a whole
// interval between turns. That is correct if the interval is at least Options.Horizon: what such
// a publisher sent last is then older than anything that a taker can still hold. And each
// generation has at most a fixed number of publishers. Past it new ones are not remembered, and
// the Seen is partial until that generation is gone: a message of a publisher that a partial Seen
// does not list may have been seen or not, and is treated like one without an identity, at most once.
//
// A nil Seen is one that has seen nothing, to be read only. Owned by its loop; not for several goroutines.
type Seen struct {
	limit    int // of fresh; 0 for none
	fresh    map[string]uint64
	old      map[string]uint64
	spilt    bool // fresh is partial
	spiltOld bool // old was
}

// NewSeen makes an empty Seen. limit 0 means DefaultPublishers.
func NewSeen(limit int) *Seen {
	if limit <= 0 {
		limit = DefaultPublishers
	}
	return &Seen{limit: limit, fresh: map[string]uint64{}}
}

// Note adds a message. One without an identity is not noted.
func (s *Seen) Note(m Mark) {
	if !m.Known() {
		return
	}
	if had, ok := s.fresh[m.Publisher]; ok {
		if m.Sequence > had {
			s.fresh[m.Publisher] = m.Sequence
		}
		return
	}
	if s.limit > 0 && len(s.fresh) >= s.limit {
		s.spilt = true
		if had, ok := s.old[m.Publisher]; ok && m.Sequence > had {
			s.old[m.Publisher] = m.Sequence
		}
		return
	}
	// A copy: the name may be part of a whole message.
	s.fresh[strings.Clone(m.Publisher)] = max(m.Sequence, s.old[m.Publisher])
}

// Has reports whether a message was seen.
func (s *Seen) Has(m Mark) bool {
	return s != nil && m.Known() && m.Sequence <= max(s.fresh[m.Publisher], s.old[m.Publisher])
}

// Unsure reports that it cannot be said whether a message was seen: it has no identity, or the
// Seen is partial and does not list its publisher. Named ones are all listed.
func (s *Seen) Unsure(m Mark) bool {
	return !m.Known() || s.Partial() && !m.named() && s.fresh[m.Publisher] == 0 && s.old[m.Publisher] == 0
}

// Partial reports that there were more publishers than the bound allows.
func (s *Seen) Partial() bool { return s != nil && (s.spilt || s.spiltOld) }

// Len is the number of publishers listed.
func (s *Seen) Len() int {
	if s == nil {
		return 0
	}
	n := len(s.fresh)
	for p := range s.old {
		if _, ok := s.fresh[p]; !ok {
			n++
		}
	}
	return n
}

// Turn forgets the publishers that were not noted since the Turn before: they have been silent for at
// least one whole interval. Call it every Options.Horizon, or less often.
func (s *Seen) Turn() {
	s.old, s.spiltOld = s.fresh, s.spilt
	s.fresh, s.spilt = make(map[string]uint64, len(s.old)), false
}

// Clone copies a Seen. The copy has one generation and no bound of its own: it is for one handoff, and is
// bounded by what it is made from.
func (s *Seen) Clone() *Seen {
	c := &Seen{fresh: map[string]uint64{}, spilt: s.Partial()}
	c.raise(s)
	return c
}

// With is a Clone that has also seen some messages. s may be nil.
func (s *Seen) With(marks ...Mark) *Seen {
	c := s.Clone()
	for _, m := range marks {
		c.Note(m)
	}
	return c
}

// merge adds all that another has seen, to a Clone. What one of them cannot say, neither can the result.
func (s *Seen) merge(other *Seen) {
	mine := s.Clone()
	s.raise(other)
	s.spilt = s.spilt || other.Partial()
	if !s.Partial() {
		return
	}
	for p := range s.fresh {
		m := Mark{Publisher: p, Sequence: 1}
		if mine.Unsure(m) || other.Unsure(m) {
			delete(s.fresh, p)
		}
	}
}

func (s *Seen) raise(other *Seen) {
	if other == nil {
		return
	}
	for _, generation := range []map[string]uint64{other.old, other.fresh} {
		for p, n := range generation {
			s.fresh[p] = max(n, s.fresh[p])
		}
	}
}

// whole declares that what is not listed was not seen.
func (s *Seen) whole() { s.spilt, s.spiltOld = false, false }

// within reports whether other has seen, for sure, all that s has.
func (s *Seen) within(other *Seen) bool {
	if s.Partial() {
		return false
	}
	for p, n := range s.fresh {
		if !other.Has(Mark{Publisher: p, Sequence: n}) {
			return false
		}
	}
	return true
}

// AppendSeen appends a Seen as text: its marks, sorted, with one space between; "*" first if it
// is partial.
func AppendSeen(dst []byte, s *Seen) []byte {
	c := s.Clone()
	begin := len(dst)
	if c.spilt {
		dst = append(dst, '*')
	}
	for _, p := range slices.Sorted(maps.Keys(c.fresh)) {
		if len(dst) > begin {
			dst = append(dst, ' ')
		}
		dst = AppendMark(dst, Mark{Publisher: p, Sequence: c.fresh[p]})
	}
	return dst
}

// ParseSeen reads what AppendSeen writes. It fails with ErrSeen, also for more than MaxPublishers.
func ParseSeen(text []byte) (*Seen, error) {
	s := &Seen{fresh: map[string]uint64{}}
	if bytes.Equal(text, []byte("*")) {
		s.spilt = true
		return s, nil
	}
	text, s.spilt = bytes.CutPrefix(text, []byte("* "))
	if len(text) == 0 && !s.spilt {
		return s, nil
	}
	for id := range strings.SplitSeq(string(text), " ") {
		m, ok := ParseMark(id)
		if !ok || len(s.fresh) >= MaxPublishers {
			return nil, ErrSeen
		}
		s.fresh[m.Publisher] = max(m.Sequence, s.fresh[m.Publisher])
	}
	return s, nil
}
