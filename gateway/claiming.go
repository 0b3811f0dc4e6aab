package gateway

import (
	"time"

	"patchbay/backplane"
)

// A client that has its CONNECT packet is in the rooms that middleware gave it: what anybody emits to them from then
// on has to arrive. So where such a room is new to the node, the acceptance waits until NATS has the subscription:
// until a message that the node sends itself, behind it on the same connection, has come back.

// claimed is the claims of an acceptance that waits.
type claimed struct {
	answer   backplane.Connected
	subjects []string
}

// claimFirst subscribes to the rooms of an acceptance that are new here. It reports whether the
// acceptance has to wait for that.
func (k *socket) claimFirst(answer *backplane.Connected) bool {
	l := k.nsp.loop
	gw := l.gw
	wait := &claimed{answer: *answer}
	for _, name := range answer.Rooms {
		if node, _, ok := backplane.SplitSocketID(name); ok && node == gw.options.ID {
			continue // the node hears it anyway
		}
		subject := gw.conn.Room(k.nsp.name, name)
		if gw.interest.Subscribed(subject) {
			continue
		}
		if err := gw.interest.Claim(subject, l.index); err != nil {
			break // accepting fails for the same reason, and says so
		}
		wait.subjects = append(wait.subjects, subject)
	}
	if len(wait.subjects) == 0 {
		return false
	}
	k.joining.claimed = wait
	gw.countPublish(gw.conn.Publish(gw.conn.Node(gw.options.ID, "claimed", k.id), nil))
	return true
}

// release takes the claims back: the rooms hold their own by now, or nobody wants them.
func (c *claimed) release(l *loop) {
	if c == nil {
		return
	}
	for _, subject := range c.subjects {
		l.gw.interest.Release(subject, l.index, time.Now())
	}
}

// proceed is the message that has come back, on its way to the socket's loop.
type proceed struct{ id string }

func (t *proceed) run(l *loop) {
	k := l.sockets[t.id]
	if k == nil || k.joining == nil || k.joining.claimed == nil {
		return // its client has left meanwhile
	}
	wait := k.joining.claimed
	k.joining.claimed = nil
	k.accept(&wait.answer)
	wait.release(l)
}
