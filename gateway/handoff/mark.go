package handoff

import (
	"hash/fnv"
	"strconv"
	"strings"
)

// MaxPublisher is the longest publisher name, in bytes. It bounds what a broken publisher can
// make every node remember.
const MaxPublisher = 64

// Mark is the identity of a message: who published it, and the how-manieth of that publisher it
// is. As text it is "<publisher>.<sequence>", the value of the header Pb-Id. The zero Mark is no
// identity.
//
// A publisher is one connection to the backplane. It numbers what it publishes from 1, upwards,
// without regard to subjects; copies of one message on several subjects share its mark. After a
// reconnection it says again what may be lost, in order, before anything new; intake takes each once.
type Mark struct {
	Publisher string // 1 to MaxPublisher of A-Z, a-z, 0-9, "-" and "_"
	Sequence  uint64 // from 1
}

// Named is the mark of a message that its publisher does not number, but that no other message can be mistaken for by what it says: it
// counts as the first and only one of a publisher of its own. Such a message is not noted in a loop's Seen, which it would fill: who
// makes an Owner says which of them the unit has had lately, with Seen.With.
func Named(parts ...string) Mark {
	h := fnv.New64a()
	for _, part := range parts {
		// A hash takes whatever it gets.
		_, _ = h.Write([]byte(part))
		_, _ = h.Write([]byte{0})
	}
	return Mark{Publisher: string(strconv.AppendUint([]byte(namedPrefix), h.Sum64(), 36)), Sequence: 1}
}

// namedPrefix has a hyphen, which publishers' random names do not have.
const namedPrefix = "n-"

func (m Mark) named() bool { return strings.HasPrefix(m.Publisher, namedPrefix) }

// Known reports whether the mark is an identity.
func (m Mark) Known() bool { return m.Publisher != "" && m.Sequence != 0 }

// String is the mark as text; empty for no identity.
func (m Mark) String() string { return string(AppendMark(nil, m)) }

// AppendMark appends a mark as text, its sequence in base 36; nothing for no identity.
func AppendMark(dst []byte, m Mark) []byte {
	if !m.Known() {
		return dst
	}
	dst = append(dst, m.Publisher...)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, m.Sequence, 36)
}

// ParseMark reads a mark, in exactly the form that AppendMark writes. Whatever else there is,
// or nothing, is no identity: ok is false and the mark zero. The publisher points into id.
func ParseMark(id string) (m Mark, ok bool) {
	publisher, digits, ok := strings.Cut(id, ".")
	if !ok || !validPublisher(publisher) || digits == "" || digits[0] == '0' || strings.ToLower(digits) != digits {
		return Mark{}, false
	}
	sequence, err := strconv.ParseUint(digits, 36, 64)
	if err != nil {
		return Mark{}, false
	}
	return Mark{Publisher: publisher, Sequence: sequence}, true
}

func validPublisher(name string) bool {
	if name == "" || len(name) > MaxPublisher {
		return false
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
