package gateway

import (
	"bytes"
	"errors"
	"io"

	"github.com/gobwas/ws"

	"patchbay/protocol/engineio"
)

// frameReader reads WebSocket frame headers in place, and messages that are compressed. Owned by its loop; it exists so that
// reading a header allocates nothing.
type frameReader struct {
	r   bytes.Reader
	buf [ws.MaxHeaderSize]byte
	inflater
}

// header reads the frame header at the start of data. n is its length, 0 when data ends within it.
func (f *frameReader) header(data []byte) (h ws.Header, n int, err error) {
	f.r.Reset(data)
	h, err = ws.ReadHeaderBuffer(&f.r, f.buf[:0:ws.MaxHeaderSize])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return h, 0, nil
	}
	if err != nil {
		return h, 0, err
	}
	return h, len(data) - f.r.Len(), nil
}

// packet is one Engine.IO packet, encoded once and shared, read-only, by all who are sent it: as a
// WebSocket frame whose payload, for text, is also its form in a polling payload.
type packet struct {
	frame  []byte
	head   uint8 // length of the frame's header
	binary bool
}

// frameHead is the space that newFrame leaves for the header: a server's are at most
// 10 bytes, being unmasked.
const frameHead = 10

// newFrame starts a packet: append its payload and pass it to finishFrame.
func newFrame(size int) []byte { return make([]byte, frameHead, frameHead+size) }

// finishFrame puts the frame header before the payload. It keeps buf.
func finishFrame(buf []byte, op ws.OpCode) *packet {
	p := new(packet)
	p.finish(buf, op)
	return p
}

func (p *packet) finish(buf []byte, op ws.OpCode) {
	payload := len(buf) - frameHead
	head := ws.HeaderSize(ws.Header{Length: int64(payload)})
	start := frameHead - head
	var w headWriter
	w.buf = buf[start:start:frameHead]
	// The header is valid by construction, and the writer cannot fail.
	_ = ws.WriteHeader(&w, ws.Header{Fin: true, OpCode: op, Length: int64(payload)})
	*p = packet{frame: buf[start:], head: uint8(head), binary: op == ws.OpBinary}
}

// headWriter appends to a slice.
type headWriter struct{ buf []byte }

// Write implements io.Writer.
func (w *headWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// textPacket makes a packet of a whole Engine.IO packet in its text form.
func textPacket(text string) *packet {
	return finishFrame(append(newFrame(len(text)), text...), ws.OpText)
}

// binaryPacket makes a binary message.
func binaryPacket(data []byte) *packet {
	return finishFrame(append(newFrame(len(data)), data...), ws.OpBinary)
}

// payload is the packet without the frame around it.
func (p *packet) payload() []byte { return p.frame[p.head:] }

// appendPoll appends the packet to a polling payload.
func (p *packet) appendPoll(dst []byte) []byte {
	if p.binary {
		return engineio.AppendPayloadPacket(dst, engineio.Packet{Type: engineio.Message, Binary: true, Data: p.payload()})
	}
	if len(dst) > 0 {
		dst = append(dst, engineio.Separator)
	}
	return append(dst, p.payload()...)
}

// fixedPackets are those that never change: encoded once per gateway.
type fixedPackets struct {
	ping, pong, noop, close, probe *packet
	closeFrame                     []byte // a WebSocket close frame without a code
	pongFrame                      []byte // a WebSocket pong without data
}

func newFixedPackets() fixedPackets {
	return fixedPackets{
		ping:       textPacket("2"),
		pong:       textPacket("3"),
		noop:       textPacket("6"),
		close:      textPacket("1"),
		probe:      textPacket("3" + engineio.Probe),
		closeFrame: finishFrame(newFrame(0), ws.OpClose).frame,
		pongFrame:  finishFrame(newFrame(0), ws.OpPong).frame,
	}
}
