package gateway

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
	"patchbay/protocol/socketio"
)

// intake is the goroutine that reads all that the backplane sends to this node, in the order in which it
// came, and posts it to the loops concerned. Since there is one inbox and one reader, what a worker
// published in order (an acceptance, then an emit) reaches a loop in order.
type intake struct {
	gw      *Gateway
	inbox   *backplane.Inbox
	seal    *sealer
	seen    recent    // ids of emits that come on several subjects
	match   patterns  // of namespaces
	ids     uint64    // given to emits that have none
	knowing bool      // what had been revoked before, or that there was nobody to ask
	parts   parts     // notes of handoffs that are not whole yet
	cuts    chan *cut // sockets that change their loop
	done    chan struct{}

	repair repair
}

// run reads until the inbox is closed by stop.
func (in *intake) run(stop <-chan struct{}) {
	defer close(in.done)
	r := &in.repair
	r.in, r.links, r.deadline = in, in.gw.conn.Links(), time.NewTimer(repairTimeout)
	defer r.deadline.Stop()
	r.deadline.Stop()
	turn := time.NewTicker(publisherMemory)
	defer turn.Stop()
	for {
		select {
		case m := <-in.inbox.C:
			r.take(m)
		case gap := <-in.gw.conn.Back():
			r.ask(gap)
		case <-r.deadline.C:
			r.late()
		case <-turn.C:
			r.ids.turn()
		case c := <-in.cuts:
			in.perform(c)
		case <-stop:
			return
		}
	}
}

// handle routes one message by its subject.
func (in *intake) handle(m *backplane.Msg) {
	conn := in.gw.conn
	if id, verb, arg, ok := conn.ParseSocket(m.Subject); ok {
		in.toSocket(m, id, verb, arg)
		return
	}
	if nsp, room, whole, ok := conn.ParseEmit(m.Subject); ok {
		in.emit(m, target{nsp: nsp, room: room, whole: whole}, in.gw.interest.Shards(m.Subject))
		return
	}
	verb, arg, _ := conn.ParseOwned(m.Subject)
	switch {
	case m.Subject == conn.Hello():
		in.gw.feed.beat()
	case m.Subject == conn.Lost():
		in.lost(m)
	case m.Subject == conn.Revocations():
		in.revoke(m)
	case m.Subject == conn.Revoked():
		in.tellRevoked(m)
	case m.Subject == conn.Matching():
		in.emit(m, target{whole: true}, in.gw.allLoops())
	case m.Subject == conn.Shelter():
		in.sheltering(m)
	case strings.HasPrefix(m.Subject, in.gw.own):
		in.own(m, verb, arg)
	default: // hashed names: the headers tell
		in.emit(m, target{whole: !strings.Contains(m.Subject, ".room.")}, in.gw.interest.Shards(m.Subject))
	}
}

// own handles the node's own subjects.
func (in *intake) own(m *backplane.Msg, verb, arg string) {
	switch verb {
	case "connected":
		in.connected(m, arg)
	case "emit":
		in.emit(m, target{whole: true, local: true}, in.gw.allLoops())
	case "control":
		in.sweep(m)
	case backplane.VerbStatus:
		in.gw.tellStatus(m.Reply)
	case verbPoll:
		in.pollFor(m)
	case verbHandoff:
		in.handoff(m, arg)
	case verbPolled:
		in.polled(m, arg)
	case verbPeer:
		in.peer(m)
	case verbPulse:
		in.pulse(arg)
	case verbMoved:
		if l := in.gw.loopOf(arg); l != nil {
			l.post(&movedAnswer{
				id: arg, gone: backplane.NoResponders(m) || first(m, backplane.HeaderError) != "", standing: backplane.ParseStanding(m.Data),
			})
		}
	case verbRevoked:
		in.learnRevoked(m)
	case verbAgain:
		in.repair.repeat(m)
	case verbAlive:
		in.alive(m, arg)
	case backplane.VerbConfirm:
		in.confirmed(m)
	case "snapshot":
		in.gw.feed.snapshot(m.Reply)
	default:
		in.bad(m, "unknown verb")
	}
}

// lost handles the routers' word that a lease has run out.
func (in *intake) lost(m *backplane.Msg) {
	var lost backplane.Lost
	if err := json.Unmarshal(m.Data, &lost); err != nil {
		in.bad(m, "lost: "+err.Error())
		return
	}
	if lost.Node == in.gw.options.ID && lost.Epoch == in.gw.epoch.Load() {
		in.gw.rise()
	}
	if lost.Node != "" {
		in.gw.relays.lost(lost.Node)
		in.gw.routes.nodeLost(lost.Node)
		for _, l := range in.gw.loops {
			l.post(nodeLost{node: lost.Node})
		}
	}
	if lost.Worker != "" {
		for _, l := range in.gw.loops {
			l.post(workerLost{worker: lost.Worker, leaving: lost.Leaving})
		}
	}
}

// connected handles the answer to a CONNECT.
func (in *intake) connected(m *backplane.Msg, id string) {
	t := &connected{id: id, none: backplane.NoResponders(m)}
	if !t.none {
		if err := json.Unmarshal(m.Data, &t.answer); err != nil {
			in.bad(m, "connected: "+err.Error())
			return
		}
	}
	if l := in.gw.loopOf(id); l != nil {
		l.post(t)
	}
}

