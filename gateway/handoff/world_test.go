package handoff

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// The simulated world: publishers, the backplane's links and claims, nodes with a handoff edge each, and
// units whose every delivery is checked. Time is virtual, and all chance comes from one seed.

const ms = time.Millisecond

// What the backplane of the simulation does to messages. The options of its nodes fit these.
const (
	slowest   = 200 * ms // a message from publisher to node
	spread    = 300 * ms // a claim to a publisher's server
	retry     = 80 * ms
	tickEvery = 25 * ms
	slack     = 2*retry + 2*tickEvery
	lease     = 900 * ms // from death to its announcement
	faultsEnd = 6 * 1000 * ms
	lastWords = 11 * 1000 * ms // every publisher speaks once more
	worldEnds = 14 * 1000 * ms
)

// climate is what goes wrong in one run.
type climate struct {
	lose, repeat float64 // per message of the protocol
	kills        bool
	zombies      bool
	pauses       bool
	ends         bool    // units end, takers abandon
	blips        float64 // "no responders" though the owner lives
	options      Options
	publishers   int // that a node can remember
}

func (w *world) weather() {
	r := w.rng
	c := climate{options: Options{
		Retry: retry, GiveUp: 1500 * ms, Frozen: 600 * ms, Linger: slowest + spread + slack, Trail: slowest + slack,
	}}
	if r.IntN(3) > 0 {
		c.lose, c.repeat = r.Float64()*0.4, r.Float64()*0.4
	}
	c.kills, c.zombies, c.pauses, c.ends = r.IntN(3) == 0, r.IntN(4) == 0, r.IntN(3) == 0, r.IntN(4) == 0
	if r.IntN(4) == 0 {
		c.blips = 0.1
	}
	if r.IntN(6) == 0 {
		c.options.Messages = 4 + r.IntN(12)
	}
	if r.IntN(6) == 0 {
		c.publishers = 1
	}
	w.climate = c
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

type world struct {
	climate    climate
	rng        *rand.Rand
	now        time.Duration
	agenda     agenda
	order      int
	nodes      []*node
	publishers []*publisher
	units      []*unit
	tokens     int
	count      counts
	fault      error // the first rule broken
	trace      func(format string, args ...any)
}

// counts tell whether the simulation reaches what it is there to reach.
type counts struct {
	moves, restores, fails, forwards, dropped, early, torn, lost, finals int
}

// published is one message. A copy of it is on each of its rooms' subjects.
type published struct {
	id    int
	mark  Mark
	named *publisher // who published it, if its mark is a name
	rooms []int
	at    time.Duration
}

func (m *published) String() string { return fmt.Sprintf("#%d %v rooms %v", m.id, m.mark, m.rooms) }

// publisher is a connection that numbers what it publishes; bare ones do not, and what others publish has names.
type publisher struct {
	w     *world
	name  string
	bare  bool
	named bool
	next  uint64
	links []*link // by node
	said  []*published
}

// link is the way from one publisher to one node: first in, first out.
type link struct {
	base   time.Duration
	jitter int
	last   time.Duration
	claims map[int]int // rooms in effect
	spread time.Duration
	told   time.Duration // when the last change of claims takes effect
}

const rooms = 4

func newWorld(seed uint64) *world {
	w := &world{rng: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
	w.weather()
	for i := range 3 + w.rng.IntN(2) {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	for i := range 4 {
		w.newPublisher(i)
	}
	for _, n := range w.nodes {
		n.settle()
	}
	for i := range 1 + w.rng.IntN(2) {
		w.newUnit(i)
	}
	w.everyNode()
	w.adversity()
	return w
}

func (w *world) newPublisher(i int) {
	p := &publisher{w: w, name: fmt.Sprintf("p%d", i), bare: i == 2, named: i == 3}
	for range w.nodes {
		l := &link{base: time.Duration(w.rng.IntN(int(slowest*3/4/ms))) * ms, jitter: 1 + w.rng.IntN(50), claims: map[int]int{}}
		switch w.rng.IntN(3) { // mostly very near or very far
		case 0:
			l.base, l.jitter = 0, 5
		case 1:
			l.base = slowest * 3 / 4
		}
		l.spread = time.Duration(w.rng.IntN(int(spread/ms)))*ms + ms
		if p.bare { // as near to one node as to another: nearer than nodes to each other
			l.base, l.jitter = 0, 5
		}
		p.links = append(p.links, l)
	}
	w.publishers = append(w.publishers, p)
	pause := 10 + w.rng.IntN(120)
	var speak func()
	speak = func() {
		p.publish()
		if w.now < faultsEnd+2000*ms {
			silence := time.Duration(1+w.rng.IntN(2*pause)) * ms
			if w.rng.IntN(20) == 0 {
				silence += time.Duration(w.rng.IntN(3000)) * ms
			}
			w.after(silence, speak)
		}
	}
	w.at(time.Duration(w.rng.IntN(200))*ms, speak)
	w.at(lastWords, func() {
		for range 3 {
			p.publish()
		}
	})
}

// publish sends a message to one room or two.
func (p *publisher) publish() {
	w := p.w
	p.next++
	m := &published{id: len(p.said), rooms: []int{w.rng.IntN(rooms)}, at: w.now}
	switch {
	case p.named:
		m.mark = Named(p.name, strconv.FormatUint(p.next, 10))
		m.named = p
	case !p.bare:
		m.mark = Mark{Publisher: p.name, Sequence: p.next}
		if other := w.rng.IntN(rooms); w.rng.IntN(3) == 0 && other != m.rooms[0] {
			m.rooms = append(m.rooms, other)
		}
	}
	p.said = append(p.said, m)
	for i, n := range w.nodes {
		l := p.links[i]
		for _, room := range m.rooms {
			if l.claims[room] == 0 {
				continue
			}
			arrive := w.now + l.base + time.Duration(w.rng.IntN(l.jitter))*ms
			l.last = max(l.last, arrive)
			w.at(l.last, func() { n.post(func() { n.receive(p, m) }) })
		}
	}
}

// claim changes a node's interest in a room by one, in effect at each publisher some time later, in order.
func (w *world) claim(n *node, room, by int) {
	if n.claims[room] += by; by > 0 && n.claims[room] > 1 || by < 0 && n.claims[room] > 0 {
		return
	}
	for _, p := range w.publishers {
		l := p.links[n.index]
		l.told = max(l.told, w.now+time.Duration(w.rng.Int64N(int64(l.spread))))
		w.at(l.told, func() { l.claims[room] += by })
	}
}

func (w *world) at(t time.Duration, do func()) {
	w.order++
	heap.Push(&w.agenda, event{at: t, order: w.order, do: do})
}

func (w *world) after(d time.Duration, do func()) { w.at(w.now+d, do) }

func (w *world) logf(format string, args ...any) {
	if w.trace != nil {
		w.trace("%7s "+format, append([]any{w.now}, args...)...)
	}
}

// broken notes the first rule broken.
func (w *world) broken(format string, args ...any) {
	if w.fault == nil {
		w.fault = fmt.Errorf("at %s: "+format, append([]any{w.now}, args...)...)
		w.logf("BROKEN %v", w.fault)
	}
}

// run plays the world to its end and checks what must hold then.
func (w *world) run() error {
	for len(w.agenda) > 0 && w.fault == nil {
		e := heap.Pop(&w.agenda).(event)
		if e.at > worldEnds {
			break
		}
		w.now = e.at
		e.do()
	}
	for _, n := range w.nodes {
		n.checkIdle()
	}
	for _, u := range w.units {
		u.checkEnd()
	}
	return w.fault
}

// send carries a message of the protocol between nodes. No link keeps it from being lost, or from coming
// twice and much later.
func (w *world) send(from, to *node, what Action, do func()) {
	if w.trace != nil {
		w.logf("n%d→n%d %T%+v", from.index, to.index, what, what)
	}
	faulty := w.now < faultsEnd
	l := from.links[to.index]
	arrive := w.now + l.base + time.Duration(w.rng.IntN(l.jitter))*ms
	l.last = max(l.last, arrive)
	if !to.alive || faulty && w.rng.Float64() < w.climate.blips {
		w.at(l.last+l.base, func() { from.post(func() { from.noResponder(to, what) }) })
		return
	}
	if !faulty || w.rng.Float64() >= w.climate.lose {
		w.at(l.last, func() { to.post(do) })
	}
	if faulty && w.rng.Float64() < w.climate.repeat {
		w.after(time.Duration(20+w.rng.IntN(2500))*ms, func() { to.post(do) })
	}
}

// adversity plans what happens to nodes and units.
func (w *world) adversity() {
	r := w.rng
	some := func(n int, plan func(at time.Duration)) {
		for range n {
			plan(time.Duration(300+r.IntN(int(faultsEnd/ms)-300)) * ms)
		}
	}
	for _, u := range w.units {
		some(4+r.IntN(8), func(at time.Duration) { w.at(at, u.wander) })
		if w.climate.ends {
			some(2, func(at time.Duration) { w.at(at, u.trouble) })
		}
	}
	if w.climate.kills {
		some(1+r.IntN(2), func(at time.Duration) { w.at(at, func() { w.strike((*node).die) }) })
	}
	if w.climate.zombies {
		some(1+r.IntN(2), func(at time.Duration) { w.at(at, func() { w.strike((*node).undead) }) })
	}
	if w.climate.pauses {
		some(1+r.IntN(6), func(at time.Duration) { w.at(at, func() { w.strike((*node).pause) }) })
	}
}

// strike does something to a node, mostly one that has to do with a unit on its way.
func (w *world) strike(what func(*node)) {
	n := w.nodes[w.rng.IntN(len(w.nodes))]
	for _, u := range w.units {
		if i := slices.IndexFunc(w.nodes, func(n *node) bool { return n.alive && n.busyWith(u) }); i >= 0 && w.rng.IntN(4) > 0 {
			n = w.nodes[i]
			if w.rng.IntN(2) == 0 && u.holder != nil {
				n = u.holder
			}
		}
	}
	if n.alive {
		what(n)
	}
}

func (w *world) everyNode() {
	for _, n := range w.nodes {
		n := n
		var tick, turn func()
		tick = func() {
			n.tick()
			w.after(tickEvery, tick)
		}
		turn = func() {
			n.post(func() { n.seen.Turn() })
			w.after(w.climate.options.Horizon(), turn)
		}
		w.at(time.Duration(w.rng.IntN(25))*ms, tick)
		w.at(time.Duration(w.rng.IntN(3000))*ms, turn)
	}
}
