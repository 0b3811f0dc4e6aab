package engineio

import (
	"errors"
	"iter"
	"strconv"
	"unicode/utf8"
)

// ErrPayloadLength reports a polling payload of version 3 with a packet whose
// length is malformed, or is not what follows.
var ErrPayloadLength = errors.New("engineio: malformed packet length")

// maxLengthDigits is the most digits of a packet's length in a payload of version
// 3. It stops overflow; no payload is as long as a tenth of what they can say.
const maxLengthDigits = 9

// The parts of a binary payload of version 3: what begins a packet, and what ends
// its length.
const (
	binaryPayloadText  = 0
	binaryPayloadBytes = 1
	binaryPayloadEnd   = 255
)

// AppendPayloadPacket3 appends a text packet, encoded, to a polling payload of
// version 3: its length in UTF-16 code units, a colon and the packet.
func AppendPayloadPacket3(dst, packet []byte) []byte {
	dst = strconv.AppendInt(dst, int64(utf16Len(packet)), 10)
	dst = append(dst, ':')
	return append(dst, packet...)
}

// AppendBinaryPayloadPacket3 appends a packet, encoded by [AppendPacket3], to a
// binary polling payload of version 3: whether it is binary, its length in bytes
// and the packet. A payload is either binary as a whole or not at all.
func AppendBinaryPayloadPacket3(dst, packet []byte, binary bool) []byte {
	kind := byte(binaryPayloadText)
	if binary {
		kind = binaryPayloadBytes
	}
	dst = append(dst, kind)
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(len(packet)), 10)
	for i := start; i < len(dst); i++ {
		dst[i] -= '0'
	}
	dst = append(dst, binaryPayloadEnd)
	return append(dst, packet...)
}

// Packets3 is [Packets] for version 3; binary tells whether the payload came as
// application/octet-stream. Packets of no length are left out. Errors: those of
// [DecodePacket3], [ErrPayloadLength], [ErrEmptyPacket] for an empty payload, and
// [ErrTooManyPackets] after [MaxPacketsPerPayload] packets.
func Packets3(payload []byte, binary bool) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		if len(payload) == 0 {
			yield(Packet{}, ErrEmptyPacket)
			return
		}
		rest := payload
		for n := 0; len(rest) > 0; n++ {
			if n == MaxPacketsPerPayload {
				yield(Packet{}, ErrTooManyPackets)
				return
			}
			packet, isBinary, after, err := cutPacket3(rest, binary)
			rest = after
			if err == nil && len(packet) == 0 {
				continue
			}
			var p Packet
			if err == nil {
				p, err = DecodePacket3(packet, isBinary)
			}
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// cutPacket3 cuts the first packet from a payload that is not empty.
func cutPacket3(payload []byte, binary bool) (packet []byte, isBinary bool, rest []byte, err error) {
	zero, end := byte('0'), byte(':')
	i := 0
	if binary {
		if payload[0] > binaryPayloadBytes {
			return nil, false, nil, ErrPayloadLength
		}
		isBinary = payload[0] == binaryPayloadBytes
		zero, end, i = 0, binaryPayloadEnd, 1
	}
	length, start := 0, i
	for ; i < len(payload) && payload[i] >= zero && payload[i] <= zero+9 && i-start < maxLengthDigits; i++ {
		length = length*10 + int(payload[i]-zero)
	}
	if i == start || i == len(payload) || payload[i] != end {
		return nil, false, nil, ErrPayloadLength
	}
	rest = payload[i+1:]
	if !binary {
		length = utf16Index(rest, length)
	}
	if length < 0 || length > len(rest) {
		return nil, false, nil, ErrPayloadLength
	}
	return rest[:length:length], isBinary, rest[length:], nil
}

// utf16Len counts the UTF-16 code units of text, the length that JavaScript has
// for it.
func utf16Len(text []byte) (units int) {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			i++
			units++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		units += utf16Units(r)
	}
	return units
}

// utf16Index returns the index behind a number of UTF-16 code units, or -1 if
// text is shorter or the number ends within a surrogate pair.
func utf16Index(text []byte, units int) int {
	i := 0
	for units > 0 {
		switch {
		case i == len(text):
			return -1
		case text[i] < utf8.RuneSelf:
			i++
			units--
		default:
			r, size := utf8.DecodeRune(text[i:])
			i += size
			units -= utf16Units(r)
		}
	}
	if units < 0 {
		return -1
	}
	return i
}

// utf16Units is the number of UTF-16 code units of a character.
func utf16Units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}
