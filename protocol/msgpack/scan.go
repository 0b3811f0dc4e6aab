package msgpack

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// What is needed to walk over JSON that is known to be valid.

// skipSpace returns the index of the first byte from i on that is not white space.
func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\t' || data[i] == '\n' || data[i] == '\r') {
		i++
	}
	return i
}

// endsScalar tells whether a byte ends a number or a literal.
func endsScalar(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\n', '\r':
		return true
	}
	return false
}

// stringEnd returns the index behind the closing quote of the string whose contents
// begin at i.
func stringEnd(data []byte, i int) int {
	for i < len(data) {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return len(data)
		}
		escapes := 0
		for j := i + n - 1; j >= i && data[j] == '\\'; j-- {
			escapes++
		}
		i += n + 1
		if escapes%2 == 0 {
			return i
		}
	}
	return len(data)
}

// appendUnescaped appends the contents of a JSON string, without its escapes.
func appendUnescaped(dst, raw []byte) []byte {
	for {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 || n+1 >= len(raw) {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:n]...)
		c := raw[n+1]
		raw = raw[n+2:]
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var r rune
			r, raw = cutUnit(raw)
			if utf16.IsSurrogate(r) {
				r, raw = cutPair(r, raw)
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
}

// cutUnit reads the four hexadecimal digits of an escape.
func cutUnit(raw []byte) (unit rune, rest []byte) {
	n := min(4, len(raw))
	for _, c := range raw[:n] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		unit = unit<<4 | rune(c&15)
	}
	return unit, raw[n:]
}

// cutPair reads the second half of a surrogate pair, if it is there.
func cutPair(first rune, raw []byte) (r rune, rest []byte) {
	if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
		return utf8.RuneError, raw
	}
	second, rest := cutUnit(raw[2:])
	if r = utf16.DecodeRune(first, second); r == utf8.RuneError {
		return r, raw // two that are no pair
	}
	return r, rest
}

// placeholder tells whether the object that begins here stands for one of the
// attachments, which, and where it ends. It looks at no more than two members.
func (w *fromJSON) placeholder() (num, end int, ok bool) {
	if len(w.attachments) == 0 {
		return 0, 0, false
	}
	i := skipSpace(w.data, w.pos+1)
	marked, num := false, -1
	for member := range 2 {
		switch {
		case hasPrefix(w.data, i, `"_placeholder"`):
			if i = valueAt(w.data, i+len(`"_placeholder"`)); !hasPrefix(w.data, i, "true") {
				return 0, 0, false
			}
			i += len("true")
			marked = true
		case hasPrefix(w.data, i, `"num"`):
			i = valueAt(w.data, i+len(`"num"`))
			start := i
			for i < len(w.data) && !endsScalar(w.data[i]) && i-start < 9 {
				i++
			}
			n, ok := digits(w.data[start:i])
			if !ok || n >= uint64(len(w.attachments)) {
				return 0, 0, false
			}
			num = int(n)
		default:
			return 0, 0, false
		}
		i = skipSpace(w.data, i)
		want := byte(',')
		if member == 1 {
			want = '}'
		}
		if i >= len(w.data) || w.data[i] != want {
			return 0, 0, false
		}
		i = skipSpace(w.data, i+1)
	}
	return num, i, marked && num >= 0
}

func hasPrefix(data []byte, i int, prefix string) bool {
	return i <= len(data) && len(data)-i >= len(prefix) && string(data[i:i+len(prefix)]) == prefix
}

// valueAt returns where the value of a key begins whose closing quote is before i.
func valueAt(data []byte, i int) int {
	return skipSpace(data, skipSpace(data, i)+1)
}
