package load

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/gobwas/ws"
)

// rsv1 is the bit of a frame's first byte that says that its message is compressed.
const rsv1 = 0x40

// maxResponseHead bounds the head of an HTTP response.
const maxResponseHead = 16 << 10

// webSocket is a WebSocket, or the attempt to open one. Owned by its loop.
type webSocket struct {
	client  *Client
	link    *link
	open    bool   // 101 has come
	deflate bool   // the server may compress
	carries bool   // the client's packets go here: from the handshake, or from the end of an upgrade on
	probing string // the session to upgrade, empty for a session of its own
	part    []byte // of a message in several frames
	first   byte   // the first byte of that message
}

func newWebSocket(c *Client, sid string) (*webSocket, error) {
	w := &webSocket{client: c, probing: sid}
	var err error
	w.link, err = dial(c.loop, c.settings.Source, c.target.address, w)
	return w, err
}

// dialled implements receiver.
func (w *webSocket) dialled() {
	t := w.client.target
	// The key is the RFC's example: it protects browsers from proxies, and here is neither.
	offer := ""
	if w.client.settings.Deflate {
		offer = deflateOffer
	}
	w.link.write([]byte("GET " + t.query("websocket", w.probing) + " HTTP/1.1\r\nHost: " + t.host +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + offer + "\r\n"))
}

// broken implements receiver.
func (w *webSocket) broken(err error) { w.client.fail(err) }

// received implements receiver.
func (w *webSocket) received(data []byte) (used int) {
	if !w.open {
		used = w.head(data)
		if !w.open {
			return used
		}
	}
	for w.link.fd >= 0 {
		n := w.frame(data[used:])
		if n == 0 {
			break
		}
		used += n
	}
	return used
}

// head takes the answer to the WebSocket handshake.
func (w *webSocket) head(data []byte) (used int) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	switch {
	case end < 0 && len(data) > maxResponseHead:
		w.client.fail(fmt.Errorf("%w: %d bytes of headers", ErrProtocol, len(data)))
		return len(data)
	case end < 0:
		return 0
	case !bytes.HasPrefix(data, []byte("HTTP/1.1 101 ")):
		line, _, _ := bytes.Cut(data, []byte("\r\n"))
		w.client.fail(fmt.Errorf("%w: %.100s", ErrRefused, line))
		return len(data)
	}
	var err error
	if w.deflate, err = agreed(data[:end]); err != nil {
		w.client.fail(fmt.Errorf("%w: %w", ErrProtocol, err))
		return len(data)
	}
	w.open = true
	if w.probing == "" {
		w.carries = true
	} else {
		w.write(ws.OpText, []byte("2probe"))
	}
	return end + 4
}

// frame takes one whole frame and answers its length, or 0 if it has not come whole.
func (w *webSocket) frame(data []byte) int {
	if len(data) < 2 {
		return 0
	}
	start, size := 2, uint64(data[1]&0x7f)
	switch {
	case data[1]&0x80 != 0 || data[0]&0x30 != 0 || data[0]&rsv1 != 0 && !w.deflate:
		w.client.fail(fmt.Errorf("%w: a masked frame, or one with reserved bits", ErrProtocol))
		return 0
	case size == 126 && len(data) >= 4:
		start, size = 4, uint64(binary.BigEndian.Uint16(data[2:]))
	case size == 127 && len(data) >= 10:
		start, size = 10, binary.BigEndian.Uint64(data[2:])
	case size >= 126:
		return 0
	}
	if size > maxUnfinished {
		w.client.fail(ErrUnfinished)
		return 0
	}
	if uint64(len(data)-start) < size {
		return 0
	}
	end := start + int(size)
	w.took(data[0], data[start:end])
	return end
}

// took takes the payload of a frame, with the frame's first byte.
func (w *webSocket) took(first byte, payload []byte) {
	fin, code := first&0x80 != 0, ws.OpCode(first&0x0f)
	switch code {
	case ws.OpClose:
		w.client.fail(ErrServerClosed)
		return
	case ws.OpPing:
		w.write(ws.OpPong, payload)
		return
	case ws.OpPong:
		return
	}
	if !fin || code == ws.OpContinuation {
		if len(w.part)+len(payload) > maxUnfinished {
			w.client.fail(ErrUnfinished)
			return
		}
		if w.part = append(w.part, payload...); code != ws.OpContinuation {
			w.first = first
		}
		if !fin {
			return
		}
		first, payload, w.part = w.first, w.part, nil
	}
	w.message(first, payload)
}

// message takes a whole message, with its first frame's first byte.
func (w *webSocket) message(first byte, payload []byte) {
	if first&rsv1 != 0 {
		var err error
		if payload, err = w.client.loop.shared.inflater.inflate(payload); err != nil {
			w.client.fail(fmt.Errorf("%w: decompress: %w", ErrProtocol, err))
			return
		}
	}
	switch {
	case ws.OpCode(first&0x0f) == ws.OpBinary:
		w.client.binary(payload)
	case w.probing != "" && !w.carries:
		w.probed(payload)
	default:
		w.client.packet(payload)
	}
}

// probed takes what comes during the upgrade: only the answer to the probe may.
func (w *webSocket) probed(payload []byte) {
	if string(payload) != "3probe" {
		w.client.fail(fmt.Errorf("%w: %.40q in answer to the probe", ErrProtocol, payload))
		return
	}
	w.client.polling.pause(w.takeOver)
}

// takeOver ends the upgrade: polling is at rest, its queue moves here.
func (w *webSocket) takeOver() {
	c := w.client
	w.write(ws.OpText, []byte("5"))
	w.carries = true
	for packet := range bytes.SplitSeq(c.polling.waiting, []byte{0x1e}) {
		switch {
		case len(packet) == 0:
		case packet[0] == binaryMark:
			// It was encoded here, so there is no error.
			data, _ := base64.StdEncoding.AppendDecode(nil, packet[1:])
			w.write(ws.OpBinary, data)
		default:
			w.write(ws.OpText, packet)
		}
	}
	c.polling.close()
	c.polling = nil
	if c.stage == upgrading {
		c.settle(c.recovered)
	}
}

// write sends one frame. Clients have to mask, against proxies between a browser and its server; a mask of
// zeros is a mask, and leaves the payload as it is.
func (w *webSocket) write(code ws.OpCode, payload []byte) {
	var room [1 << 10]byte
	b := append(room[:0], 0x80|byte(code))
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	w.link.write(append(b, payload...))
}
