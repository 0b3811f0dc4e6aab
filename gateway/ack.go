package gateway

import (
	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// Why an emit that asks for an acknowledgement will get none, as backplane.HeaderError says it.
const (
	ackNoSocket     = backplane.NoSocket
	ackDisconnected = backplane.SocketGone
	ackTooMany      = "too many acknowledgements owed"
	ackDropped      = "volatile, and dropped"
)

// owedAcks are the acknowledgements that a client owes to applications: ack id to reply subject.
// Ids count up per socket, as Socket.IO's do per namespace.
type owedAcks struct {
	next    uint64
	replies map[uint64]string
}

// owe notes that the client is asked for an acknowledgement, and returns its id. ok is false when
// the client owes too many.
func (k *socket) owe(reply string) (id uint64, ok bool) {
	if k.acks != nil {
		id = k.acks.next
	}
	if !k.oweAs(id, reply) {
		return 0, false
	}
	k.acks.next++
	return id, true
}

// oweAs is owe under an id that was chosen before. It fails for one that the client owes already, too.
func (k *socket) oweAs(id uint64, reply string) bool {
	if k.acks == nil {
		k.acks = &owedAcks{replies: map[uint64]string{}}
	}
	gw := k.nsp.loop.gw
	if len(k.acks.replies) >= gw.live().PendingAcks {
		gw.metrics.limited.WithLabelValues("pending acks").Inc()
		return false
	}
	if _, taken := k.acks.replies[id]; taken {
		return false
	}
	k.acks.replies[id] = reply
	return true
}

// acknowledged passes a client's acknowledgement to whoever asked. An unknown one is harmless.
func (k *socket) acknowledged(p socketio.Packet, payload backplane.Payload) {
	if k.acks == nil || !p.HasAck {
		return
	}
	reply, ok := k.acks.replies[p.AckID]
	if !ok {
		return
	}
	delete(k.acks.replies, p.AckID)
	if payload.JSON == nil {
		payload.JSON = []byte("[]")
	}
	k.nsp.loop.gw.publish(reply, "", payload)
}

// dropAcks tells those who still wait that no acknowledgement will come.
func (k *socket) dropAcks() {
	if k.acks == nil {
		return
	}
	for _, reply := range k.acks.replies {
		k.nsp.loop.gw.noAck(reply, ackDisconnected)
	}
	k.acks = nil
}

// noAck answers an emit that asked for an acknowledgement with the reason why none will come.
func (gw *Gateway) noAck(reply, reason string) {
	gw.countPublish(gw.conn.PublishMsg(&backplane.Msg{
		Subject: reply, Header: map[string][]string{backplane.HeaderError: {reason}},
	}))
}
