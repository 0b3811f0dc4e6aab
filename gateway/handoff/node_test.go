package handoff

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// node is a gateway with one loop. It is also the reference of an edge: what it does with actions is what the
// gateway has to do.
type node struct {
	w       *world
	index   int
	alive   bool
	paused  bool
	inbox   []func()
	links   []*link // to the other nodes
	seen    *Seen
	recent  map[Mark]bool // copies of one message on several subjects
	claims  map[int]int
	others  map[int]bool // rooms that sockets which do not move are in
	units   map[*unit]*presence
	names   map[*unit][]Mark // of what has been delivered here and has a name
	takes   []*take          // oldest first
	departs []*departure
	grants  uint64
}

type (
	taker = Taker[[]int, load, *published]
	owner = Owner[load, *published]
)

// presence is a unit that is here.
type presence struct {
	unit  *unit
	take  *take  // not yet retired
	owner *owner // nil until somebody looks
}

// take is a unit on its way to here.
type take struct {
	*taker
	unit   *unit
	from   *node
	claims []int
	tries  int
	begun  time.Duration
}

// departure is a unit that is frozen here, or has gone.
type departure struct {
	*owner
	unit   *unit
	token  string
	claims []int
}

func one(*published) int { return 1 }

func newNode(w *world, i int) *node {
	n := &node{
		w: w, index: i, alive: true, seen: NewSeen(w.climate.publishers), recent: map[Mark]bool{}, claims: map[int]int{}, others: map[int]bool{},
		units: map[*unit]*presence{}, names: map[*unit][]Mark{},
	}
	for range 4 {
		n.links = append(n.links, &link{base: time.Duration(6+w.rng.IntN(1+w.rng.IntN(70))) * ms, jitter: 1 + w.rng.IntN(40)})
	}
	return n
}

func (n *node) name() string { return strconv.Itoa(n.index) }

func (w *world) named(name string) *node {
	i, _ := strconv.Atoi(name)
	return w.nodes[i]
}

// settle puts sockets that do not move into some rooms, from the beginning.
func (n *node) settle() {
	for r := range rooms {
		if n.w.rng.IntN(2) == 0 {
			continue
		}
		n.others[r] = true
		n.claims[r] = 1
		for _, p := range n.w.publishers {
			p.links[n.index].claims[r] = 1
		}
	}
}

// post has something handled in order of arrival.
func (n *node) post(do func()) {
	switch {
	case !n.alive:
	case n.paused:
		n.inbox = append(n.inbox, do)
	default:
		do()
	}
}

// receive takes a message from a publisher.
func (n *node) receive(p *publisher, m *published) {
	if m.mark.Known() && n.recent[m.mark] {
		return
	}
	if len(m.rooms) > 1 {
		n.recent[m.mark] = true
	}
	if m.named == nil {
		n.seen.Note(m.mark)
	}
	for _, k := range n.takes {
		if k.Phase() < Settling {
			n.doTake(k, k.Held(n.w.now, m.mark, m))
		}
	}
	for _, u := range n.w.units {
		if p := n.units[u]; p != nil && u.wants(m) {
			n.arrived(p, m)
		}
	}
	for _, d := range n.departs {
		if d.Phase() == Lingering && d.unit.wants(m) {
			n.doOwner(d, d.Message(n.w.now, m.mark, m))
		}
	}
}

// arrived dispatches a message to a unit that is here.
func (n *node) arrived(p *presence, m *published) {
	if p.take != nil {
		if k := p.take; k.Phase() == Trailing && k.Had().Has(m.mark) {
			n.w.count.dropped++
		}
		n.doTake(p.take, p.take.Held(n.w.now, m.mark, m))
		return
	}
	n.local(p, m)
}

// local is behind the hold-back of the unit's own taker, if it still has one.
func (n *node) local(p *presence, m *published) {
	if p.owner != nil && p.owner.Phase() == Given {
		d := n.leaving(p.owner.Token())
		n.doOwner(d, d.Message(n.w.now, m.mark, m))
		return
	}
	p.unit.deliver(n, m)
}

// take begins a handoff.
func (n *node) take(u *unit, from *node, tries int) {
	if n.units[u] != nil || from == n || u.over() {
		return
	}
	for _, k := range n.takes {
		if k.unit == u {
			return
		}
	}
	n.w.tokens++
	token := fmt.Sprintf("t%d", n.w.tokens)
	k := &take{taker: NewTaker[[]int, load](n.w.climate.options, token, one), unit: u, from: from, tries: tries, begun: n.w.now}
	n.takes = append(n.takes, k)
	n.doTake(k, k.Start(n.w.now))
}

