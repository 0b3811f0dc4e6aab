package gateway

import (
	"sync"
	"sync/atomic"

	"patchbay/backplane"
)

// maxTombstones bounds what a node remembers of sockets that were born here and live elsewhere. Past it one is
// forgotten, and asked for it the node says that there is no such socket.
const maxTombstones = 1 << 18

// routes are the sockets that do not live where their ids tell: on another loop of their birth node, or on
// another node. Loops and intake write and read, under the mutex; none of it is held for longer than a lookup.
type routes struct {
	mu      sync.RWMutex
	places  map[string]whereabouts
	tombs   int
	count   atomic.Int64  // of places: most sockets need no look at all
	numbers atomic.Uint64 // of notes in parts, and of grants
	tokens  sync.Map      // token of a handoff away from here → *loop
	coming  sync.Map      // id of a socket that is about to be on a loop → token of the handoff, or the *fetching, that brings it
	used    atomic.Bool   // something has moved from or to here, ever
}

// whereabouts is where a socket lives: on a loop of this node, or on another node.
type whereabouts struct {
	loop *loop
	node string
}

// setPlace notes where a socket lives from now on.
func (r *routes) setPlace(id string, p whereabouts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.places == nil {
		r.places = map[string]whereabouts{}
	}
	if r.places[id].node != "" {
		r.tombs--
	}
	if p.node != "" {
		r.tombs++
	}
	r.places[id] = p
	for other, old := range r.places {
		if r.tombs <= maxTombstones {
			break
		}
		if old.node != "" && other != id {
			delete(r.places, other)
			r.tombs--
		}
	}
	r.count.Store(int64(len(r.places)))
}

// dropPlace forgets a place for which a condition holds.
func (r *routes) dropPlace(id string, holds func(whereabouts) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropLocked(id, holds)
}

func (r *routes) dropLocked(id string, holds func(whereabouts) bool) bool {
	p, ok := r.places[id]
	if !ok || !holds(p) {
		return false
	}
	delete(r.places, id)
	if p.node != "" {
		r.tombs--
	}
	r.count.Store(int64(len(r.places)))
	return true
}

// nodeLost forgets the sockets that went to a node which is dead.
func (r *routes) nodeLost(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.places {
		r.dropLocked(id, func(p whereabouts) bool { return p.node == node })
	}
}

// place returns where a socket lives, if not where its id tells.
func (r *routes) place(id string) (p whereabouts, ok bool) {
	if r.count.Load() == 0 {
		return whereabouts{}, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	p, ok = r.places[id]
	return p, ok
}

// comes reports whether a socket is about to be on a loop of this node: from another node, which has let it go or is asked to, or from another
// loop. Ask before the look where it is: so it is there by then, or was coming. Its loop may ask at any time.
func (r *routes) comes(id string) bool {
	_, coming := r.coming.Load(id)
	return coming
}

// route notes that a socket lives on a loop of this node from now on.
func (gw *Gateway) route(id string, l *loop) {
	if _, shard, _ := backplane.SplitSocketID(id); gw.born(id) && shard == l.index {
		gw.routes.dropPlace(id, func(whereabouts) bool { return true })
		return
	}
	gw.routes.setPlace(id, whereabouts{loop: l})
}

// unroute forgets a socket that has ended on a loop. Its birth node, if that is another, is told.
func (gw *Gateway) unroute(id string, l *loop) {
	if !gw.routes.dropPlace(id, func(p whereabouts) bool { return p.loop == l }) {
		return
	}
	if node, _, _ := backplane.SplitSocketID(id); !gw.born(id) {
		gw.tell(node, &note{Kind: noteEnded, Unit: wanted{Socket: id}})
	}
}

// loopOf is the loop on which a socket of this node lives, or would; nil for other nodes' sockets.
func (gw *Gateway) loopOf(id string) *loop {
	if p, ok := gw.routes.place(id); ok {
		return p.loop
	}
	_, shard, _ := backplane.SplitSocketID(id)
	if !gw.born(id) || shard >= len(gw.loops) {
		return nil
	}
	return gw.loops[shard]
}

// native reports whether this node is to answer for a socket that is nowhere: it was born here, and no other has it.
func (gw *Gateway) native(id string) bool {
	if _, ok := gw.routes.place(id); ok {
		return false
	}
	return gw.born(id)
}

// born reports whether it is the id of a socket that was born at this start of this node.
func (gw *Gateway) born(id string) bool {
	node, _, ok := backplane.SplitSocketID(id)
	return ok && node == gw.options.ID && backplane.SocketBirth(id) == gw.birth
}

// claimSocket has a loop hear what is addressed to a socket, wherever that lives.
func (gw *Gateway) claimSocket(id string, l *loop) error {
	gw.routes.used.Store(true)
	subject := gw.conn.SocketAll(id)
	if gw.born(id) {
		gw.interest.Hold(subject, l.index)
		return nil
	}
	return gw.interest.Claim(subject, l.index)
}

// unclaim takes a claim of a loop back. That of a socket does not linger: nobody would answer for it, where NATS
// says at once that it is nowhere.
func (l *loop) unclaim(subject string) {
	if _, verb, _, ok := l.gw.conn.ParseSocket(subject); ok && verb == ">" {
		l.gw.interest.Abandon(subject, l.index)
		return
	}
	l.gw.interest.Release(subject, l.index, l.gw.now())
}

// setTomb notes that a socket which was born here is on another node. One that is here is not affected: the word
// is older than that.
func (r *routes) setTomb(id, node string) {
	if p, ok := r.place(id); ok && p.loop != nil {
		return
	}
	r.setPlace(id, whereabouts{node: node})
}
