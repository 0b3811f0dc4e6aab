package socketio

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// scanner checks JSON in one pass without decoding it. It is a loop with a bit
// per level rather than recursion, so that depth costs no stack.
type scanner struct {
	data     []byte
	pos      int
	depth    int
	maxDepth int
	// objects has a bit set for each open level that is an object.
	objects [MaxDepth / 64]uint64
}

// checkJSON returns nil if data is one valid JSON value, in UTF-8, not nested
// deeper than maxDepth, which must not exceed MaxDepth; otherwise the first of
// ErrJSON, ErrUTF8 and ErrDepth that it meets. It accepts what encoding/json
// accepts, less strings that are not UTF-8.
func checkJSON(data []byte, maxDepth int) error {
	s := scanner{data: data, maxDepth: maxDepth}
	s.skipSpace()
	for {
		opened, err := s.value()
		if err != nil {
			return err
		}
		if opened {
			continue
		}
		more, err := s.afterValue()
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// value consumes a scalar, an empty array or object, or the opening of another
// up to its first value; opened tells whether that value must follow.
func (s *scanner) value() (opened bool, err error) {
	if s.pos >= len(s.data) {
		return false, ErrJSON
	}
	switch c := s.data[s.pos]; c {
	case '"':
		s.pos, err = skipString(s.data, s.pos+1)
		return false, err
	case '[', '{':
		return s.open(c)
	case 't':
		return false, s.literal("true")
	case 'f':
		return false, s.literal("false")
	case 'n':
		return false, s.literal("null")
	}
	end := skipNumber(s.data, s.pos)
	if end < 0 {
		return false, ErrJSON
	}
	s.pos = end
	return false, nil
}

// open consumes a bracket and what goes before the first value, or the closing
// bracket if there is none.
func (s *scanner) open(bracket byte) (opened bool, err error) {
	if s.depth == s.maxDepth {
		return false, ErrDepth
	}
	s.pos++
	s.skipSpace()
	// ']' and '}' are each two above their opening brackets.
	if s.pos < len(s.data) && s.data[s.pos] == bracket+2 {
		s.pos++
		return false, nil
	}
	word, bit := &s.objects[s.depth/64], uint64(1)<<(s.depth%64)
	s.depth++
	if bracket == '[' {
		*word &^= bit
		return true, nil
	}
	*word |= bit
	return true, s.key()
}

// afterValue consumes closing brackets and a comma; more tells whether another
// value must follow. If not, the data is at its end.
func (s *scanner) afterValue() (more bool, err error) {
	for {
		s.skipSpace()
		if s.depth == 0 {
			if s.pos < len(s.data) {
				return false, ErrJSON
			}
			return false, nil
		}
		if s.pos >= len(s.data) {
			return false, ErrJSON
		}
		level := s.depth - 1
		inObject := s.objects[level/64]>>(level%64)&1 == 1
		c := s.data[s.pos]
		s.pos++
		switch {
		case c == ',' && inObject:
			s.skipSpace()
			return true, s.key()
		case c == ',':
			s.skipSpace()
			return true, nil
		case c == '}' && inObject, c == ']' && !inObject:
			s.depth--
		default:
			return false, ErrJSON
		}
	}
}

// key consumes an object's key, the colon, and the space around it.
func (s *scanner) key() error {
	if s.pos >= len(s.data) || s.data[s.pos] != '"' {
		return ErrJSON
	}
	var err error
	if s.pos, err = skipString(s.data, s.pos+1); err != nil {
		return err
	}
	s.skipSpace()
	if s.pos >= len(s.data) || s.data[s.pos] != ':' {
		return ErrJSON
	}
	s.pos++
	s.skipSpace()
	return nil
}

func (s *scanner) literal(word string) error {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return ErrJSON
	}
	s.pos = end
	return nil
}

func (s *scanner) skipSpace() { s.pos = skipSpace(s.data, s.pos) }

// skipSpace returns the index of the first byte from i on that is not JSON's
// white space.
func skipSpace(data []byte, i int) int {
	for i < len(data) && isSpace(data[i]) {
		i++
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// skipString returns the index after the closing quote of the string whose
// contents begin at i, or ErrJSON or ErrUTF8.
func skipString(data []byte, i int) (end int, err error) {
	for {
		i = skipPlain(data, i)
		if i >= len(data) {
			return i, ErrJSON
		}
		switch c := data[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			if i = skipEscape(data, i+1); i < 0 {
				return i, ErrJSON
			}
		case c < ' ':
			return i, ErrJSON
		default:
			r, size := utf8.DecodeRune(data[i:])
			if r == utf8.RuneError && size == 1 {
				return i, ErrUTF8
			}
			i += size
		}
	}
}

// skipPlain returns the index of the first byte from i on that is not plain
// inside a string: a quote, a backslash, a control character, or not ASCII. It
// looks at eight bytes at a time: most of what clients send is such text.
func skipPlain(data []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i+8 <= len(data) {
		word := binary.LittleEndian.Uint64(data[i:])
		quote := word ^ ones*'"'
		slash := word ^ ones*'\\'
		// x-n borrows from the top bit of a byte below n; a borrow can spoil
		// only bytes above the lowest hit, which is the one that counts.
		hits := (quote - ones) &^ quote
		hits |= (slash - ones) &^ slash
		hits |= (word - ones*' ') &^ word
		hits |= word
		if hits &= tops; hits != 0 {
			return i + bits.TrailingZeros64(hits)/8
		}
		i += 8
	}
	for i < len(data) && data[i] >= ' ' && data[i] < utf8.RuneSelf && data[i] != '"' && data[i] != '\\' {
		i++
	}
	return i
}

// skipEscape returns the index after the escape whose backslash is before i, or
// -1 if there is no such escape.
func skipEscape(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	switch data[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if _, ok := hex4(data[i+1:]); ok {
			return i + 5
		}
	}
	return -1
}

// hex4 reads the four hexadecimal digits of a \u escape.
func hex4(data []byte) (unit rune, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	for _, c := range data[:4] {
		switch {
		case isDigit(c):
			unit = unit<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit = unit<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// skipNumber returns the index after the number that begins at i, or -1.
func skipNumber(data []byte, i int) int {
	if i < len(data) && data[i] == '-' {
		i++
	}
	if i < len(data) && data[i] == '0' {
		i++
	} else if i = skipDigits(data, i); i < 0 {
		return -1
	}
	if i < len(data) && data[i] == '.' {
		if i = skipDigits(data, i+1); i < 0 {
			return -1
		}
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		return skipDigits(data, i)
	}
	return i
}

// skipDigits returns the index after one or more digits from i on, or -1.
func skipDigits(data []byte, i int) int {
	start := i
	for i < len(data) && isDigit(data[i]) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
