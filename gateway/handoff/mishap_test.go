package handoff

import "time"

// tick lets machines do what is due.
func (n *node) tick() {
	if !n.alive || n.paused {
		return
	}
	now := n.w.now
	for _, k := range n.takes {
		if at, ok := k.Due(); ok && now >= at {
			n.doTake(k, k.Tick(now))
		}
		if k.Phase() <= Waiting && now > k.begun+n.w.climate.options.GiveUp+tickEvery {
			n.w.broken("node %d: taker %s does not give up", n.index, k.Token())
		}
	}
	for _, d := range n.departs {
		if at, ok := d.Due(); ok && now >= at {
			n.doOwner(d, d.Tick(now))
		}
	}
}

// busyWith reports whether a unit is on its way from here or to here.
func (n *node) busyWith(u *unit) bool {
	for _, k := range n.takes {
		if k.unit == u && k.Phase() < Trailing {
			return true
		}
	}
	for _, d := range n.departs {
		if d.unit == u {
			return true
		}
	}
	return false
}

// die ends a node for good; the routers say so later.
func (n *node) die() {
	w := n.w
	w.logf("n%d dies", n.index)
	n.alive, n.inbox = false, nil
	for _, u := range w.units {
		for _, other := range w.nodes {
			if n.busyWith(u) || other.concerns(u, n) {
				u.pardon("a node died")
			}
		}
		if u.holder == n && !u.over() {
			u.dead = true
			// Whoever adopts it now has it from a dead node, by a message under way.
		}
		u.exit(n)
	}
	n.units, n.takes, n.departs = map[*unit]*presence{}, nil, nil
	w.announce(n, lease)
}

// undead has a node declared lost that lives, and hears of it later or not at all.
func (n *node) undead() {
	n.w.logf("n%d is called lost", n.index)
	if n.w.rng.IntN(2) == 0 {
		n.pause()
	}
	n.w.announce(n, 0)
}

// announce has the other nodes hear that a node is lost, each in its time.
func (w *world) announce(lost *node, after time.Duration) {
	for _, n := range w.nodes {
		if n == lost {
			continue
		}
		w.after(after+time.Duration(w.rng.IntN(300))*ms, func() { n.post(func() { n.lost(lost) }) })
	}
}

// lost is the routers' word.
func (n *node) lost(lost *node) {
	now := n.w.now
	for _, u := range n.w.units {
		if n.concerns(u, lost) {
			u.pardon("a node was declared lost")
			u.mayDie = true
		}
	}
	for _, k := range n.takes {
		if k.from == lost {
			n.doTake(k, k.OwnerLost(now))
		}
	}
	for _, d := range n.departs {
		n.doOwner(d, d.TakerLost(now, lost.name()))
	}
}

// concerns reports whether a unit is on its way between this node and another.
func (n *node) concerns(u *unit, other *node) bool {
	for _, k := range n.takes {
		if k.unit == u && k.from == other && k.Phase() < Trailing {
			return true
		}
	}
	for _, d := range n.departs {
		if d.unit == u && d.Taker() == other.name() {
			return true
		}
	}
	return false
}

// pause stops a node's process for a while. What comes for it waits. When it goes on, its timers come first.
func (n *node) pause() {
	if n.paused {
		return
	}
	n.w.logf("n%d stops", n.index)
	n.paused = true
	n.w.after(time.Duration(100+n.w.rng.IntN(1200))*ms, func() {
		n.w.logf("n%d goes on", n.index)
		n.paused = false
		if !n.alive {
			return
		}
		n.tick()
		inbox := n.inbox
		n.inbox = nil
		for _, do := range inbox {
			n.post(do)
		}
	})
}

// trouble ends a unit that is here, or the handoff of one that was to be.
func (n *node) trouble(u *unit) {
	now := n.w.now
	for _, k := range n.takes {
		if k.unit == u && k.Phase() < Settling {
			n.doTake(k, k.Abandon(now))
			return
		}
	}
	p := n.units[u]
	if p == nil || n.w.rng.IntN(2) == 0 {
		return
	}
	n.w.logf("n%d ends unit %d", n.index, u.name)
	if p.take != nil {
		n.doTake(p.take, p.take.Abandon(now))
	}
	if p.owner != nil && p.owner.Phase() == Given {
		d := n.leaving(p.owner.Token())
		d.claims = nil
		n.doOwner(d, d.End(now))
	}
	n.release(u.rooms)
	u.ended = true
	u.exit(n)
	delete(n.units, u)
}

// checkIdle checks that nothing is left over.
func (n *node) checkIdle() {
	if !n.alive {
		return
	}
	for _, k := range n.takes {
		n.w.broken("node %d: taker %s is stuck in phase %d", n.index, k.Token(), k.Phase())
	}
	for _, d := range n.departs {
		n.w.broken("node %d: owner for %s is stuck in phase %d", n.index, d.token, d.Phase())
	}
	used := map[int]int{}
	for r := range n.others {
		used[r] = 1
	}
	for u := range n.units {
		for _, r := range u.rooms {
			used[r]++
		}
	}
	for r := range rooms {
		if n.claims[r] != used[r] {
			n.w.broken("node %d: room %d is claimed %d times, used %d times", n.index, r, n.claims[r], used[r])
		}
	}
}