// toSocket handles what is addressed to one socket.
func (in *intake) toSocket(m *backplane.Msg, id, verb, arg string) {
	l := in.gw.loopOf(id)
	switch verb {
	case "emit":
		if l == nil && m.Reply != "" && in.gw.native(id) {
			in.gw.noAck(m.Reply, ackNoSocket) // of a start with more loops
			return
		}
		// Others may be in a room of that name.
		in.emit(m, target{room: id, socket: true}, in.home(id)|in.gw.interest.Shards(m.Subject))
	case verbTake:
		in.handoff(m, "")
	case "control", backplane.VerbStatus, backplane.VerbEnd:
		c := &control{id: id, reply: m.Reply}
		if err := c.decode(verb, m.Data); err != nil {
			in.bad(m, verb+": "+err.Error())
			return
		}
		if in.toOwn(id, m.Reply, own{control: c}, backplane.Payload{}) {
			return
		}
		if in.gw.native(id) { // else another node answers
			c.answer(in.gw, &backplane.ControlReply{Error: backplane.NoSocket})
		}
	case backplane.VerbAck, backplane.VerbDone:
		in.receipt(m, id, verb, arg)
	case backplane.VerbMissing:
		in.missing(m, id, arg)
	default:
		in.bad(m, "unknown verb")
	}
}

// home is the loop of a socket of this node, as a set; empty for other names.
func (in *intake) home(name string) uint64 {
	var set uint64
	if l := in.gw.loopOf(name); l != nil {
		set = 1 << l.index
	}
	if _, _, ok := backplane.SplitSocketID(name); ok && in.gw.routes.used.Load() {
		set |= in.gw.interest.Shards(in.gw.conn.SocketAll(name)) // it is on its way to there, or from there
	}
	return set
}

// emit decodes and checks an emit once, and posts it to the loops that have recipients.
func (in *intake) emit(m *backplane.Msg, to target, shards uint64) {
	e, err := backplane.DecodeEmit(m)
	if err == nil {
		err = socketio.ValidEvent(e.JSON, &in.gw.served)
	}
	if err == nil && m.Subject == in.gw.conn.Matching() {
		to.match, err = in.match.compile(e.Match)
	}
	if err != nil {
		in.bad(m, "emit: "+err.Error())
		if m.Reply != "" {
			in.gw.noAck(m.Reply, "malformed emit")
		}
		return
	}
	mark, numbered := handoff.ParseMark(e.ID)
	// Two subscriptions may bring one to a socket: its own, where it lives, and that of a room of its name. And after a loss of
	// NATS things are said again.
	if in.repair.ids.add(mark) || !numbered && e.ID != "" && (len(e.Rooms) > 1 || to.socket) && in.seen.add(e.ID) {
		in.gw.metrics.duplicates.Inc()
		return
	}
	if e.Namespace != "" {
		to.nsp = e.Namespace
	}
	for _, room := range e.Rooms {
		// The other copies are ignored, that on a socket's own subject among them.
		shards |= in.home(room) | in.gw.interest.Shards(in.gw.conn.Room(to.nsp, room))
	}
	in.gw.metrics.emits.Inc()
	e.Trace = in.gw.tracer.parent(m)
	b := &broadcast{target: to, emit: e, reply: m.Reply, mark: mark}
	if b.emit.Ask = e.Ask && m.Reply != "" && to.nsp != "" && to.match == nil; b.emit.Ask {
		b.tally = newTally(in.gw, m.Reply, shards)
		b.wire = b.tally.wire(to.nsp, e.Payload)
	}
	if in.gw.recovery > 0 && !e.Volatile && m.Reply == "" {
		b.id = in.offset(e.ID)
	}
	if !to.socket && to.match == nil && b.tally == nil {
		b.wire = b.encode(to.nsp)
	}
	for _, l := range in.gw.loops {
		if shards&(1<<l.index) != 0 && !l.post(b) {
			b.tally.done(nil)
		}
	}
}

// offset is the id by which an emit is found again: its own, or one of this node's.
func (in *intake) offset(id string) string {
	if id != "" {
		return id
	}
	in.ids++
	return in.gw.options.ID + "." + strconv.FormatUint(in.ids, 36)
}

// cut asks for a socket's messages to go to another loop. It does not wait; false means that too many ask.
func (in *intake) cut(c *cut) bool {
	select {
	case in.cuts <- c:
		return true
	default:
		return false
	}
}

// perform changes a socket's loop, between two messages.
func (in *intake) perform(c *cut) {
	if in.gw.loopOf(c.fetch.id) != c.from { // another was quicker
		c.to.post(&given{fetch: c.fetch, from: c.from})
		return
	}
	in.gw.routes.coming.Store(c.fetch.id, c.fetch)
	in.gw.route(c.fetch.id, c.to)
	c.to.post(&expected{fetch: c.fetch})
	if !c.from.post(&give{fetch: c.fetch, to: c.to}) {
		c.to.post(&given{fetch: c.fetch})
	}
}

// bad counts and logs a message that nobody should have sent.
func (in *intake) bad(m *backplane.Msg, why string) {
	in.gw.metrics.badMessages.Inc()
	in.gw.log.Warn("bad message on the backplane", zap.String("subject", m.Subject), zap.String("why", why))
}

// maxCuts is how many sockets may wait to change their loop; a client beyond them starts anew.
const maxCuts = 1024

// recentSize is how many ids of multi-room emits are remembered. Copies of one emit come
// close together: they leave one publisher one after another.
const recentSize = 4096

// recent is a set of the last ids seen.
type recent struct {
	set  map[string]struct{}
	ring [recentSize]string
	next int
}

// add notes an id, and reports whether it was there already.
func (r *recent) add(id string) bool {
	if r.set == nil {
		r.set = make(map[string]struct{}, recentSize)
	}
	if _, ok := r.set[id]; ok {
		return true
	}
	delete(r.set, r.ring[r.next])
	r.ring[r.next] = id
	r.next = (r.next + 1) % recentSize
	r.set[id] = struct{}{}
	return false
}
