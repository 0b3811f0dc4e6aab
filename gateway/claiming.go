package gateway

import (
	"time"

	"patchbay/backplane"
)

// Whoever has the answer to a join, or its CONNECT packet, may tell others, and what these emit has to arrive, whatever NATS server they
// talk to. So where a room or namespace is new to the node, the answer waits until every server knows of
// the subscription (backplane.Fence).

// claimed is the claims of an acceptance that waits.
type claimed struct {
	answer   backplane.Connected
	subjects []string
}

// claimFirst subscribes to the namespace and the rooms of an acceptance. It reports whether the acceptance has to wait until that is
// known.
func (k *socket) claimFirst(answer *backplane.Connected) bool {
	l := k.nsp.loop
	gw := l.gw
	wait := &claimed{answer: *answer}
	for _, subject := range append([]string{k.nsp.subject}, k.subjects(answer.Rooms)...) {
		if gw.interest.Confirmed(subject) {
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
	gw.fence.Await(func() { l.post(&proceed{socket: k, wait: wait}) })
	return true
}

// subjects are those of rooms that the node does not hear anyway.
func (k *socket) subjects(rooms []string) []string { return k.nsp.loop.gw.subjects(k.nsp.name, rooms) }

func (gw *Gateway) subjects(nsp string, rooms []string) []string {
	list := make([]string, 0, len(rooms))
	for _, name := range rooms {
		if !gw.born(name) {
			list = append(list, gw.conn.Room(nsp, name))
		}
	}
	return list
}

// heardEverywhere calls done once whatever anybody emits to rooms that the socket has joined is heard here.
func (k *socket) heardEverywhere(rooms []string, done func()) {
	k.nsp.loop.gw.heardEverywhere(k.nsp.name, rooms, done)
}

// heardEverywhere calls done once whatever anybody emits to rooms that were joined is heard here: at once, or on the fence's
// goroutine. With one NATS server that is so as soon as the answer is on its way, behind the subscription.
func (gw *Gateway) heardEverywhere(nsp string, rooms []string, done func()) {
	if !gw.fence.Alone() {
		for _, subject := range gw.subjects(nsp, rooms) {
			if !gw.interest.Confirmed(subject) {
				gw.fence.Await(done)
				return
			}
		}
	}
	done()
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

// proceed is the word that all is known for which an acceptance waits, on its way to the socket's loop.
type proceed struct {
	socket *socket
	wait   *claimed
}

func (t *proceed) run(l *loop) {
	k := t.socket
	if k.joining == nil || k.joining.claimed != t.wait {
		return // its client has left meanwhile
	}
	k.joining.claimed = nil
	k.accept(&t.wait.answer)
	t.wait.release(l)
}
