package backplane

import (
	"bytes"
	"strconv"
	"strings"
)

// Receipt is what the reply subject of a client's event says, and what is said on it. Subjects:
//
//	socket.<node>.<birth>.<id>.done.<count>          the worker is done with the event
//	socket.<node>.<birth>.<id>.ack.<ack id>.<count>  the same, and this is the acknowledgement for the client
//
// The count is the event's number, and if other workers have had the event before, a hyphen and how many.
//
// Both say that the worker is done with all of the socket's events up to this one.
type Receipt struct {
	Number   uint64 // of the event: a socket's are counted from 1, through all of its homes and nodes; 0 where nothing counts
	Again    uint64 // how many workers have had the event before this one
	AckID    uint64 // that of the client, if it wants an acknowledgement
	WantsAck bool
}

// Verbs of what a worker says of clients' events.
const (
	VerbAck     = "ack"     // of a receipt, in the subjects of sockets
	VerbDone    = "done"    // likewise
	VerbMissing = "missing" // likewise: an event has come, and not the ones before it, from this number on
	VerbConfirm = "confirm" // in those of gateways: see AppendConfirmation
)

// AppendWorker appends what Worker returns.
func (s Subjects) AppendWorker(dst []byte, worker, verb, socket string) []byte {
	dst = append(append(append(dst, s.prefix...), "worker."...), worker...)
	dst = append(append(append(dst, '.'), verb...), '.')
	return append(dst, socket...)
}

// AppendReceipt appends the reply subject of an event. The socket's id must be valid.
func (s Subjects) AppendReceipt(dst []byte, socket string, r Receipt) []byte {
	dst = append(append(append(dst, s.prefix...), "socket."...), socket[socketRandom+1:]...)
	dst = append(append(append(dst, '.'), SocketBirth(socket)...), '.')
	dst = append(append(dst, socket...), '.')
	if r.WantsAck {
		dst = append(append(dst, VerbAck...), '.')
		dst = strconv.AppendUint(dst, r.AckID, 10)
	} else {
		dst = append(dst, VerbDone...)
	}
	dst = strconv.AppendUint(append(dst, '.'), r.Number, 10)
	if r.Again > 0 {
		dst = strconv.AppendUint(append(dst, '-'), r.Again, 10)
	}
	return dst
}

// ParseReceipt reads the verb and argument of a receipt's subject, as ParseSocket returns them.
func ParseReceipt(verb, arg string) (r Receipt, ok bool) {
	switch verb {
	case VerbDone:
	case VerbAck:
		id, rest, counted := strings.Cut(arg, ".")
		n, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return Receipt{}, false
		}
		if r.AckID, r.WantsAck = n, true; !counted {
			return r, true
		}
		arg = rest
	default:
		return Receipt{}, false
	}
	number, again, repeated := strings.Cut(arg, "-")
	var err error
	if r.Number, err = strconv.ParseUint(number, 10, 64); err == nil && repeated {
		r.Again, err = strconv.ParseUint(again, 10, 64)
	}
	return r, err == nil
}

// ReceiptOf reads the reply subject of an event. ok is false where there is none, or one that is no receipt.
func (s Subjects) ReceiptOf(reply string) (r Receipt, ok bool) {
	rest, ok := strings.CutPrefix(reply, s.prefix+"socket.")
	if !ok {
		return Receipt{}, false
	}
	_, rest, _ = strings.Cut(rest, ".") // node
	_, rest, _ = strings.Cut(rest, ".") // birth
	_, rest, _ = strings.Cut(rest, ".") // socket
	verb, arg, _ := strings.Cut(rest, ".")
	return ParseReceipt(verb, arg)
}

// Redelivered reports whether another worker has had an event before, and did not say that it was done with it.
func Redelivered(m *Msg) bool { return strings.Contains(get(m, HeaderFlags), "r") }

// SetRedelivered notes that on an event.
func SetRedelivered(m *Msg) { set(m, HeaderFlags, "r") }

// Standing is how far a worker is with a socket's events: the answer to `moved` and `alive`.
type Standing struct {
	Received uint64 // up to which number it has them
	Done     uint64 // up to which number it is done with them
	Counts   bool   // false from a worker that does not count
}

// Append appends the standing as text: two numbers.
func (s Standing) Append(dst []byte) []byte {
	if !s.Counts {
		return dst
	}
	dst = strconv.AppendUint(dst, s.Received, 10)
	return strconv.AppendUint(append(dst, ' '), s.Done, 10)
}

// ParseStanding reads what Append wrote. Anything else is the standing of a worker that does not count.
func ParseStanding(data []byte) Standing {
	received, done, ok := bytes.Cut(data, []byte{' '})
	s := Standing{Counts: ok}
	for _, part := range []struct {
		text []byte
		to   *uint64
	}{{received, &s.Received}, {done, &s.Done}} {
		n, err := strconv.ParseUint(string(part.text), 10, 64)
		if err != nil {
			return Standing{}
		}
		*part.to = n
	}
	return s
}

// AppendConfirmation appends to the message by which a worker tells a gateway, on its `confirm` subject, that it is done with a socket's
// events up to a number.
func AppendConfirmation(dst []byte, socket string, number uint64) []byte {
	dst = append(append(dst, socket...), ' ')
	return append(strconv.AppendUint(dst, number, 10), '\n')
}

// NextConfirmation takes the first confirmation off such a message. ok is false at its end, and where it makes no sense: then
// rest is not empty. socket aliases data.
func NextConfirmation(data []byte) (socket []byte, number uint64, rest []byte, ok bool) {
	line, after, found := bytes.Cut(data, []byte{'\n'})
	socket, count, split := bytes.Cut(line, []byte{' '})
	number, err := strconv.ParseUint(string(count), 10, 64)
	if !found || !split || err != nil {
		return nil, 0, data, false
	}
	return socket, number, after, true
}
