package load

import (
	"bytes"
	"encoding/json"
	"fmt"

	"patchbay/protocol/socketio"
)

// message takes one Socket.IO packet of the main namespace in the default encoding. Events, of which there are hundreds of thousands a second, take a
// short cut past the decoder: what the bytes are worth, the audit sees.
func (c *Client) message(data []byte) {
	if c.settings.Parser != JSON {
		c.fail(fmt.Errorf("%w: %.80q: the server's parser is the default one", ErrProtocol, data))
		return
	}
	if len(data) > 1 && data[0] == '2' && data[1] == '[' {
		c.event(data[1:])
		return
	}
	if id, payload, ok := plainAck(data); ok {
		c.handler.Ack(id, payload)
		return
	}
	p, err := socketio.Decode(data, nil)
	if err != nil {
		c.fail(fmt.Errorf("%w: %.80q: %w", ErrProtocol, data, err))
		return
	}
	c.take(p)
}

// take takes a packet that is decoded.
func (c *Client) take(p socketio.Packet) {
	switch p.Type {
	case socketio.Connect:
		c.joined(p.Payload)
	case socketio.ConnectError:
		c.fail(fmt.Errorf("%w: the namespace answered %.200s", ErrRefused, p.Payload))
	case socketio.Disconnect:
		c.fail(ErrServerClosed)
	case socketio.Event:
		c.event(p.Payload)
	case socketio.Ack:
		c.handler.Ack(p.AckID, p.Payload)
	}
}

// plainAck reads `3<id>[…]`.
func plainAck(data []byte) (id uint64, payload []byte, ok bool) {
	if len(data) < 4 || data[0] != '3' {
		return 0, nil, false
	}
	for i := 1; i < len(data); i++ {
		switch d := data[i]; {
		case d >= '0' && d <= '9' && i < 18:
			id = id*10 + uint64(d-'0')
		case d == '[' && i > 1:
			return id, data[i:], true
		default:
			return 0, nil, false
		}
	}
	return 0, nil, false
}

// event keeps the offset, if the client may need it, and hands on the event.
func (c *Client) event(payload []byte) {
	if c.settings.Recover && c.pid != "" {
		if offset, ok := lastString(payload); ok {
			c.offset = append(c.offset[:0], offset...)
		}
	}
	c.handler.Event(payload, c.stage < upgrading)
}

// lastString returns the inside of the last element of a JSON array, if it is a string without escapes: where a server with recovery
// puts an event's offset. The stock client takes any string there, an argument of the application's too, and so does this.
func lastString(payload []byte) ([]byte, bool) {
	const spaces = " \t\r\n" // of JSON
	body, ok := bytes.CutSuffix(bytes.TrimRight(payload, spaces), []byte(`]`))
	if !ok {
		return nil, false
	}
	if body, ok = bytes.CutSuffix(bytes.TrimRight(body, spaces), []byte(`"`)); !ok {
		return nil, false
	}
	start := bytes.LastIndexByte(body, '"')
	if start < 1 || bytes.IndexByte(body[start:], '\\') >= 0 {
		return nil, false
	}
	return body[start+1:], true
}

// joined takes the namespace's answer.
func (c *Client) joined(payload []byte) {
	var answer struct {
		SID string `json:"sid"`
		PID string `json:"pid"`
	}
	if err := json.Unmarshal(payload, &answer); err != nil || answer.SID == "" || c.stage != joining {
		c.fail(fmt.Errorf("%w: %.80q in answer to CONNECT", ErrProtocol, payload))
		return
	}
	recovered := answer.PID != "" && answer.PID == c.pid
	if !recovered {
		c.offset = nil
	}
	c.pid = answer.PID
	c.stage = upgrading
	c.recovered = recovered
	if !c.upgrade || c.ws != nil && c.ws.carries {
		c.settle(recovered)
	}
}

// appendRecovery appends the auth payload that asks for the old socket.
func (c *Client) appendRecovery(dst []byte) []byte {
	dst = socketio.AppendString(append(dst, `{"pid":`...), c.pid)
	dst = socketio.AppendString(append(dst, `,"offset":`...), string(c.offset))
	return append(dst, '}')
}
