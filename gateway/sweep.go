package gateway

import (
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"

	"patchbay/backplane"
)

// errSweep is what is wrong with a request to many sockets that no socket can be asked for.
var errSweep = errors.New("unknown operation, or no namespace")

// sweep is a request to all sockets of some rooms, on its way through the loops. Each fills in its own part; the last one
// answers.
type sweep struct {
	gw      *Gateway
	reply   string
	request backplane.NodeControl
	parts   []backplane.NodeReply // by loop
	left    atomic.Int32
}

// sweep takes a request to many sockets.
func (in *intake) sweep(m *backplane.Msg) {
	t := &sweep{gw: in.gw, reply: m.Reply, parts: make([]backplane.NodeReply, len(in.gw.loops))}
	if err := json.Unmarshal(m.Data, &t.request); err != nil {
		in.bad(m, "control: "+err.Error())
		return
	}
	switch t.request.Op {
	case backplane.OpJoin, backplane.OpLeave, backplane.OpDisconnect:
	default:
		t.request.Namespace = ""
	}
	if t.request.Namespace == "" {
		t.answer(&backplane.NodeReply{Error: errSweep.Error()})
		return
	}
	t.left.Store(int32(len(in.gw.loops)))
	for _, l := range in.gw.loops {
		if !l.post(t) {
			t.done()
		}
	}
}

func (t *sweep) run(l *loop) {
	l.sweep(&t.request, &t.parts[l.index])
	t.done()
}

// cancel implements canceller. A loop that ends has no sockets.
func (t *sweep) cancel() { t.done() }

// done counts a loop's part, and answers with all of them after the last.
func (t *sweep) done() {
	if t.left.Add(-1) > 0 {
		return
	}
	var all backplane.NodeReply
	for i := range t.parts {
		p := &t.parts[i]
		all.Sockets += p.Sockets
		all.Moving = append(all.Moving, p.Moving...)
		all.Refused = append(all.Refused, p.Refused...)
		if p.Error != "" {
			all.Error = p.Error
		}
	}
	all.Refused = all.Refused[:min(len(all.Refused), backplane.MaxRefused)]
	if c := &t.request; c.Op == backplane.OpJoin && all.Sockets > 0 {
		t.gw.heardEverywhere(c.Namespace, c.Rooms, func() { t.answer(&all) })
		return
	}
	t.answer(&all)
}

// answer replies, on the connection that has subscribed for what was joined. The version is taken after all changes.
func (t *sweep) answer(reply *backplane.NodeReply) {
	if t.reply == "" {
		return
	}
	reply.Seen = t.gw.feed.seen()
	data, err := json.Marshal(reply)
	if err != nil {
		panic("gateway: a reply that is not JSON: " + err.Error())
	}
	t.gw.countPublish(t.gw.conn.Publish(t.reply, data))
}

// sweep does what is asked with the loop's sockets, but for those that are on their way to or from another node: who asked
// finds them by their own subjects, wherever they are then.
func (l *loop) sweep(c *backplane.NodeControl, part *backplane.NodeReply) {
	for _, o := range l.leavings {
		for id, a := range o.claims {
			if a.meant(id, c) {
				part.Moving = append(part.Moving, id)
			}
		}
	}
	n := l.namespaces[c.Namespace]
	if n == nil {
		return
	}
	for _, k := range slices.Clone(l.choose(n, c.To, c.Except, len(c.To) == 0)) { // a disconnection may end several
		switch {
		case l.sockets[k.id] != k || !k.here():
			part.Sockets++ // gone with its session
		case k.frozen(): // it is among the leavings
		case k.moving():
			part.Moving = append(part.Moving, k.id)
		default:
			k.obey(&c.Control, part)
		}
	}
}

// obey does what is asked of one of many.
func (k *socket) obey(c *backplane.Control, part *backplane.NodeReply) {
	var err error
	switch c.Op {
	case backplane.OpJoin:
		err = k.joinAll(c.Rooms)
	case backplane.OpLeave:
		k.leaveAll(c.Rooms)
	case backplane.OpDisconnect:
		k.disconnect(c.Close)
	}
	if err == nil {
		part.Sockets++
		return
	}
	part.Error = err.Error()
	if len(part.Refused) < backplane.MaxRefused {
		part.Refused = append(part.Refused, k.id)
	}
}

// meant reports whether a socket that has left, or is about to, is among those that a request is for.
func (a *audience) meant(id string, c *backplane.NodeControl) bool {
	in := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool {
			_, ok := a.rooms[name]
			return ok || name == id
		})
	}
	return a.nsp == c.Namespace && (len(c.To) == 0 || in(c.To)) && !in(c.Except)
}