// doTake carries out what a taker wants.
func (n *node) doTake(k *take, actions []Action) {
	w := n.w
	for _, a := range actions {
		if w.trace != nil {
			w.logf("n%d taker %s: %T%+v", n.index, k.Token(), a, a)
		}
		switch a := a.(type) {
		case Look, Give, Confirm, Decline, Done:
			to := k.from
			w.send(n, to, a, func() { to.request(n, k.unit, a) })
		case Claim[[]int]:
			n.claimFor(k, a.Offer)
		case Stage[load]:
			n.claimFor(k, a.State.rooms)
		case Adopt[load]:
			if a.State.count != k.unit.count {
				w.broken("unit %d: adopted with %d messages delivered, it has had %d", k.unit.name, a.State.count, k.unit.count)
			}
			n.units[k.unit] = &presence{unit: k.unit, take: k}
			k.unit.enter(n)
			w.count.moves++
		case Deliver[*published]:
			n.local(n.units[k.unit], a.Message)
		case Finish:
			w.count.finals++
			if a.Torn {
				w.count.torn++
				k.unit.pardon("the taker held too much")
			}
			if w.rng.IntN(3) == 0 && w.now < faultsEnd { // on its way again at once
				w.after(time.Duration(w.rng.IntN(40))*ms, k.unit.wander)
			}
			if w.climate.pauses && w.rng.IntN(4) == 0 && w.now < faultsEnd {
				w.after(time.Duration(w.rng.IntN(100))*ms, n.pause)
			}
		case Retire:
			n.dropTake(k)
			if p := n.units[k.unit]; p != nil && p.take == k {
				p.take = nil
			}
		case Release:
			n.release(k.claims)
			k.claims = nil
		case Fail:
			n.failed(k, a)
		default:
			w.broken("taker wants %T", a)
		}
	}
	if count, size := k.Backlog(); count > k.options.Messages || size != count {
		w.broken("taker holds %d messages, %d bytes", count, size)
	}
}

func (n *node) failed(k *take, f Fail) {
	n.w.count.fails++
	n.dropTake(k)
	if len(k.claims) > 0 {
		n.w.broken("failed with claims")
	}
	if f.Reason == FailMoved && k.tries > 0 {
		n.take(k.unit, n.w.named(f.Node), k.tries-1)
	}
}

func (n *node) claimFor(k *take, rooms []int) {
	for _, r := range rooms {
		if !slices.Contains(k.claims, r) {
			k.claims = append(k.claims, r)
			n.w.claim(n, r, 1)
		}
	}
}

func (n *node) release(rooms []int) {
	for _, r := range rooms {
		n.w.claim(n, r, -1)
	}
}

// request takes a message of a taker: Look and Give go by unit, the others by token.
func (n *node) request(from *node, u *unit, m Action) {
	now := n.w.now
	switch m := m.(type) {
	case Look:
		if d := n.machine(from, u, m.Token, StepLook); d != nil {
			n.answer(from, d, d.Look(now, m))
		}
	case Give:
		if d := n.machine(from, u, m.Token, StepGive); d != nil {
			actions := d.Give(now, m, from.name())
			n.answer(from, d, actions)
		}
	case Confirm:
		d := n.leaving(m.Token)
		if d == nil {
			n.refuse(from, u, Refused{Token: m.Token, Step: StepConfirm, Reason: Gone})
			return
		}
		n.answer(from, d, d.Confirm(now, m))
	case Decline:
		if d := n.leaving(m.Token); d != nil {
			n.doOwner(d, d.Decline(now, m))
		}
	case Done:
		if d := n.leaving(m.Token); d != nil {
			n.doOwner(d, d.Done(now, m))
		}
	}
}

// machine finds who answers for a unit; nil after a refusal.
func (n *node) machine(from *node, u *unit, token string, step Step) *departure {
	p := n.units[u]
	if p != nil && p.take != nil && p.take.Phase() == Settling {
		n.refuse(from, u, Refused{Token: token, Step: step, Reason: Busy})
		return nil
	}
	if p == nil {
		for _, d := range slices.Backward(n.departs) {
			if d.unit == u {
				return d
			}
		}
		n.refuse(from, u, Refused{Token: token, Step: step, Reason: Gone})
		return nil
	}
	if p.owner == nil || p.owner.Phase() == Owning {
		var floor *Seen
		if p.take != nil {
			floor = p.take.Had()
		}
		p.owner = NewOwner[load](n.w.climate.options, n.seen, floor.With(n.names[u]...), one)
	}
	return &departure{owner: p.owner, unit: u}
}

func (n *node) refuse(to *node, u *unit, r Refused) {
	n.w.send(n, to, r, func() { to.response(r.Token, r) })
}

