package gateway

import (
	"slices"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// detached is the state of a socket whose transport is gone and which is kept for a while, so that
// its client can come back. It stays a member of its rooms, without being delivered to: so its
// loop goes on hearing what it misses, and keeps it in its history.
type detached struct {
	until    time.Duration
	since    time.Duration
	position uint64 // in its loop's history: what comes from there on it misses
	size     int    // bytes that it takes
}

// detachedCost is what a detached socket takes besides its bytes, its rooms not counted.
const detachedCost = 1000

// detach begins it.
func (k *socket) detach(left time.Duration) {
	l := k.nsp.loop
	k.detached = &detached{until: l.now + left, since: l.now, position: l.history.next()}
	k.detached.size = detachedCost + len(k.data) + len(k.auth)
	if k.arrears != nil {
		k.detached.size += k.arrears.size
	}
	l.gone.add(k)
	l.gw.metrics.detached.Inc()
}

// undetach ends it.
func (k *socket) undetach() {
	l := k.nsp.loop
	l.gone.count--
	l.gone.bytes -= k.detached.size
	k.detached = nil
	l.gw.metrics.detached.Dec()
}

// recoverable are the reasons after which a client may come back: those of the transport, not those of
// somebody's will (Socket.IO, connection state recovery).
func recoverable(reason string) bool {
	switch reason {
	case reasonTransportClose, reasonTransportError, reasonPingTimeout, reasonForcedClose, reasonSlowConsumer, reasonNoWorker,
		reasonServerShutdown: // of a node that drains; one that stops keeps nothing
		return true
	}
	return false
}

// drop takes the socket out of its session, for a reason that may allow it to come back.
func (k *socket) drop(reason string) {
	l := k.nsp.loop
	if k.joining != nil && k.detached != nil { // it was coming back, and waits again
		k.session.withdraw(k)
		k.joining, k.session = nil, nil
		return
	}
	if k.joining != nil || l.history.window == 0 || k.session.old() || l.over || !recoverable(reason) {
		k.remove(reason)
		return
	}
	k.leaveSession(reason)
	k.detach(l.history.window)
	l.gone.schedule(l)
}

// leaveSession ends what the socket shares with a session, and tells routers and worker. Its rooms stay.
func (k *socket) leaveSession(reason string) {
	s, gw := k.session, k.nsp.loop.gw
	switch h := k.homing; {
	case h == nil:
	case h.moved:
		k.arrived(backplane.Standing{}) // its worker is there: what waits comes before the end
	case h.answer != nil:
		k.abandonGiven() // the former does what it has, and the new one what waits
		k.settleIn()
	case h.leaving:
		k.homing = nil
		k.give()
	}
	s.withdraw(k)
	k.session = nil
	k.dropAcks()
	gw.metrics.sockets.Dec()
	gw.feed.add(backplane.Change{Op: backplane.SocketRemoved, Socket: k.id})
	k.abandonEvents()
	if k.homing == nil { // a worker that accepts it now is told then
		gw.countPublish(gw.conn.PublishMsg(backplane.EncodeDisconnect(gw.conn.Worker(k.worker, "disconnect", k.id), reason, k.roomNames())))
	}
	k.homing = nil
}

// forget ends a detached socket.
func (k *socket) forget(outcome string) {
	l := k.nsp.loop
	k.undetach()
	if k.frozen() {
		o := k.arrears.leaving
		o.do(o.End(l.now))
	}
	if outcome != "" {
		l.gw.metrics.recoveries.WithLabelValues(outcome).Inc()
	}
	k.leaveLoop()
	k.arrears = nil
}

// lapse ends a detached socket whose time or place is over. If it is just coming back, its client is sent away to
// begin anew; the worker is told when its answer finds no socket.
func (k *socket) lapse(outcome string) {
	s := k.session
	if s != nil {
		s.withdraw(k)
		k.joining, k.session = nil, nil
	}
	k.forget(outcome)
	if s != nil {
		s.close(reasonForcedClose, closeServer)
	}
}

// departed are a loop's detached sockets in the order of their ends. Owned by the loop.
type departed struct {
	queue []departure
	count int
	bytes int
	timer timer
}

// departure is one detachment; it is over when the socket has another, or none.
type departure struct {
	socket *socket
	state  *detached
}

func (d *departed) add(k *socket) {
	d.count++
	d.bytes += k.detached.size
	at := len(d.queue) // but for those that come from other nodes, the newest ends last
	for at > 0 && d.queue[at-1].state.until > k.detached.until {
		at--
	}
	d.queue = slices.Insert(d.queue, at, departure{socket: k, state: k.detached})
}

// grow notes that a detached socket takes more than before, or less.
func (d *departed) grow(k *socket, by int) {
	k.detached.size += by
	d.bytes += by
}

// over reports whether there are more of them than may be, or larger ones.
func (d *departed) over(l *loop) bool {
	limits, loops := l.gw.live(), len(l.gw.loops)
	return d.count > max(1, limits.Detached/loops) || d.bytes > limits.DetachedBytes/loops
}

// schedule arms the timer for the oldest; at once if there are too many. They are not forgotten right away: a
// broadcast whose delivery closed a session is walking over the members of their rooms.
func (d *departed) schedule(l *loop) {
	for len(d.queue) > 0 && d.queue[0].over() {
		d.queue = d.queue[1:]
	}
	if len(d.queue) == 0 {
		d.queue = nil
		l.wheel.stop(&d.timer)
		return
	}
	due := d.queue[0].state.until
	if d.over(l) {
		due = l.now
	}
	l.wheel.set(&d.timer, due, expiry{l})
}

// forgetOldest makes room for a newer one.
func (d *departed) forgetOldest(l *loop) {
	for len(d.queue) > 0 {
		oldest := d.queue[0]
		d.queue = d.queue[1:]
		if !oldest.over() {
			l.gw.log.Debug("detached socket forgotten: too many", zap.String("socket", oldest.socket.id))
			oldest.socket.lapse("evicted")
			return
		}
	}
}

// over reports that the socket came back since, or is gone.
func (d *departure) over() bool { return d.socket.detached != d.state }

// expiry ends the detached sockets whose time is over.
type expiry struct{ l *loop }

func (e expiry) expire(now time.Duration) {
	d := &e.l.gone
	for len(d.queue) > 0 && (d.queue[0].over() || d.queue[0].state.until <= now) {
		oldest := d.queue[0]
		d.queue = d.queue[1:]
		if !oldest.over() {
			oldest.socket.lapse("expired")
		}
	}
	for d.over(e.l) && len(d.queue) > 0 {
		d.forgetOldest(e.l)
	}
	e.l.history.trim(now)
	d.schedule(e.l)
}
