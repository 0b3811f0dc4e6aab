package socketio

import "errors"

// One error for each rule of the packet encoding. They are returned bare, so
// that refusing a hostile packet costs no allocation. On any of them the
// reference closes the whole connection, with reason "forced close".
var (
	// ErrPacketType reports an empty packet, or a first character that is not a
	// packet type ('0' to '6').
	ErrPacketType = errors.New("socketio: unknown packet type")
	// ErrAttachmentCount reports a binary packet without a decimal attachment
	// count that ends in '-'.
	ErrAttachmentCount = errors.New("socketio: malformed attachment count")
	// ErrTooManyAttachments reports a count above [Limits].Attachments.
	ErrTooManyAttachments = errors.New("socketio: too many attachments")
	// ErrNamespace reports a namespace or query that is too long, is not UTF-8,
	// or contains control characters.
	ErrNamespace = errors.New("socketio: malformed namespace")
	// ErrAckID reports an ack id of more digits than [Limits].AckIDDigits, or
	// white space in its place, which the reference would take for a number.
	ErrAckID = errors.New("socketio: malformed ack id")
	// ErrJSON reports a payload that is not valid JSON (RFC 8259).
	ErrJSON = errors.New("socketio: payload is not JSON")
	// ErrUTF8 reports a JSON string that is not valid UTF-8. Forwarded in a
	// WebSocket text message, it would end every recipient's connection.
	ErrUTF8 = errors.New("socketio: payload is not UTF-8")
	// ErrDepth reports JSON nested deeper than [Limits].Depth.
	ErrDepth = errors.New("socketio: payload nested too deep")
	// ErrPayload reports JSON of a shape that the packet's type does not allow.
	ErrPayload = errors.New("socketio: payload does not fit the packet type")
	// ErrReservedEvent reports an event by a name that has a meaning of its own;
	// see [Reserved].
	ErrReservedEvent = errors.New("socketio: reserved event name")
	// ErrPlaceholder reports a placeholder for an attachment that is not there.
	ErrPlaceholder = errors.New("socketio: placeholder without attachment")
)
