package handoff

import "slices"

// unit is what moves, with the books that are kept about it. The checks are made by the world, which sees all
// nodes at once.
type unit struct {
	w      *world
	name   int
	rooms  []int
	count  int               // deliveries
	last   map[string]uint64 // by publisher, delivered
	next   map[*publisher]uint64
	got    map[*published]bool
	owners []*node // who may deliver: one, or none
	holder *node   // who has it, deciding included
	dead   bool    // its holder died
	ended  bool    // of its own
	excuse string  // why something may be missing
	mayDie bool    // a node that had to do with it was declared lost
}

// load is a unit's state.
type load struct {
	unit  *unit
	rooms []int
	count int
}

func (w *world) newUnit(i int) {
	u := &unit{w: w, name: i, last: map[string]uint64{}, next: map[*publisher]uint64{}, got: map[*published]bool{}}
	for len(u.rooms) < 2 {
		if r := w.rng.IntN(rooms); !slices.Contains(u.rooms, r) {
			u.rooms = append(u.rooms, r)
		}
	}
	w.units = append(w.units, u)
	if w.climate.publishers > 0 {
		u.pardon("nodes cannot remember all publishers")
	}
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	u.owners, u.holder = []*node{n}, n
	n.units[u] = &presence{unit: u}
	for _, r := range u.rooms { // in effect from the beginning
		n.claims[r]++
		for _, p := range w.publishers {
			p.links[n.index].claims[r] = 1
		}
	}
}

func (u *unit) wants(m *published) bool {
	return slices.ContainsFunc(m.rooms, func(r int) bool { return slices.Contains(u.rooms, r) })
}

// deliver is the client's end: what arrives here is for ever.
func (u *unit) deliver(n *node, m *published) {
	if !u.wants(m) {
		return
	}
	w := u.w
	if !slices.Contains(u.owners, n) {
		w.broken("unit %d: node %d delivers %v and is not the owner", u.name, n.index, m)
	}
	if u.got[m] {
		w.broken("unit %d: node %d delivers %v twice", u.name, n.index, m)
	}
	if m.mark.Known() && m.mark.Sequence <= u.last[m.mark.Publisher] {
		w.broken("unit %d: node %d delivers %v after %d", u.name, n.index, m, u.last[m.mark.Publisher])
	}
	if w.trace != nil {
		w.logf("unit %d n%d delivers %v", u.name, n.index, m)
	}
	if m.named != nil {
		if uint64(m.id) < u.next[m.named] && u.excuse == "" { // a loss may be made good later
			w.broken("unit %d: node %d delivers %v too late", u.name, n.index, m)
		}
		u.next[m.named] = uint64(m.id) + 1
		n.names[u] = append(n.names[u], m.mark)
	}
	u.got[m] = true
	u.count++
	if m.mark.Known() {
		u.last[m.mark.Publisher] = m.mark.Sequence
	}
}

// enter makes a node the owner.
func (u *unit) enter(n *node) {
	u.owners = append(u.owners, n)
	if len(u.owners) > 1 {
		u.w.broken("unit %d: node %d is an owner beside node %d", u.name, n.index, u.owners[0].index)
	}
	if u.holder != n {
		u.w.broken("unit %d: node %d becomes the owner, though it is not its", u.name, n.index)
	}
}

func (u *unit) exit(n *node) {
	u.owners = slices.DeleteFunc(u.owners, func(other *node) bool { return other == n })
}

func (u *unit) over() bool { return u.dead || u.ended }

func (u *unit) pardon(why string) {
	if u.excuse == "" {
		u.excuse = why
	}
}

// wander has the client turn up at some nodes, which look for the unit where it is, or was.
func (u *unit) wander() {
	w := u.w
	if u.over() {
		return
	}
	for range 1 + w.rng.IntN(2) {
		n := w.nodes[w.rng.IntN(len(w.nodes))]
		owner := u.holder
		if w.rng.IntN(5) == 0 {
			owner = w.nodes[w.rng.IntN(len(w.nodes))]
		}
		if n.alive && owner != nil && owner != n && n.units[u] == nil {
			n.post(func() { n.take(u, owner, 3) })
		}
	}
}

// trouble ends the unit where it is, or loses a taker its client.
func (u *unit) trouble() {
	w := u.w
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	if w.rng.IntN(6) == 0 && u.holder != nil {
		n = u.holder
	}
	n.post(func() { n.trouble(u) })
}

// checkEnd checks what must be true when faults have stopped long ago.
func (u *unit) checkEnd() {
	w := u.w
	switch {
	case u.over():
		if len(u.owners) > 0 {
			w.broken("unit %d is over and has an owner", u.name)
		}
		return
	case len(u.owners) == 0 && u.mayDie:
		w.count.lost++
		return
	case len(u.owners) == 0:
		w.broken("unit %d is nowhere", u.name)
		return
	}
	if p := u.owners[0].units[u]; p == nil || p.take != nil || p.owner != nil && p.owner.Phase() != Owning {
		w.broken("unit %d is stuck", u.name)
	}
	for _, p := range w.publishers {
		for _, m := range p.said {
			if u.excuse == "" && m.mark.Known() && u.wants(m) && !u.got[m] {
				w.broken("unit %d has not got %v of %s", u.name, m, m.at)
			}
			if m.at >= lastWords && u.wants(m) && !u.got[m] {
				w.broken("unit %d is deaf: it has not got %v", u.name, m)
			}
		}
	}
}
