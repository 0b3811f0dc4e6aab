package load

import (
	"encoding/base64"
	"fmt"

	"github.com/gobwas/ws"

	"patchbay/protocol/msgpack"
	"patchbay/protocol/socketio"
)

// binaryMark begins a binary message in a polling payload; base64 follows.
const binaryMark = 'b'

// say sends one Socket.IO packet, as the client's parser encodes it.
func (c *Client) say(p socketio.Packet) {
	b := c.loop.shared.packet[:0]
	if c.settings.Parser != Msgpack {
		c.loop.shared.packet = socketio.AppendPacket(append(b, '4'), p)
		c.send(c.loop.shared.packet)
		return
	}
	b, err := msgpack.AppendPacket(b, p, nil)
	if err != nil { // what is sent here is JSON of this program's own
		c.fail(fmt.Errorf("%w: cannot encode %.80q: %w", ErrProtocol, p.Payload, err))
		return
	}
	c.loop.shared.packet = b
	switch {
	case c.stage == absent:
	case c.ws != nil && c.ws.carries:
		c.ws.write(ws.OpBinary, b)
	case c.polling != nil:
		c.polling.send(base64.StdEncoding.AppendEncode([]byte{binaryMark}, b))
	}
}

// encoded takes a binary message of a polling payload.
func (c *Client) encoded(text []byte) {
	data, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		c.fail(fmt.Errorf("%w: a binary message that is not base64: %w", ErrProtocol, err))
		return
	}
	c.binary(data)
}

// binary takes a binary message: a packet in msgpack. With the default parser it is an attachment, which no load event has.
func (c *Client) binary(data []byte) {
	if c.settings.Parser != Msgpack {
		return
	}
	p, _, err := msgpack.Decode(data, nil, maxUnfinished)
	if err != nil {
		c.fail(fmt.Errorf("%w: %.80x: %w", ErrProtocol, data, err))
		return
	}
	c.take(p)
}
