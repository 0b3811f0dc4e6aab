package socketio

// The limits on a client's packet, and the attack that each stops.
const (
	// DefaultAttachments is the default of the most binary attachments of one
	// packet, the reference's own. It stops a client from making
	// the server hold a packet open for ever more buffers.
	DefaultAttachments = 10
	// DefaultNamespaceLength is the default of the longest namespace in bytes,
	// without query. It stops names that are costly as keys, subjects and labels.
	DefaultNamespaceLength = 255
	// DefaultQueryLength is the default of the longest query string of a
	// namespace in bytes; tokens are put there. It stops megabytes of them.
	DefaultQueryLength = 4096
	// DefaultDepth is the default of the deepest nesting of JSON arrays and
	// objects. It stops stack exhaustion in whoever decodes the arguments;
	// 5,000 levels end the reference's process.
	DefaultDepth = 256
	// MaxDepth is the most that a depth limit can be set to: the checker keeps
	// one bit per level on its stack.
	MaxDepth = 1024
	// DefaultAckIDDigits is the default of the most digits of an ack id: those
	// of 2^53, beyond which JavaScript's numbers lose count. It stops overflow
	// and ids that are themselves a payload.
	DefaultAckIDDigits = 16
	// MaxAckIDDigits is the most that the digits of an ack id can be set to, so
	// that every id fits 64 bits.
	MaxAckIDDigits = 19
)

// Limits bounds what [Decode] and the checks accept. A zero field, and a nil
// *Limits, mean the defaults. Limits are read only, and may be shared.
type Limits struct {
	// Attachments is the most attachments per packet; default
	// [DefaultAttachments]; negative for none at all.
	Attachments int
	// NamespaceLength is the longest namespace in bytes, without its query
	// string; default [DefaultNamespaceLength].
	NamespaceLength int
	// QueryLength is the longest query string of a namespace in bytes; default
	// [DefaultQueryLength]; negative for none at all.
	QueryLength int
	// Depth is the deepest nesting of JSON; default [DefaultDepth], at most
	// [MaxDepth].
	Depth int
	// AckIDDigits is the most digits of an ack id, leading zeros included;
	// default [DefaultAckIDDigits], at most [MaxAckIDDigits].
	AckIDDigits int
}

// effective returns the limits with defaults and bounds applied.
func (l *Limits) effective() Limits {
	var e Limits
	if l != nil {
		e = *l
	}
	e.Attachments = max(0, orDefault(e.Attachments, DefaultAttachments))
	e.NamespaceLength = orDefault(e.NamespaceLength, DefaultNamespaceLength)
	e.QueryLength = max(0, orDefault(e.QueryLength, DefaultQueryLength))
	e.Depth = min(orDefault(e.Depth, DefaultDepth), MaxDepth)
	e.AckIDDigits = min(orDefault(e.AckIDDigits, DefaultAckIDDigits), MaxAckIDDigits)
	return e
}

// MaxAttachments is the most attachments per packet, with the default applied.
func (l *Limits) MaxAttachments() int {
	limits := l.effective()
	return limits.Attachments
}

func orDefault(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}
