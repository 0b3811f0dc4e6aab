package socketio

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// longestReserved is the length of the longest name in Reserved.
const longestReserved = len("removeListener")

// Reserved tells whether an event name has a meaning of its own in Socket.IO, so
// that neither side may emit it.
func Reserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}

// EventName returns the name of the event in a payload that [Decode] or
// [ValidEvent] has accepted: the array's first element, if it is a string. The
// name is a copy, with escapes resolved; lone surrogates become U+FFFD.
func EventName(payload []byte) (name string, ok bool) {
	raw, ok := firstString(payload)
	if !ok {
		return "", false
	}
	contents := raw[1 : len(raw)-1]
	if bytes.IndexByte(contents, '\\') < 0 && utf8.Valid(contents) {
		return string(contents), true
	}
	if err := json.Unmarshal(raw, &name); err != nil {
		return "", false
	}
	return name, true
}

// ValidEvent checks the payload of an event that the server is about to emit: a
// JSON array whose first element is a string that is not [Reserved], without
// space before it, since clients take that for an ack id. It returns nil or one
// of [ErrPayload], [ErrReservedEvent], [ErrJSON], [ErrUTF8], [ErrDepth].
// It does not allocate.
func ValidEvent(payload []byte, lim *Limits) error {
	limits := lim.effective()
	return checkEvent(payload, limits.Depth, false)
}

// ValidArray checks the payload of an ack that the server is about to send: a
// JSON array, without space before it. It returns nil or one of [ErrPayload],
// [ErrJSON], [ErrUTF8], [ErrDepth]. It does not allocate.
func ValidArray(payload []byte, lim *Limits) error {
	if len(payload) == 0 || payload[0] != '[' {
		return ErrPayload
	}
	limits := lim.effective()
	return checkJSON(payload, limits.Depth)
}

// checkEvent checks an event's payload: the name first, then the JSON. Names
// that are numbers are a relic which the reference still lets clients send.
func checkEvent(payload []byte, depth int, numbers bool) error {
	if len(payload) == 0 || payload[0] != '[' {
		return ErrPayload
	}
	i := skipSpace(payload, 1)
	if i == len(payload) {
		return ErrJSON
	}
	switch c := payload[i]; {
	case c == '"':
		end, err := skipString(payload, i+1)
		if err != nil {
			return err
		}
		if reservedRaw(payload[i+1 : end-1]) {
			return ErrReservedEvent
		}
	case numbers && (c == '-' || isDigit(c)):
	default:
		return ErrPayload
	}
	return checkJSON(payload, depth)
}

// firstString returns the first element of an array with its quotes, if it is a
// string.
func firstString(payload []byte) (raw []byte, ok bool) {
	if len(payload) == 0 || payload[0] != '[' {
		return nil, false
	}
	start := skipSpace(payload, 1)
	if start >= len(payload) || payload[start] != '"' {
		return nil, false
	}
	end, err := skipString(payload, start+1)
	if err != nil {
		return nil, false
	}
	return payload[start:end], true
}

// reservedRaw is Reserved for the contents of a valid JSON string, in which any
// letter may hide behind an escape.
func reservedRaw(raw []byte) bool {
	var plain [longestReserved]byte
	n, ok := unescapeASCII(plain[:], raw)
	return ok && Reserved(string(plain[:n]))
}

// unescapeASCII writes the contents of a valid JSON string to dst, and says how
// much that is. It gives up, returning false, if dst is too short or the string
// is not all ASCII: enough to compare with short names, without allocating.
func unescapeASCII(dst, raw []byte) (n int, ok bool) {
	for i := 0; i < len(raw); n++ {
		if n == len(dst) {
			return 0, false
		}
		c := raw[i]
		i++
		if c == '\\' {
			if i == len(raw) {
				return 0, false
			}
			c = raw[i]
			i++
			switch c {
			case 'u':
				unit, ok := hex4(raw[i:])
				if !ok || unit >= utf8.RuneSelf {
					return 0, false
				}
				c = byte(unit)
				i += 4
			case 'b', 'f', 'n', 'r', 't':
				// Control characters: in none of the names.
				return 0, false
			}
		}
		if c >= utf8.RuneSelf {
			return 0, false
		}
		dst[n] = c
	}
	return n, true
}
