package socketio

import (
	"bytes"
	"unicode/utf8"
)

// Decode decodes and checks one packet: the text of an Engine.IO message without
// its leading '4'. It applies the reference parser's rules, and lim's. The
// payload is checked to be valid JSON of the right shape for the type:
//
//   - CONNECT: absent, or an object
//   - DISCONNECT: absent
//   - EVENT, BINARY_EVENT: absent, or an array that begins with a number or with
//     a string that is not [Reserved]
//   - ACK, BINARY_ACK: absent, or an array
//   - CONNECT_ERROR: absent, a string, or an object
//
// A server must itself close on CONNECT_ERROR, which only servers may send: it
// is decoded so that clients can use this too. A binary packet of no attachments
// is complete at once; the reference's parser stays waiting after it. Call
// [CheckPlaceholders] on binary packets; Decode does not.
//
// Namespace and Query are copies, Payload aliases data. Nothing is allocated for
// the root namespace. The errors are this package's sentinels, unwrapped.
func Decode(data []byte, lim *Limits) (Packet, error) {
	limits := lim.effective()
	if len(data) == 0 || data[0] < '0' || data[0] > '0'+byte(BinaryAck) {
		return Packet{}, ErrPacketType
	}
	p := Packet{Type: PacketType(data[0] - '0'), Namespace: Root}
	rest := data[1:]
	var err error
	if p.Type.Binary() {
		if p.Attachments, rest, err = cutAttachments(rest, limits.Attachments); err != nil {
			return Packet{}, err
		}
	}
	if len(rest) > 0 && rest[0] == '/' {
		if p.Namespace, p.Query, rest, err = cutNamespace(rest, &limits); err != nil {
			return Packet{}, err
		}
	}
	if len(rest) > 0 && (isDigit(rest[0]) || isSpace(rest[0])) {
		p.HasAck = true
		if p.AckID, rest, err = cutAckID(rest, limits.AckIDDigits); err != nil {
			return Packet{}, err
		}
	}
	if len(rest) > 0 {
		p.Payload = rest
		if err := checkPayload(p.Type, rest, limits.Depth); err != nil {
			return Packet{}, err
		}
	}
	return p, nil
}

// cutAttachments reads the attachment count and its '-'.
func cutAttachments(data []byte, most int) (count int, rest []byte, err error) {
	i := 0
	for ; i < len(data) && isDigit(data[i]); i++ {
		// Past the limit the digits are only checked, so nothing overflows.
		if count <= most {
			count = count*10 + int(data[i]-'0')
		}
	}
	if i == 0 || i == len(data) || data[i] != '-' {
		return 0, nil, ErrAttachmentCount
	}
	if count > most {
		return 0, nil, ErrTooManyAttachments
	}
	return count, data[i+1:], nil
}

// cutNamespace reads the namespace and its query string, up to and with the
// comma, or up to the end, where the comma may be missing.
func cutNamespace(data []byte, limits *Limits) (nsp, query string, rest []byte, err error) {
	// Looking no further than the longest that is allowed keeps a megabyte
	// without comma cheap.
	window := data[:min(len(data), limits.NamespaceLength+limits.QueryLength+2)]
	name := window
	if i := bytes.IndexByte(window, ','); i >= 0 {
		name, rest = data[:i], data[i+1:]
	}
	nsp, query, err = splitNamespace(name, limits)
	return nsp, query, rest, err
}

// ParseNamespace checks a namespace that comes otherwise than in a text packet,
// and splits its query string off. Errors: [ErrNamespace].
func ParseNamespace(name []byte, lim *Limits) (nsp, query string, err error) {
	if len(name) == 0 || name[0] != '/' || bytes.IndexByte(name, ',') >= 0 {
		return "", "", ErrNamespace
	}
	limits := lim.effective()
	return splitNamespace(name, &limits)
}

// splitNamespace checks a namespace with its query string.
func splitNamespace(name []byte, limits *Limits) (nsp, query string, err error) {
	for _, c := range name {
		if c < ' ' || c == 0x7f {
			return "", "", ErrNamespace
		}
	}
	name, after, _ := bytes.Cut(name, []byte{'?'})
	if len(name) > limits.NamespaceLength || len(after) > limits.QueryLength ||
		!utf8.Valid(name) || !utf8.Valid(after) {
		return "", "", ErrNamespace
	}
	if len(name) == len(Root) {
		return Root, string(after), nil
	}
	return string(name), string(after), nil
}

// cutAckID reads the digits of an ack id.
func cutAckID(data []byte, most int) (id uint64, rest []byte, err error) {
	i := 0
	for ; i < len(data) && isDigit(data[i]); i++ {
		if i == most {
			return 0, nil, ErrAckID
		}
		id = id*10 + uint64(data[i]-'0')
	}
	if i < len(data) && isSpace(data[i]) {
		return 0, nil, ErrAckID
	}
	return id, data[i:], nil
}

// CheckPayload checks a payload that comes otherwise than in a text packet, by the
// rules that [Decode] has for the type. Nil is absent. Errors: [ErrPayload],
// [ErrReservedEvent], [ErrJSON], [ErrUTF8], [ErrDepth].
func CheckPayload(t PacketType, payload []byte, lim *Limits) error {
	if len(payload) == 0 {
		return nil
	}
	limits := lim.effective()
	return checkPayload(t, payload, limits.Depth)
}

// checkPayload checks a payload that is there. The shape comes first where one
// byte tells it, so that the cheapest refusal is the first.
func checkPayload(t PacketType, payload []byte, depth int) error {
	first := payload[0]
	switch t {
	case Connect:
		if first != '{' {
			return ErrPayload
		}
	case ConnectError:
		if first != '{' && first != '"' {
			return ErrPayload
		}
	case Ack, BinaryAck:
		if first != '[' {
			return ErrPayload
		}
	case Event, BinaryEvent:
		return checkEvent(payload, depth, true)
	default:
		return ErrPayload
	}
	return checkJSON(payload, depth)
}
