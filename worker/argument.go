package worker

import (
	"bytes"

	"github.com/go-json-experiment/json"

	"patchbay/backplane"
)

// Arg is one argument as it travels: JSON, in which attachments stand as placeholders, and
// the attachments. It can be decoded, kept, and emitted again, unchanged, as an argument or anywhere in one.
// The zero value is null. An Arg is read-only and safe for concurrent use.
type Arg struct {
	raw         []byte
	attachments [][]byte
}

// Decode stores the argument in what v points to, by the rules in the package's comment.
// []byte values may alias what came in: they must not be changed where others decode the same argument.
func (a Arg) Decode(v any) error { return decode(a.JSON(), a.attachments, v) }

// JSON returns the argument's text, attachments as placeholders. It must not be changed.
func (a Arg) JSON() []byte {
	if len(a.raw) == 0 {
		return []byte("null")
	}
	return a.raw
}

// MarshalJSON returns the text. (In an emit's arguments an Arg keeps its attachments;
// elsewhere, as in socket data, they cannot go along.)
func (a Arg) MarshalJSON() ([]byte, error) { return a.JSON(), nil }

// UnmarshalJSON keeps a copy of the text.
func (a *Arg) UnmarshalJSON(text []byte) error {
	*a = Arg{raw: bytes.Clone(text)}
	return nil
}

// Args are the arguments of an event or an acknowledgement. As an argument of an emit, and as the result
// of an acknowledging handler, they stand for each of them.
type Args []Arg

// At is the argument with an index; null if there are not so many.
func (a Args) At(i int) Arg {
	if i < len(a) {
		return a[i]
	}
	return Arg{}
}

// Decode stores the arguments in what the targets point to, the first in the first. Arguments
// beyond the targets are ignored; ones that are missing are an [ArgumentError].
func (a Args) Decode(targets ...any) error {
	for i, v := range targets {
		if i >= len(a) {
			return &ArgumentError{Index: i, Err: ErrMissing}
		}
		if err := a[i].Decode(v); err != nil {
			return &ArgumentError{Index: i, Err: err}
		}
	}
	return nil
}

// Values are several arguments where Go's types allow one: the result of an acknowledging handler.
// `worker.Values{}` acknowledges with no argument at all.
type Values []any

// appendArgs takes a payload apart into arguments, which alias it.
func appendArgs(dst Args, p backplane.Payload) (Args, error) {
	if len(p.JSON) == 0 {
		return nil, ErrPayload
	}
	err := split(p.JSON, func(element []byte) {
		dst = append(dst, Arg{raw: element, attachments: p.Attachments})
	})
	return dst, err
}

// split finds the elements of a JSON array without looking into them: whoever decodes one
// checks it. It never reads beyond data.
func split(data []byte, element func([]byte)) error {
	data = bytes.TrimSpace(data)
	if len(data) < 2 || data[0] != '[' || data[len(data)-1] != ']' {
		return ErrPayload
	}
	depth, start := 0, 1
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '"':
			end := stringEnd(data, i+1)
			if end < 0 {
				return ErrPayload
			}
			i = end
		case '[', '{':
			depth++
		case '}', ']':
			if depth--; depth < 0 && i < len(data)-1 {
				return ErrPayload
			}
		case ',':
			if depth > 0 {
				continue
			}
			one := bytes.TrimSpace(data[start:i:i])
			if len(one) == 0 {
				return ErrPayload
			}
			element(one)
			start = i + 1
		}
	}
	if depth != -1 {
		return ErrPayload
	}
	last := len(data) - 1
	switch one := bytes.TrimSpace(data[start:last:last]); {
	case len(one) > 0:
		element(one)
	case start > 1: // nothing after a comma
		return ErrPayload
	}
	return nil
}

// stringEnd returns the index of the quote that ends the string whose contents begin at i, or -1.
func stringEnd(data []byte, i int) int {
	for {
		n := bytes.IndexByte(data[i:], '"')
		if n < 0 {
			return -1
		}
		end := i + n
		slashes := 0
		for slashes < n && data[end-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return end
		}
		i = end + 1
	}
}

// eventName is the first argument as a name; ok is false for names that are no strings, which Socket.IO
// lets clients send and no handler can have.
func eventName(a Arg) (name string, ok bool) {
	raw := a.raw
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	err := json.Unmarshal(raw, &name, jsonOptions)
	return name, err == nil
}
