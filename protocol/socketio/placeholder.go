package socketio

import (
	"bytes"
	"strconv"
)

const (
	placeholderKey = "_placeholder"
	numKey         = "num"
)

// AppendPlaceholder appends the placeholder for an attachment.
func AppendPlaceholder(dst []byte, num int) []byte {
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(num), 10)
	return append(dst, '}')
}

// CheckPlaceholders checks that every placeholder in the payload of a binary
// packet, {"_placeholder":true,"num":N} anywhere in it, stands for one of the
// attachments: N is written as a plain integer from 0 to attachments-1. Order is
// free, and one attachment may be used often or not at all. Of a key given twice
// the last counts, as in JavaScript. payload must be valid JSON or empty, as
// [Decode] leaves it; on other input the answer means nothing. Errors:
// [ErrPlaceholder], and [ErrDepth] beyond [MaxDepth]. It does not allocate.
func CheckPlaceholders(payload []byte, attachments int) error {
	// Without the key, spelled out or escaped, there is nothing to check.
	if !bytes.Contains(payload, []byte(placeholderKey)) && !bytes.Contains(payload, []byte(`\u`)) {
		return nil
	}
	w := placeholderWalk{data: payload, attachments: attachments}
	_, err := w.value(skipSpace(payload, 0), 0)
	return err
}

// placeholderWalk visits every object of a valid JSON value. It recurses: each
// level needs to remember two keys, and depth is bounded.
type placeholderWalk struct {
	data        []byte
	attachments int
}

// value visits the value at i and returns the index after it.
func (w *placeholderWalk) value(i, depth int) (end int, err error) {
	if depth > MaxDepth {
		return i, ErrDepth
	}
	if i >= len(w.data) {
		return i, ErrJSON
	}
	switch w.data[i] {
	case '{':
		return w.object(i+1, depth)
	case '[':
		return w.array(i+1, depth)
	case '"':
		return skipString(w.data, i+1)
	}
	return skipScalar(w.data, i), nil
}

// array visits the elements of an array from i on, after its bracket.
func (w *placeholderWalk) array(i, depth int) (end int, err error) {
	for {
		i = skipSpace(w.data, i)
		if i >= len(w.data) {
			return i, ErrJSON
		}
		switch w.data[i] {
		case ']':
			return i + 1, nil
		case ',':
			i++
			continue
		}
		start := i
		if i, err = w.value(i, depth+1); err != nil {
			return i, err
		}
		if i == start {
			return i, ErrJSON
		}
	}
}

// object visits the members of an object from i on, after its brace, and judges
// it at the end, when the last value of each key is known.
func (w *placeholderWalk) object(i, depth int) (end int, err error) {
	marked, legal := false, false
	for {
		i = skipSpace(w.data, i)
		if i >= len(w.data) {
			return i, ErrJSON
		}
		switch w.data[i] {
		case '}':
			if marked && !legal {
				return i, ErrPlaceholder
			}
			return i + 1, nil
		case ',':
			i++
			continue
		case '"':
		default:
			return i, ErrJSON
		}
		start := i + 1
		if i, err = skipString(w.data, start); err != nil {
			return i, err
		}
		var buffer [len(placeholderKey)]byte
		n, _ := unescapeASCII(buffer[:], w.data[start:i-1])
		if i = skipSpace(w.data, i); i >= len(w.data) || w.data[i] != ':' {
			return i, ErrJSON
		}
		start = skipSpace(w.data, i+1)
		if i, err = w.value(start, depth+1); err != nil {
			return i, err
		}
		switch string(buffer[:n]) {
		case placeholderKey:
			marked = string(w.data[start:i]) == "true"
		case numKey:
			legal = w.legal(w.data[start:i])
		}
	}
}

// legal tells whether a value is the number of an attachment. Other spellings of
// an integer, such as 1.0 or 1e0, are refused: no encoder writes them.
func (w *placeholderWalk) legal(value []byte) bool {
	num := 0
	for _, c := range value {
		if !isDigit(c) || num >= w.attachments {
			return false
		}
		num = num*10 + int(c-'0')
	}
	return len(value) > 0 && num < w.attachments
}

// skipScalar returns the index after a number or literal: of the next byte from
// i on that ends one.
func skipScalar(data []byte, i int) int {
	for i < len(data) && !isSpace(data[i]) && data[i] != ',' && data[i] != ']' && data[i] != '}' {
		i++
	}
	return i
}
