package msgpack

import (
	"patchbay/protocol/socketio"
)

// maxAckID is the largest ack id that is taken: JavaScript's numbers lose count
// above it.
const maxAckID = 1 << 53

// Decode decodes one packet and checks it by the rules of [socketio.Decode], and
// lim's. The payload is JSON, of at most maxJSON bytes; binary in it has become
// placeholders and attachments, and a packet with attachments has the binary type.
//
// JSON has no Date and no undefined: they become a string, as Date's toJSON makes
// it, and null. NaN and the infinities become null too. Extensions of other types
// become [type, bytes], as notepack.io reads them.
//
// Namespace, Query and Payload are copies, the attachments alias data. Errors are
// this package's and package socketio's, unwrapped.
func Decode(data []byte, lim *socketio.Limits, maxJSON int) (p socketio.Packet, attachments [][]byte, err error) {
	fields, err := cut(data)
	if err != nil {
		return p, nil, err
	}
	if p, err = fields.header(lim); err != nil {
		return p, nil, err
	}
	if fields.data == nil {
		return p, nil, nil
	}
	t := toJSON{r: reader{data: fields.data}, max: maxJSON, dst: make([]byte, 0, len(fields.data)+len(fields.data)/4+16)}
	if err := t.value(0); err != nil {
		return p, nil, err
	}
	p.Payload = t.dst
	if len(t.dst) > maxJSON {
		return p, nil, ErrTooLarge
	}
	if err := socketio.CheckPayload(p.Type, p.Payload, lim); err != nil {
		return p, nil, err
	}
	if len(t.attachments) == 0 {
		return p, nil, nil
	}
	if p.Attachments = len(t.attachments); p.Attachments > lim.MaxAttachments() {
		return p, nil, socketio.ErrTooManyAttachments
	}
	switch p.Type {
	case socketio.Event, socketio.Ack:
		p.Type += socketio.BinaryEvent - socketio.Event
	default: // as JSON has it, no other packet carries binary
		return p, nil, socketio.ErrPayload
	}
	return p, t.attachments, socketio.CheckPlaceholders(p.Payload, p.Attachments)
}

// fields are the parts of a packet, each a whole value, or nil when absent.
type fields struct{ kind, nsp, data, id []byte }

// cut finds the parts of a packet. Of a key given twice the last counts, as in
// JavaScript; others than the parser's own are skipped.
func cut(data []byte) (f fields, err error) {
	r := reader{data: data}
	h, err := r.head()
	if err != nil {
		return f, err
	}
	if h.kind != kindMap {
		return f, ErrPacket
	}
	for range h.n {
		key, ok, err := r.str()
		if err != nil {
			return f, err
		}
		if !ok {
			return f, ErrPacket
		}
		value, err := r.skip()
		if err != nil {
			return f, err
		}
		switch string(key) {
		case "type":
			f.kind = value
		case "nsp":
			f.nsp = value
		case "data":
			f.data = value
		case "id":
			f.id = value
		}
	}
	if r.pos != len(data) {
		return f, ErrFormat
	}
	if nothing(f.data) {
		f.data = nil
	}
	return f, nil
}

// nothing tells whether a value is absent, nil or undefined. Clients in other
// languages than JavaScript send nil where it sends undefined.
func nothing(value []byte) bool {
	return value == nil || value[0] == 0xc0 || len(value) == 3 && value[0] == fixExt1 && value[1] == extOwn
}

// header decodes all but the data.
func (f *fields) header(lim *socketio.Limits) (p socketio.Packet, err error) {
	kind, ok := unsigned(f.kind)
	if !ok || kind > uint64(socketio.ConnectError) {
		return p, ErrPacket
	}
	p.Type = socketio.PacketType(kind)
	r := reader{data: f.nsp}
	name, ok, err := r.str()
	if err != nil || !ok {
		return p, ErrPacket
	}
	if p.Namespace, p.Query, err = socketio.ParseNamespace(name, lim); err != nil {
		return p, err
	}
	if nothing(f.id) {
		return p, nil
	}
	if p.AckID, p.HasAck = unsigned(f.id); !p.HasAck || p.AckID > maxAckID {
		return p, ErrPacket
	}
	return p, nil
}

// unsigned reads a value that is to be a number, not negative.
func unsigned(value []byte) (n uint64, ok bool) {
	r := reader{data: value}
	h, err := r.head()
	return h.n, err == nil && (h.kind == kindUint || h.kind == kindInt && int64(h.n) >= 0)
}
