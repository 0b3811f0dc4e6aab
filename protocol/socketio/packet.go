package socketio

import "strconv"

// Protocol is the version of the Socket.IO protocol that this package speaks.
const Protocol = 5

// Root is the name of the namespace that the wire leaves out.
const Root = "/"

// PacketType says what a packet is for. The zero value is [Connect].
type PacketType byte

// The packet types, in the order of their digits on the wire.
const (
	// Connect asks to join a namespace, and answers that the socket has joined.
	Connect PacketType = iota
	// Disconnect leaves a namespace.
	Disconnect
	// Event carries an event's name and arguments.
	Event
	// Ack answers an event that came with an ack id.
	Ack
	// ConnectError refuses a [Connect]. Only servers send it.
	ConnectError
	// BinaryEvent is an [Event] with attachments.
	BinaryEvent
	// BinaryAck is an [Ack] with attachments.
	BinaryAck
)

// String returns the protocol's name of the type, or "UNKNOWN".
func (t PacketType) String() string {
	switch t {
	case Connect:
		return "CONNECT"
	case Disconnect:
		return "DISCONNECT"
	case Event:
		return "EVENT"
	case Ack:
		return "ACK"
	case ConnectError:
		return "CONNECT_ERROR"
	case BinaryEvent:
		return "BINARY_EVENT"
	case BinaryAck:
		return "BINARY_ACK"
	}
	return "UNKNOWN"
}

// Binary tells whether packets of this type carry an attachment count.
func (t PacketType) Binary() bool { return t == BinaryEvent || t == BinaryAck }

// Packet is one Socket.IO packet; its attachments travel apart from it, as the
// binary messages that follow.
type Packet struct {
	// Type says what the packet is for.
	Type PacketType
	// Namespace begins with "/" and has no query string. Empty means [Root] in
	// the encoders; the decoder always fills it in.
	Namespace string
	// Query is what followed the first "?" of the namespace, undecoded.
	Query string
	// HasAck tells whether AckID is there.
	HasAck bool
	// AckID pairs an event with its ack.
	AckID uint64
	// Attachments counts the binary messages that follow; 0 unless the type is
	// [BinaryEvent] or [BinaryAck], and it may be 0 there as well.
	Attachments int
	// Payload is the packet's JSON, nil when absent. In a decoded packet it
	// aliases the input.
	Payload []byte
}

// AppendHeader appends all of p that goes before the payload: type, attachment
// count, namespace and ack id. The namespace must not contain a comma.
func AppendHeader(dst []byte, p Packet) []byte {
	dst = append(dst, '0'+byte(p.Type))
	if p.Type.Binary() {
		dst = strconv.AppendInt(dst, int64(p.Attachments), 10)
		dst = append(dst, '-')
	}
	if p.Query != "" {
		if p.Namespace == "" {
			dst = append(dst, Root...)
		}
		dst = append(dst, p.Namespace...)
		dst = append(dst, '?')
		dst = append(dst, p.Query...)
		dst = append(dst, ',')
	} else {
		dst = appendNamespace(dst, p.Namespace)
	}
	if p.HasAck {
		dst = strconv.AppendUint(dst, p.AckID, 10)
	}
	return dst
}

// AppendPacket appends p's header and payload. The payload must be valid for the
// type and begin without white space, which clients take for an ack id; nothing
// is checked here.
func AppendPacket(dst []byte, p Packet) []byte {
	return append(AppendHeader(dst, p), p.Payload...)
}

// AppendConnect appends the server's answer to a CONNECT that it accepts. pid is
// the private id for connection state recovery, left out if empty.
func AppendConnect(dst []byte, nsp, sid, pid string) []byte {
	dst = append(dst, '0')
	dst = appendNamespace(dst, nsp)
	dst = append(dst, `{"sid":`...)
	dst = AppendString(dst, sid)
	if pid != "" {
		dst = append(dst, `,"pid":`...)
		dst = AppendString(dst, pid)
	}
	return append(dst, '}')
}

// AppendConnectError appends the server's answer to a CONNECT that it refuses.
// data is valid JSON for the application's use, left out if empty.
func AppendConnectError(dst []byte, nsp, message string, data []byte) []byte {
	dst = append(dst, '4')
	dst = appendNamespace(dst, nsp)
	dst = append(dst, `{"message":`...)
	dst = AppendString(dst, message)
	if len(data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, '}')
}

// AppendError4 is [AppendConnectError] for version 4 of the protocol, where the
// packet is called ERROR and carries the application's data alone, or the message
// if there is none.
func AppendError4(dst []byte, nsp, message string, data []byte) []byte {
	dst = append(dst, '4')
	dst = appendNamespace(dst, nsp)
	if len(data) > 0 {
		return append(dst, data...)
	}
	return AppendString(dst, message)
}

// AppendDisconnect appends a DISCONNECT from the namespace.
func AppendDisconnect(dst []byte, nsp string) []byte {
	return appendNamespace(append(dst, '1'), nsp)
}

// appendNamespace appends nsp and a comma, or nothing for the root.
func appendNamespace(dst []byte, nsp string) []byte {
	if nsp == "" || nsp == Root {
		return dst
	}
	dst = append(dst, nsp...)
	return append(dst, ',')
}
