package gateway

import "time"

// past is an emit as an entry of a socket's backlog.
func (b *broadcast) past(nsp string, now time.Duration) past {
	w := b.wire
	if w == nil {
		w = b.encode(nsp)
	}
	return past{b: b, wire: w, at: now, size: broadcastSize(b)}
}

// names reports whether an emit is for a socket that is in its rooms.
func (b *broadcast) names(k *socket) bool {
	if !b.target.in(k.nsp.name) {
		return false
	}
	for _, name := range b.emit.Except {
		if name == k.id || k.in(name) {
			return false
		}
	}
	rooms := b.rooms()
	for _, name := range rooms {
		if name == k.id || k.in(name) {
			return true
		}
	}
	return rooms == nil
}

// mayName reports whether an emit may be for a socket that is not here.
func (b *broadcast) mayName(id, nsp string, in map[string]struct{}) bool {
	if !b.target.in(nsp) {
		return false
	}
	rooms := b.rooms()
	for _, name := range rooms {
		if _, ok := in[name]; ok || name == id {
			return true
		}
	}
	return rooms == nil
}

// hand delivers an emit to one socket that is on its way, and keeps it in case its client is gone before it has had it.
func (k *socket) hand(b *broadcast) {
	l := k.nsp.loop
	if b.control != nil || b.answered != nil {
		if b.target.room == k.id {
			b.own.run(l)
		}
		return
	}
	if b.reply != "" {
		if b.emit.Ask && b.names(k) || !b.emit.Ask && b.target.room == k.id {
			b.put(k, l)
		}
		return
	}
	if !b.names(k) {
		return
	}
	e := b.past(k.nsp.name, l.now)
	if b.id != "" && (k.session == nil || !k.session.old()) { // a client of Socket.IO 2 does not come back
		owed := k.owed()
		before := owed.size
		owed.keep(e, l.gw.live().QueueBytes)
		if k.detached != nil {
			l.gone.grow(k, owed.size-before)
			l.gone.schedule(l)
		}
	}
	if k.here() {
		k.owed().at = l.now
		k.transmit(e.wire, b.emit.Volatile)
	}
}

// keep adds to the backlog; the oldest are dropped for want of room, and a client that has not had those cannot come back.
func (a *arrears) keep(e past, limit int) {
	a.backlog = append(a.backlog, e)
	a.size += e.size
	for a.size > limit && len(a.backlog) > 0 {
		a.size -= a.backlog[0].size
		a.anchor, a.trimmed = a.backlog[0].b.id, true
		a.backlog = a.backlog[1:]
		a.from.backlog = max(0, a.from.backlog-1)
	}
}
