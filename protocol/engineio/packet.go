package engineio

import (
	"bytes"
	"encoding/base64"
	"errors"
)

// Protocol is the version of Engine.IO that this package speaks, the value of
// the EIO query parameter.
const Protocol = 4

// Probe is the data of the ping and the pong that try out a WebSocket before an
// upgrade ("2probe", "3probe").
const Probe = "probe"

// binaryPrefix marks a base64-encoded binary message in text.
const binaryPrefix = 'b'

// One error for each rule of the packet encoding. They are returned bare, so
// that refusing a hostile packet costs no allocation.
var (
	// ErrEmptyPacket reports a text packet without even a type: an empty text
	// message, an empty payload, or two separators in a row.
	ErrEmptyPacket = errors.New("engineio: empty packet")
	// ErrPacketType reports a first character that is neither a packet type
	// ('0' to '6') nor the base64 prefix 'b'.
	ErrPacketType = errors.New("engineio: unknown packet type")
	// ErrBase64 reports a binary packet in text whose base64 is malformed.
	ErrBase64 = errors.New("engineio: malformed base64")
)

// PacketType says what a packet is for. The zero value is [OpenPacket].
type PacketType byte

// The packet types, in the order of their digits on the wire.
const (
	// OpenPacket is the handshake, from the server, once; its data is an [Open].
	OpenPacket PacketType = iota
	// Close ends the session.
	Close
	// Ping is the server's heartbeat; with data [Probe], a client's upgrade probe.
	Ping
	// Pong answers a [Ping], with the same data.
	Pong
	// Message carries the application's data.
	Message
	// Upgrade completes the move to another transport.
	Upgrade
	// Noop ends a poll that has nothing to say.
	Noop
)

// String returns the protocol's name of the type, or "unknown".
func (t PacketType) String() string {
	switch t {
	case OpenPacket:
		return "open"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	case Message:
		return "message"
	case Upgrade:
		return "upgrade"
	case Noop:
		return "noop"
	}
	return "unknown"
}

// Packet is one Engine.IO packet.
type Packet struct {
	// Type says what the packet is for; always [Message] if Binary is set.
	Type PacketType
	// Binary marks a message of raw bytes rather than of text.
	Binary bool
	// Data is what follows the type, possibly empty. In a decoded packet it
	// aliases the input, except for decoded base64, which is fresh memory.
	// It is not checked to be UTF-8.
	Data []byte
}

// DecodePacket decodes one WebSocket message; binary tells whether it came in a
// binary frame, all of which is then the message. A text frame that starts with
// 'b' is a base64-encoded binary message on this transport too, as the reference
// server has it. Errors: [ErrEmptyPacket], [ErrPacketType], [ErrBase64].
func DecodePacket(frame []byte, binary bool) (Packet, error) {
	if binary {
		return Packet{Type: Message, Binary: true, Data: frame}, nil
	}
	if len(frame) == 0 {
		return Packet{}, ErrEmptyPacket
	}
	switch c := frame[0]; {
	case c >= '0' && c <= '6':
		return Packet{Type: PacketType(c - '0'), Data: frame[1:]}, nil
	case c == binaryPrefix:
		data, err := decodeBase64(frame[1:])
		if err != nil {
			return Packet{}, err
		}
		return Packet{Type: Message, Binary: true, Data: data}, nil
	}
	return Packet{}, ErrPacketType
}

// AppendPacket appends p as one WebSocket message: a text message is its type's
// digit and its data, a binary one the bare data, to go into a binary frame.
func AppendPacket(dst []byte, p Packet) []byte {
	if !p.Binary {
		dst = append(dst, '0'+byte(p.Type))
	}
	return append(dst, p.Data...)
}

// decodeBase64 decodes the standard and the URL alphabet, padded or not, because
// the reference takes them all. Unlike it, it refuses what is not base64 instead
// of skipping over it: guessing at damaged data helps nobody.
func decodeBase64(text []byte) ([]byte, error) {
	for pad := 0; pad < 2 && len(text) > 0 && text[len(text)-1] == '='; pad++ {
		text = text[:len(text)-1]
	}
	encoding := base64.RawStdEncoding
	if bytes.ContainsAny(text, "-_") {
		encoding = base64.RawURLEncoding
	}
	data := make([]byte, encoding.DecodedLen(len(text)))
	n, err := encoding.Decode(data, text)
	if err != nil {
		return nil, ErrBase64
	}
	return data[:n], nil
}
