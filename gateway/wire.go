package gateway

import (
	"sync"
	"sync/atomic"

	"github.com/gobwas/ws"

	"patchbay/protocol/engineio"
)

// wire is a Socket.IO packet for all of its recipients, whatever they speak. The form that most of them take is
// there from the beginning: JSON in a text message, and its attachments. Another is made when the first comes who
// wants it, once, and is shared like that. Read-only otherwise, and for any goroutine.
type wire struct {
	text     packet
	attached []packet
	plain    bool // not to be compressed
	forms    atomic.Pointer[forms]
}

// form is a way to encode a packet other than the ordinary one.
type form uint8

const (
	formFramed          form = iota // attachments for Engine.IO 3: the packet type goes before the bytes
	formBase64                      // attachments for clients of Engine.IO 3 that take no binary
	formSqueezed                    // all of it, compressed
	formMsgpack                     // msgpack: all of it in one binary message
	formSqueezedMsgpack             // that, compressed
	formCount
)

// forms are the other forms of a wire, each made by the first loop that asks; one that asks meanwhile waits.
type forms [formCount]struct {
	once    sync.Once
	packets []packet
}

// in returns the packets of a form; make is called if it does not exist yet.
func (w *wire) in(f form, make func() []packet) []packet {
	all := w.forms.Load()
	if all == nil {
		w.forms.CompareAndSwap(nil, new(forms))
		all = w.forms.Load()
	}
	one := &all[f]
	one.once.Do(func() { one.packets = make() })
	return one.packets
}

// newWire makes a wire of the text of a Socket.IO packet, which append encodes.
func newWire(size int, appendPacket func(dst []byte) []byte) *wire {
	w := new(wire)
	w.text.finish(appendPacket(append(newFrame(size), '4')), ws.OpText)
	return w
}

// attach adds the attachments.
func (w *wire) attach(all [][]byte) {
	w.attached = make([]packet, len(all))
	for i, data := range all {
		w.attached[i].finish(append(newFrame(len(data)), data...), ws.OpBinary)
	}
}

// sendWire sends a Socket.IO packet in the form that the client takes.
func (s *session) sendWire(w *wire) {
	d := s.loop.gw.deflater
	switch {
	case s.flags&flagMsgpack != 0:
		s.sendAll(s.loop.gw.packedFor(s, w))
		return
	case d.squeezes(s, w):
		s.sendAll(w.in(formSqueezed, func() []packet { return d.all(w) }))
		return
	}
	s.send(&w.text)
	switch {
	case len(w.attached) == 0:
	case !s.old():
		s.sendAll(w.attached)
	case s.flags&flagBase64 != 0:
		s.sendAll(w.in(formBase64, w.base64))
	default:
		s.sendAll(w.in(formFramed, w.framed))
	}
}

func (s *session) sendAll(packets []packet) {
	for i := range packets {
		s.send(&packets[i])
	}
}

// framed are the attachments as Engine.IO 3 has them on a WebSocket, and in a binary polling payload.
func (w *wire) framed() []packet {
	packets := make([]packet, len(w.attached))
	for i := range packets {
		packets[i] = framedPacket(w.attached[i].payload())
	}
	return packets
}

// base64 are the attachments as text.
func (w *wire) base64() []packet {
	packets := make([]packet, len(w.attached))
	for i := range packets {
		packets[i] = base64Packet(w.attached[i].payload())
	}
	return packets
}

// framedPacket makes a binary message of Engine.IO 3.
func framedPacket(data []byte) (p packet) {
	message := engineio.Packet{Type: engineio.Message, Binary: true, Data: data}
	p.finish(engineio.AppendPacket3(newFrame(len(data)+1), message), ws.OpBinary)
	return p
}

// base64Packet makes a binary message of Engine.IO 3, as text.
func base64Packet(data []byte) (p packet) {
	p.finish(engineio.AppendBase64Packet3(newFrame(len(data)*4/3+8), data), ws.OpText)
	return p
}

// size is what the wire takes, in bytes, when it has all the forms that the kinds of clients want that were here.
func (w *wire) size(kinds uint32) int {
	text, attached := len(w.text.frame), 0
	for i := range w.attached {
		attached += len(w.attached[i].frame)
	}
	size := text + attached
	if kinds&kindMsgpack != 0 {
		size += 3*text + attached // numbers may grow
	}
	if kinds&kindDeflating != 0 && !w.plain {
		size += size // at most
	}
	if kinds&kindOld != 0 {
		size += 3 * attached // framed, and in base64
	}
	return size
}
