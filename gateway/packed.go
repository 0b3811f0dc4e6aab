package gateway

import (
	"bytes"
	"errors"

	"github.com/gobwas/ws"
	"go.uber.org/zap"

	"patchbay/protocol/engineio"
	"patchbay/protocol/msgpack"
	"patchbay/protocol/socketio"
)

var errUnexpectedText = errors.New("text from a client that speaks msgpack")

// msgpack reports whether the client uses socket.io-msgpack-parser: whether its first packet was binary. An old client's
// cannot tell: by the time that it speaks it has had its CONNECT packet, in JSON.
func (s *session) msgpack(binary bool) bool {
	if s.flags&(flagSpoke|flagOld) == 0 {
		flags := flagSpoke
		if binary {
			flags |= flagMsgpack
		}
		s.speak(flags)
	}
	return s.flags&flagMsgpack != 0
}

// packed handles a message of a client that speaks msgpack: a packet with all its attachments.
func (s *session) packed(p engineio.Packet) {
	if !p.Binary {
		s.forceClose(errUnexpectedText)
		return
	}
	gw := s.loop.gw
	packet, attachments, err := msgpack.Decode(p.Data, &gw.live().packets, gw.options.Engine.MaxPayload)
	if err != nil {
		s.forceClose(err)
		return
	}
	size := len(packet.Payload)
	for i, a := range attachments {
		attachments[i] = bytes.Clone(a)
		size += len(a)
	}
	if size > gw.maxMessage {
		s.forceClose(errTooManyBytes)
		return
	}
	s.dispatch(packet, attachments)
}

// packedFor is a packet in msgpack, compressed if the client takes that and it is worth it.
func (gw *Gateway) packedFor(s *session, w *wire) []packet {
	packets := w.in(formMsgpack, func() []packet { return gw.msgpack(w) })
	if s.conn == nil || !s.conn.deflates || w.plain || len(packets) == 0 || len(packets[0].frame) < gw.deflater.options.Threshold {
		return packets
	}
	return w.in(formSqueezedMsgpack, func() []packet {
		if small := gw.deflater.frame(&packets[0]); small != nil {
			return []packet{*small}
		}
		return packets
	})
}

// msgpack encodes a packet for clients that speak msgpack.
func (gw *Gateway) msgpack(w *wire) []packet {
	p, err := socketio.Decode(w.text.payload()[1:], &gw.served)
	if err == nil {
		attachments := make([][]byte, len(w.attached))
		for i := range w.attached {
			attachments[i] = w.attached[i].payload()
		}
		var data []byte
		if data, err = msgpack.AppendPacket(newFrame(len(w.text.frame)+64), p, attachments); err == nil {
			packets := make([]packet, 1)
			packets[0].finish(data, ws.OpBinary)
			return packets
		}
	}
	gw.metrics.badMessages.Inc()
	gw.log.Warn("an emit that clients with msgpack do not get", zap.String("nsp", p.Namespace), zap.Error(err))
	return nil
}
