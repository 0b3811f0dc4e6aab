package gateway

import (
	"bytes"
	"errors"

	"patchbay/backplane"
	"patchbay/protocol/engineio"
	"patchbay/protocol/socketio"
)

// What a client's packets can do wrong beyond their form. Each closes the session, as
// in the reference.
var (
	errSecondConnect   = errors.New("a second CONNECT to one namespace")
	errNotConnected    = errors.New("a packet for a namespace that is not joined")
	errUnexpectedBytes = errors.New("an attachment that no packet announced")
	errMissingBytes    = errors.New("a packet in place of an attachment")
	errTooManyBytes    = errors.New("attachments beyond the backplane's message size")
	errServerPacket    = errors.New("a packet that only servers send")
)

// assembly is a packet whose attachments are still coming.
type assembly struct {
	packet      socketio.Packet // its payload is a copy
	attachments [][]byte
	size        int
}

// message handles an Engine.IO message: a Socket.IO packet, or an attachment.
// Its data is valid during the call.
func (s *session) message(p engineio.Packet) {
	if s.msgpack(p.Binary) {
		s.packed(p)
		return
	}
	if p.Binary {
		s.attachment(p.Data)
		return
	}
	if s.parts != nil {
		s.forceClose(errMissingBytes)
		return
	}
	packet, err := socketio.Decode(p.Data, &s.loop.gw.live().packets)
	if err != nil {
		s.forceClose(err)
		return
	}
	if packet.Type.Binary() && packet.Attachments > 0 {
		if err := socketio.CheckPlaceholders(packet.Payload, packet.Attachments); err != nil {
			s.forceClose(err)
			return
		}
		packet.Payload = bytes.Clone(packet.Payload)
		s.parts = &assembly{packet: packet, size: len(packet.Payload)}
		return
	}
	s.dispatch(packet, nil)
}

// attachment takes the next attachment of the packet that announced it.
func (s *session) attachment(data []byte) {
	a := s.parts
	if a == nil {
		s.forceClose(errUnexpectedBytes)
		return
	}
	a.attachments = append(a.attachments, bytes.Clone(data))
	if a.size += len(data); a.size > s.loop.gw.maxMessage {
		s.forceClose(errTooManyBytes)
		return
	}
	if len(a.attachments) == a.packet.Attachments {
		s.parts = nil
		s.dispatch(a.packet, a.attachments)
	}
}

// dispatch handles a whole Socket.IO packet (Socket.IO, section "Packet types").
func (s *session) dispatch(p socketio.Packet, attachments [][]byte) {
	if !s.affords(p, attachments) {
		return
	}
	if p.Type == socketio.Connect {
		s.connect(p)
		return
	}
	k := s.socketIn(p.Namespace)
	if k == nil || k.joining != nil {
		s.forceClose(errNotConnected)
		return
	}
	payload := backplane.Payload{JSON: p.Payload, Attachments: attachments}
	switch p.Type {
	case socketio.Event, socketio.BinaryEvent:
		k.event(p, payload)
	case socketio.Ack, socketio.BinaryAck:
		k.acknowledged(p, payload)
	case socketio.Disconnect:
		k.remove(reasonClientLeft)
	case socketio.Connect, socketio.ConnectError:
		s.forceClose(errServerPacket)
	}
}

// socketIn is the session's socket in a namespace, connecting or joined.
func (s *session) socketIn(nsp string) *socket {
	for _, k := range s.sockets {
		if k.nsp.name == nsp {
			return k
		}
	}
	return nil
}