// answer carries out what an owner wants, for whoever asked.
func (n *node) answer(to *node, d *departure, actions []Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case MakeOffer:
			offer := Offer[[]int]{Token: a.Token, Offer: d.unit.rooms}
			if n.w.rng.IntN(3) == 0 { // it joins another room before it freezes
				offer.Offer = d.unit.rooms[:1]
			}
			n.w.send(n, to, offer, func() { to.response(a.Token, offer) })
		case Refused:
			n.refuse(to, d.unit, a)
		case Freeze:
			d.token, d.claims = a.Token, d.unit.rooms
			n.departs = append(n.departs, d)
			n.doOwner(d, []Action{a})
		default:
			left := n.leaving(d.Token())
			if left == nil {
				n.w.broken("node %d answers %T for %s, which it did not give", n.index, a, d.Token())
				return
			}
			n.doOwner(left, []Action{a})
		}
	}
}

// doOwner carries out what an owner wants.
func (n *node) doOwner(d *departure, actions []Action) {
	w, u := n.w, d.unit
	for _, a := range actions {
		if w.trace != nil {
			w.logf("n%d owner: %T%+v", n.index, a, a)
		}
		switch a := a.(type) {
		case Freeze:
			u.exit(n)
			n.grants++
			n.doOwner(d, d.Frozen(w.now, n.grants, load{unit: u, rooms: u.rooms, count: u.count}))
		case State[load], Confirmed, Forward[*published], Settled:
			if _, ok := a.(Forward[*published]); ok {
				w.count.forwards++
			}
			to := w.named(d.Taker())
			token := d.Token()
			w.send(n, to, a, func() { to.response(token, a) })
		case Depart:
			u.holder = w.named(a.Taker)
			delete(n.units, u)
			if !u.holder.alive {
				u.dead = true
			}
		case Restore:
			w.count.restores++
			u.enter(n)
			n.dropDeparture(d)
		case Deliver[*published]:
			u.deliver(n, a.Message)
		case Cut:
			if a.Early {
				w.count.early++
				u.pardon("the owner kept too much")
			}
			n.release(d.claims)
			d.claims = nil
		case Forget:
			n.release(d.claims)
			d.claims = nil
			n.dropDeparture(d)
		default:
			w.broken("owner wants %T", a)
		}
	}
	if count, size := d.Backlog(); count > d.options.Messages+1 || size != count {
		w.broken("owner keeps %d messages, %d bytes", count, size)
	}
}

// response takes a message of an owner, by token.
func (n *node) response(token string, m Action) {
	k, now := n.taking(token), n.w.now
	if k == nil {
		n.stray(token, m)
		return
	}
	switch m := m.(type) {
	case Offer[[]int]:
		n.doTake(k, k.Offered(now, m))
	case State[load]:
		n.doTake(k, k.Given(now, m))
	case Confirmed:
		n.doTake(k, k.Confirmed(now, m))
	case Forward[*published]:
		n.doTake(k, k.Forwarded(now, m))
	case Settled:
		n.doTake(k, k.Settled(now, m))
	case Refused:
		n.doTake(k, k.Refused(now, m))
	}
}

// stray answers what comes for a handoff that has ended here.
func (n *node) stray(token string, m Action) {
	var back Action
	switch m.(type) {
	case State[load]:
		back = Decline{Token: token}
	case Settled:
		back = Done{Token: token}
	default:
		return
	}
	for _, to := range n.w.nodes { // a real edge answers the sender
		if d := to.leaving(token); d != nil {
			n.w.send(n, to, back, func() { to.request(n, d.unit, back) })
		}
	}
}

// noResponder is the backplane's word that nobody listens.
func (n *node) noResponder(to *node, m Action) {
	var token string
	switch m := m.(type) {
	case Look:
		token = m.Token
	case Give:
		token = m.Token
	case Confirm:
		token = m.Token
	}
	if k := n.taking(token); k != nil {
		n.doTake(k, k.NoOwner(n.w.now))
	}
}

// taking finds a handoff to here; nil if there is none.
func (n *node) taking(token string) *take {
	for _, k := range n.takes {
		if k.Token() == token {
			return k
		}
	}
	return nil
}

// leaving finds a handoff from here; nil if there is none.
func (n *node) leaving(token string) *departure {
	for _, d := range n.departs {
		if d.token == token {
			return d
		}
	}
	return nil
}

func (n *node) dropTake(k *take) {
	n.takes = slices.DeleteFunc(slices.Clone(n.takes), func(other *take) bool { return other == k })
}

func (n *node) dropDeparture(d *departure) {
	n.departs = slices.DeleteFunc(slices.Clone(n.departs), func(other *departure) bool { return other == d })
}
