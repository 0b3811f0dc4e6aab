package msgpack

import "errors"

// One error for each rule, returned bare. Decode also returns package socketio's,
// for the rules that are those of every encoding.
var (
	// ErrFormat reports what is not one whole MessagePack value.
	ErrFormat = errors.New("msgpack: malformed")
	// ErrPacket reports a value that is not a Socket.IO packet: not a map, or one
	// with a key, type, namespace or ack id of another kind than the parser's.
	ErrPacket = errors.New("msgpack: not a packet")
	// ErrKey reports a map whose key is not a string: JSON has no others.
	ErrKey = errors.New("msgpack: key is not a string")
	// ErrTooLarge reports data whose other form would be larger than allowed.
	ErrTooLarge = errors.New("msgpack: too large once transcoded")
)
