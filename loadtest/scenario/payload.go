package scenario

import (
	"bytes"
	"strconv"
)

// Bounds of a payload: room for the numbers in it, and what a server takes by default.
const (
	minPayload = 64
	maxPayload = 900_000
)

// mark is what a message carries: its number in the stream of one sender in one room, and when it was to be sent.
type mark struct {
	room, sender int
	seq          uint64
	intended     int64
}

// appendPayload appends a payload of the given size: `room.sender.seq.intended.` and padding. It needs no escapes in JSON.
func appendPayload(dst []byte, m mark, size int) []byte {
	start := len(dst)
	dst = append(strconv.AppendInt(dst, int64(m.room), 10), '.')
	dst = append(strconv.AppendInt(dst, int64(m.sender), 10), '.')
	dst = append(strconv.AppendUint(dst, m.seq, 10), '.')
	dst = append(strconv.AppendInt(dst, m.intended, 10), '.')
	for len(dst)-start < size {
		dst = append(dst, 'x')
	}
	return dst
}

// payloadIn returns the string that stands first in a JSON array after a prefix such as `["msg",`: what lies between its quotes.
func payloadIn(array []byte, prefix string) ([]byte, bool) {
	if len(array) < len(prefix)+2 || string(array[:len(prefix)]) != prefix || array[len(prefix)] != '"' {
		return nil, false
	}
	rest := array[len(prefix)+1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil, false
	}
	return rest[:end], true
}

// readPayload is the inverse of appendPayload. A payload of another size, or with other padding at its end, is damaged.
func readPayload(p []byte, size int) (m mark, ok bool) {
	if len(p) != size || size == 0 || p[size-1] != 'x' && p[size-1] != '.' {
		return mark{}, false
	}
	var numbers [4]uint64
	for i := range numbers {
		n := 0
		for ; n < len(p) && p[n] >= '0' && p[n] <= '9'; n++ {
			numbers[i] = numbers[i]*10 + uint64(p[n]-'0')
		}
		if n == 0 || n > 19 || n == len(p) || p[n] != '.' {
			return mark{}, false
		}
		p = p[n+1:]
	}
	return mark{int(numbers[0]), int(numbers[1]), numbers[2], int64(numbers[3])}, true
}
