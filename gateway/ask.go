package gateway

import (
	"encoding/json"
	"errors"
	"math/bits"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync/atomic"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// tally gathers whom an emit has asked for an acknowledgement, loop by loop, and tells who asked for that. It is shared by
// the loops.
type tally struct {
	gw    *Gateway
	reply string
	ackID uint64       // of the packet that all get
	left  atomic.Int32 // loops that have not said whom they asked
}

// maxAskedSockets is how many sockets one message names: some 450 KB.
const maxAskedSockets = 10_000

// Ids of acknowledgements that many sockets owe are random, above those that a socket gives out itself, and have no more than
// the 53 bits that JavaScript's numbers hold: so one packet serves all, and a socket that moves keeps what it owes.
const sharedAcks = 1 << 52

// newTally prepares for an emit to a set of loops. Without loops it tells at once that nobody is asked.
func newTally(gw *Gateway, reply string, shards uint64) *tally {
	t := &tally{gw: gw, reply: reply, ackID: sharedAcks + rand.Uint64N(sharedAcks)}
	t.left.Store(int32(bits.OnesCount64(shards)))
	if shards == 0 {
		t.tell(nil, false)
	}
	return t
}

// done says whom one loop has asked. Each loop tells before it counts itself out, so that the last word is the last.
func (t *tally) done(asked []string) {
	if t == nil {
		return
	}
	last := t.left.Load() == 1
	for part := range slices.Chunk(asked, maxAskedSockets) {
		asked = asked[len(part):]
		t.tell(part, len(asked) > 0 || !last)
		if len(asked) == 0 && last {
			return
		}
	}
	if last || t.left.Add(-1) == 0 {
		t.tell(nil, false)
	}
}

func (t *tally) tell(asked []string, more bool) {
	data, err := json.Marshal(backplane.Asked{Node: t.gw.options.ID, Sockets: asked, More: more})
	if err != nil {
		panic("gateway: ids that are not JSON: " + err.Error())
	}
	t.gw.countPublish(t.gw.conn.Publish(t.reply, data))
}

// wire encodes the question for all who get it.
func (t *tally) wire(nsp string, payload backplane.Payload) *wire {
	return encodePacket(socketio.Packet{Type: socketio.Event, Namespace: nsp, HasAck: true, AckID: t.ackID}, payload)
}

// askAll asks the loop's share of the recipients. Ones that are moving are asked by whoever gets them: they are
// waited for here.
func (b *broadcast) askAll(l *loop) {
	n := l.namespaces[b.target.nsp]
	if n == nil {
		b.tally.done(nil)
		return
	}
	chosen := b.choose(l, n)
	asked := make([]string, 0, len(chosen))
	for i, k := range chosen {
		chosen[i] = nil
		if k.moving() || b.askOne(k, l) {
			asked = append(asked, k.id)
		}
	}
	l.pending.chosen = chosen[:0]
	b.tally.done(asked)
}

// askOne asks one socket. It reports whether that, or somebody in its place, will answer.
func (b *broadcast) askOne(k *socket, l *loop) bool {
	reply := l.gw.conn.Answer(b.reply, k.id)
	switch {
	case k.session == nil: // it could not keep up with this very turn
		return false
	case b.emit.Volatile && !k.session.writable():
		l.gw.metrics.dropped.Inc()
		return false
	case !k.oweAs(b.tally.ackID, reply):
		l.gw.noAck(reply, ackTooMany)
		return true
	}
	k.transmit(b.wire, false)
	return true
}

// Bounds of patterns of namespaces: what applications give is theirs, but is compiled here.
const (
	maxPattern  = 1024 // bytes
	maxPatterns = 256  // kept
)

var errPattern = errors.New("no pattern of namespaces")

// patterns are the patterns that emits have named, compiled. Owned by intake.
type patterns map[string]*regexp.Regexp

// compile compiles a pattern, or finds it.
func (p *patterns) compile(text string) (*regexp.Regexp, error) {
	if re := (*p)[text]; re != nil {
		return re, nil
	}
	if text == "" || len(text) > maxPattern {
		return nil, errPattern
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	if *p == nil || len(*p) >= maxPatterns {
		*p = patterns{}
	}
	(*p)[text] = re
	return re, nil
}
