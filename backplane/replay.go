package backplane

import (
	"encoding/binary"
	"time"
)

// DefaultReplayBytes is how many bytes of past emits a process keeps at most, so that it can repeat what a NATS
// server that died took along. The newer half of them is always there.
const DefaultReplayBytes = 8 << 20

// replay is a process's past emits and acknowledgements, encoded one after the other in two generations: when the newer
// one has half of the bound, the older one is dropped. Under publisher.mu.
type replay struct {
	limit    int
	old, new []byte
	record   []byte
	lastOld  uint64 // the highest sequence in old, or dropped
	last     uint64 // in new
	dropped  uint64 // the highest that is in neither
}

// past is one of them.
type past struct {
	sequence uint64 // its own, or that of the emit before it
	at       time.Time
	stamp    []byte // at, as it is kept
	numbered bool   // it has one of its own
	subjects []string
	msg      Msg // its data is valid under the lock
}

// add keeps a message. With more room than its bound: up to limit bytes wait for NATS, and past them it returns false.
func (r *replay) add(p *past, wait bool, limit int) bool {
	b := binary.BigEndian.AppendUint64(r.record[:0], uint64(p.at.UnixMilli()))
	b = binary.AppendUvarint(b, p.sequence)
	numbered := byte(0)
	if p.numbered {
		numbered = 1
	}
	b = appendText(append(b, numbered), p.msg.Reply)
	b = binary.AppendUvarint(b, uint64(len(p.subjects)))
	for _, s := range p.subjects {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(p.msg.Header)))
	for key, values := range p.msg.Header {
		b = appendText(appendText(b, key), values[0])
	}
	b = binary.AppendUvarint(b, uint64(len(p.msg.Data)))
	r.record = b
	size := len(b) + len(p.msg.Data)
	switch {
	case wait && len(r.new)+size > max(limit, r.limit):
		return false
	case !wait && len(r.new) > 0 && len(r.new)+size > r.limit/2:
		r.turn()
	}
	r.new = append(append(r.new, b...), p.msg.Data...)
	r.last = p.sequence
	return true
}

// sent notes that it has been published now, and not when it was emitted.
func (p *past) sent(now time.Time) { binary.BigEndian.PutUint64(p.stamp, uint64(now.UnixMilli())) }

// turn makes the newer generation the older one.
func (r *replay) turn() {
	if len(r.old) > 0 {
		r.dropped = r.lastOld
	}
	room := r.old[:0]
	if cap(room) > r.limit { // of a time without NATS
		room = nil
	}
	r.old, r.new, r.lastOld = r.new, room, r.last
}

// each calls f with everything, oldest first.
func (r *replay) each(f func(p *past)) {
	for _, generation := range [][]byte{r.old, r.new} {
		for d := (decoder{generation}); len(d.rest) > 0; {
			var p past
			p.stamp = d.take(8)
			p.at = time.UnixMilli(int64(binary.BigEndian.Uint64(p.stamp)))
			p.sequence = d.number()
			p.numbered = d.take(1)[0] == 1
			p.msg.Reply = d.text()
			for range d.number() {
				p.subjects = append(p.subjects, d.text())
			}
			for range d.number() {
				key, value := d.text(), d.text()
				set(&p.msg, key, value)
			}
			p.msg.Data = d.take(d.number())
			f(&p)
		}
	}
}

// decoder reads what add has written.
type decoder struct{ rest []byte }

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	d.rest = d.rest[size:]
	return n
}

func (d *decoder) take(n uint64) []byte {
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) text() string { return string(d.take(d.number())) }
