package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
	"iter"
)

// Separator stands between the packets of a polling payload. It cannot occur
// inside one: JSON forbids control characters, and base64 has none.
const Separator = 0x1e

const (
	// DefaultMaxPayload is the default of the most bytes that one POST body or
	// one WebSocket message may have, inclusive; announced as maxPayload in the
	// handshake. It stops one client from filling the memory.
	DefaultMaxPayload = 1_000_000
	// MaxPacketsPerPayload is the most packets that one POST body may hold. It
	// stops a body of half a million two-byte packets, each of which costs work
	// far above its size. The reference has no such limit.
	MaxPacketsPerPayload = 16_384
)

// ErrTooManyPackets reports a payload of more than [MaxPacketsPerPayload] packets.
var ErrTooManyPackets = errors.New("engineio: too many packets in one payload")

// AppendPayloadPacket appends p to the polling payload dst, after a [Separator]
// if dst is not empty; dst must therefore hold nothing but the payload. Binary
// messages are appended as 'b' and base64, since a payload is text.
func AppendPayloadPacket(dst []byte, p Packet) []byte {
	if len(dst) > 0 {
		dst = append(dst, Separator)
	}
	if p.Binary {
		dst = append(dst, binaryPrefix)
		return base64.StdEncoding.AppendEncode(dst, p.Data)
	}
	return AppendPacket(dst, p)
}

// NextPacket decodes the first packet of a polling payload. Call it at least
// once, for an empty payload is an error, and then until rest is empty; [Packets]
// does so, and counts. After an error, rest is nil: nothing that follows is to be
// trusted, while the packets before it stand, as in the reference.
// Errors: those of [DecodePacket].
func NextPacket(payload []byte) (p Packet, rest []byte, err error) {
	text := payload
	if i := bytes.IndexByte(payload, Separator); i >= 0 {
		text, rest = payload[:i:i], payload[i+1:]
		if len(rest) == 0 {
			// Nothing follows the separator, and that is a packet too: an
			// empty one. Leave the separator, on which the next call fails.
			rest = payload[i:]
		}
	}
	p, err = DecodePacket(text, false)
	if err != nil {
		return Packet{}, nil, err
	}
	return p, rest, nil
}

// Packets walks a polling payload. It yields each packet with a nil error, or
// ends with an error and the zero packet: one of [NextPacket]'s, or
// [ErrTooManyPackets] after [MaxPacketsPerPayload] packets.
func Packets(payload []byte) iter.Seq2[Packet, error] {
	return func(yield func(Packet, error) bool) {
		rest := payload
		for n := 0; n == 0 || len(rest) > 0; n++ {
			if n == MaxPacketsPerPayload {
				yield(Packet{}, ErrTooManyPackets)
				return
			}
			var p Packet
			var err error
			p, rest, err = NextPacket(rest)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}
