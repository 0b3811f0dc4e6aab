package msgpack

import (
	"math"
	"strconv"

	"patchbay/protocol/socketio"
)

// growth and spare bound what AppendPacket makes of a packet: growth times its
// payload and attachments, and some to spare. Without repetitions it takes 2.25
// times the payload at most, for numbers of four letters; the bound stops a payload
// of placeholders that all stand for one large attachment, which has to be written
// for each of them.
const (
	growth = 4
	spare  = 1 << 20
)

// AppendPacket appends a packet with its attachments as one MessagePack value.
// Placeholders in the payload of a binary packet become bytes, in the form in
// which encoders write them: an object of `_placeholder` and `num` alone. The
// payload must be valid JSON, as [socketio.Decode] and [socketio.ValidEvent] leave
// it. Of numbers JavaScript's precision is kept; lone surrogates become U+FFFD.
// Errors: [ErrTooLarge], and [socketio.ErrDepth] and [socketio.ErrJSON] for what
// should not have come here. After an error dst is returned as it was.
func AppendPacket(dst []byte, p socketio.Packet, attachments [][]byte) ([]byte, error) {
	kind := p.Type
	if kind.Binary() {
		kind -= socketio.BinaryEvent - socketio.Event
	} else {
		attachments = nil
	}
	nsp := p.Namespace
	if nsp == "" {
		nsp = socketio.Root
	}
	fields := 2
	if p.HasAck {
		fields++
	}
	if len(p.Payload) > 0 {
		fields++
	}
	out := appendMapHead(dst, fields)
	out = appendUint(appendString(out, "type"), uint64(kind))
	out = appendString(appendString(out, "nsp"), nsp)
	if p.HasAck {
		out = appendUint(appendString(out, "id"), p.AckID)
	}
	if len(p.Payload) == 0 {
		return out, nil
	}
	w, err := newFromJSON(p.Payload, attachments)
	if err != nil {
		return dst, err
	}
	w.dst = appendString(out, "data")
	w.limit += len(w.dst)
	if err := w.value(); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// fromJSON transcodes a JSON value that is known to be valid: it does not check
// what that implies, but it never panics.
type fromJSON struct {
	data        []byte
	pos         int
	counts      []int // of the values in each array and object, in the order of their beginnings
	attachments [][]byte
	dst         []byte
	limit       int // of dst
	scratch     []byte
}

func newFromJSON(data []byte, attachments [][]byte) (*fromJSON, error) {
	w := &fromJSON{data: data, attachments: attachments, limit: spare + growth*len(data)}
	for _, a := range attachments {
		w.limit += growth * len(a)
	}
	return w, w.count()
}

// count counts the values in arrays and objects: MessagePack tells the number first.
func (w *fromJSON) count() error {
	open := make([]int, 0, 32) // indexes in counts
	for i := 0; i < len(w.data); i++ {
		switch w.data[i] {
		case '"':
			i = stringEnd(w.data, i+1) - 1
		case '[', '{':
			if len(open) == socketio.MaxDepth {
				return socketio.ErrDepth
			}
			n := 1
			if next := skipSpace(w.data, i+1); next < len(w.data) && (w.data[next] == ']' || w.data[next] == '}') {
				n = 0
			}
			open = append(open, len(w.counts))
			w.counts = append(w.counts, n)
		case ']', '}':
			if len(open) == 0 {
				return socketio.ErrJSON
			}
			open = open[:len(open)-1]
		case ',':
			if len(open) > 0 {
				w.counts[open[len(open)-1]]++
			}
		}
	}
	if len(open) > 0 {
		return socketio.ErrJSON
	}
	return nil
}

// value transcodes the next value. It recurses as deep as count has allowed.
func (w *fromJSON) value() error {
	w.pos = skipSpace(w.data, w.pos)
	if w.pos >= len(w.data) {
		return socketio.ErrJSON
	}
	if len(w.dst) > w.limit {
		return ErrTooLarge
	}
	switch w.data[w.pos] {
	case '"':
		w.str()
		return nil
	case '[':
		return w.array()
	case '{':
		if num, end, ok := w.placeholder(); ok {
			if len(w.dst)+len(w.attachments[num]) > w.limit {
				return ErrTooLarge
			}
			w.next()
			w.pos = end
			w.dst = appendBytes(w.dst, w.attachments[num])
			return nil
		}
		return w.object()
	}
	return w.scalar()
}

// next takes the number of values of the array or object that begins here.
func (w *fromJSON) next() (n int) {
	if len(w.counts) == 0 {
		return 0
	}
	n, w.counts = w.counts[0], w.counts[1:]
	return n
}

func (w *fromJSON) array() error {
	n := w.next()
	w.dst = appendArrayHead(w.dst, n)
	w.pos++
	for range n {
		if err := w.value(); err != nil {
			return err
		}
		w.pos = skipSpace(w.data, w.pos) + 1 // the comma or the bracket
	}
	if n == 0 {
		w.pos = skipSpace(w.data, w.pos) + 1
	}
	return w.inside()
}

func (w *fromJSON) object() error {
	n := w.next()
	w.dst = appendMapHead(w.dst, n)
	w.pos++
	for range n {
		if w.pos = skipSpace(w.data, w.pos); w.pos >= len(w.data) || w.data[w.pos] != '"' {
			return socketio.ErrJSON
		}
		w.str()
		w.pos = skipSpace(w.data, w.pos) + 1 // the colon
		if err := w.inside(); err != nil {
			return err
		}
		if err := w.value(); err != nil {
			return err
		}
		w.pos = skipSpace(w.data, w.pos) + 1
	}
	if n == 0 {
		w.pos = skipSpace(w.data, w.pos) + 1
	}
	return w.inside()
}

// inside tells whether the position is in the data, or at its end.
func (w *fromJSON) inside() error {
	if w.pos > len(w.data) {
		return socketio.ErrJSON
	}
	return nil
}

// str transcodes the string that begins here.
func (w *fromJSON) str() {
	end := stringEnd(w.data, w.pos+1)
	raw := w.data[w.pos+1 : max(w.pos+1, end-1)]
	w.pos = end
	w.scratch = appendUnescaped(w.scratch[:0], raw)
	w.dst = append(appendStrHead(w.dst, len(w.scratch)), w.scratch...)
}

// scalar transcodes a number or a literal.
func (w *fromJSON) scalar() error {
	start := w.pos
	for w.pos < len(w.data) && !endsScalar(w.data[w.pos]) {
		w.pos++
	}
	token := w.data[start:w.pos]
	switch string(token) {
	case "null":
		w.dst = append(w.dst, 0xc0)
		return nil
	case "false":
		w.dst = append(w.dst, 0xc2)
		return nil
	case "true":
		w.dst = append(w.dst, 0xc3)
		return nil
	}
	var ok bool
	if w.dst, ok = appendNumber(w.dst, token); !ok {
		return socketio.ErrJSON
	}
	return nil
}

// appendNumber appends a JSON number: as an integer where it is one, exactly; as a
// float64 otherwise, as JavaScript would read it.
func appendNumber(dst, token []byte) ([]byte, bool) {
	if n, ok := digits(token); ok {
		return appendUint(dst, n), true
	}
	if len(token) > 1 && token[0] == '-' {
		if n, ok := digits(token[1:]); ok && n > 0 && n <= 1<<63 {
			return appendNegative(dst, -int64(n)), true
		}
	}
	f, err := strconv.ParseFloat(string(token), 64)
	if err != nil && !math.IsInf(f, 0) { // beyond the range JavaScript has Infinity, too
		return dst, false
	}
	const exact = 1 << 53
	if f == math.Trunc(f) && math.Abs(f) < exact && !(f == 0 && math.Signbit(f)) {
		if f >= 0 {
			return appendUint(dst, uint64(f)), true
		}
		return appendNegative(dst, int64(f)), true
	}
	return appendFloat64(dst, f), true
}

// digits reads a token of digits alone; ok is false for any other, and beyond 64 bits.
func digits(token []byte) (n uint64, ok bool) {
	for _, c := range token {
		if c < '0' || c > '9' || n > (math.MaxUint64-uint64(c-'0'))/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, len(token) > 0
}
