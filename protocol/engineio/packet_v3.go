package engineio

import "encoding/base64"

// Protocol3 is the version of Engine.IO that Socket.IO 2 clients speak. What
// differs in it has names that end in 3; packet types and text packets are those
// of [Protocol].
const Protocol3 = 3

// binaryMessage begins a binary message of version 3: the packet type as a byte.
const binaryMessage = byte(Message)

// DecodePacket3 is [DecodePacket] for version 3: a binary frame begins with the
// packet type as a byte, and base64 in text with 'b' and the type's digit. Only
// messages can be binary. Errors: those of [DecodePacket].
func DecodePacket3(frame []byte, binary bool) (Packet, error) {
	switch {
	case len(frame) == 0:
		return Packet{}, ErrEmptyPacket
	case binary && frame[0] == binaryMessage:
		return Packet{Type: Message, Binary: true, Data: frame[1:]}, nil
	case binary:
		return Packet{}, ErrPacketType
	case frame[0] != binaryPrefix:
		return DecodePacket(frame, false)
	case len(frame) == 1 || frame[1] != '0'+binaryMessage:
		return Packet{}, ErrPacketType
	}
	data, err := decodeBase64(frame[2:])
	if err != nil {
		return Packet{}, err
	}
	return Packet{Type: Message, Binary: true, Data: data}, nil
}

// AppendPacket3 is [AppendPacket] for version 3.
func AppendPacket3(dst []byte, p Packet) []byte {
	if p.Binary {
		dst = append(dst, binaryMessage)
		return append(dst, p.Data...)
	}
	return AppendPacket(dst, p)
}

// AppendBase64Packet3 appends a binary message as a text packet, for clients of
// version 3 that asked for base64 (the b64 query parameter).
func AppendBase64Packet3(dst, data []byte) []byte {
	dst = append(dst, binaryPrefix, '0'+binaryMessage)
	return base64.StdEncoding.AppendEncode(dst, data)
}
