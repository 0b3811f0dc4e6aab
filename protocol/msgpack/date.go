package msgpack

import (
	"strconv"
	"time"
)

// maxDate is the largest time that a Date can hold, in milliseconds from 1970.
const maxDate = 8_640_000_000_000_000

// appendDate appends a Date, given in milliseconds from 1970, as JSON.stringify
// does: an ISO string in UTC, or null if it is no date.
func appendDate(dst []byte, ms int64) []byte {
	if ms < -maxDate || ms > maxDate {
		return append(dst, "null"...)
	}
	t := time.UnixMilli(ms).UTC()
	dst = append(dst, '"')
	switch year := t.Year(); {
	case year < 0:
		dst = appendPadded(append(dst, '-'), -year, 6)
	case year > 9999:
		dst = appendPadded(append(dst, '+'), year, 6)
	default:
		dst = appendPadded(dst, year, 4)
	}
	return t.AppendFormat(dst, `-01-02T15:04:05.000Z"`)
}

// appendPadded appends n with zeros before it.
func appendPadded(dst []byte, n, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], int64(n), 10)
	for range width - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}
