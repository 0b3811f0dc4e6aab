package worker_test

import (
	"encoding/json"
	"slices"

	"patchbay/backplane"
	"patchbay/worker"
)

// matches reports whether a client is among those that a query is about.
func (c *client) matches(nsp string, rooms, except []string) bool {
	in := func(names []string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return c.id == name || slices.Contains(c.rooms, name) })
	}
	return c.nsp == nsp && (len(rooms) == 0 || in(rooms)) && !in(except)
}

// set sets values of the socket's data, and tells its home.
func (c *client) set(patch json.RawMessage) {
	var values, changes map[string]json.RawMessage
	c.g.decode(patch, &changes)
	if len(c.data) > 0 {
		c.g.decode(c.data, &values)
	}
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	for key, value := range changes {
		values[key] = value
	}
	c.data = c.g.encode(values)
	c.g.publish(c.g.conn.Worker(c.worker, "data", c.id), "", c.data)
}

// sweep does what is asked for many sockets. A client that moves is named as such, and left alone.
func (g *fakeGateway) sweep(m *backplane.Msg) {
	var request backplane.NodeControl
	g.decode(m.Data, &request)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.many.asked++
	var reply backplane.NodeReply
	for id, c := range g.clients {
		switch {
		case !c.matches(request.Namespace, request.To, request.Except):
		case c.moving:
			reply.Moving = append(reply.Moving, id)
		case slices.Contains(request.Rooms, "refused"):
			reply.Error, reply.Refused = "too many rooms", append(reply.Refused, id)
		default:
			reply.Sockets++
			g.version++
			switch request.Op {
			case backplane.OpJoin:
				c.rooms = append(c.rooms, request.Rooms...)
			case backplane.OpLeave:
				c.rooms = slices.DeleteFunc(c.rooms, func(r string) bool { return slices.Contains(request.Rooms, r) })
			case backplane.OpDisconnect:
				delete(g.clients, id)
				c.ended <- request.Close
				g.publish(g.conn.Worker(c.worker, "disconnect", id), "", []byte("server namespace disconnect"))
			default:
				g.Errorf("%s for many", request.Op)
			}
		}
	}
	g.tellLocked()
	reply.Seen = backplane.Seen{Node: g.node, Epoch: g.epoch, Version: g.version}
	if !g.many.mute {
		g.publish(m.Reply, "", g.encode(reply))
	}
}

// query answers as a router does that is up to date.
func (g *fakeGateway) query(m *backplane.Msg) {
	var q backplane.Query
	g.decode(m.Data, &q)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mute {
		return
	}
	if q.Op == backplane.QueryWatch {
		g.watch(&q, m.Reply)
		return
	}
	g.asked <- q
	answer := backplane.Answer{Complete: len(g.missing) == 0, Missing: g.missing, Workers: g.workers}
	sizes, users := map[string]int{}, map[string]int{}
	for _, c := range g.clients {
		if q.Node != "" && q.Node != g.node || !c.matches(q.Namespace, q.Rooms, q.Except) {
			continue
		}
		one := backplane.SocketInfo{
			ID: c.id, Node: g.node, Worker: c.worker, Rooms: append([]string{c.id}, c.rooms...), Data: c.data,
		}
		answer.Total++
		for _, r := range c.rooms {
			sizes[r]++
			if user, ok := backplane.UserOf(r); ok {
				one.User = user
				users[user]++
				answer.Named++
			}
		}
		answer.Sockets = append(answer.Sockets, one)
	}
	for name, n := range sizes {
		answer.Rooms = append(answer.Rooms, backplane.RoomInfo{Name: name, Sockets: n})
	}
	for name, n := range users {
		answer.Users = append(answer.Users, backplane.UserInfo{ID: name, Sockets: n})
	}
	slices.SortFunc(answer.Users, func(a, b backplane.UserInfo) int { return compare(a.ID, b.ID) })
	answer.Count = len(answer.Sockets)
	switch q.Op {
	case backplane.QuerySockets:
		g.page(&answer, q.After)
	case backplane.QueryUsers:
		answer.Count, answer.Sockets = len(users), nil
	case backplane.QueryWhere:
		if answer.Count > 0 {
			answer.Nodes = append([]backplane.NodeInfo{{ID: g.node, Sockets: answer.Count}}, g.others...)
		}
		answer.Sockets = nil
	default:
		answer.Sockets = nil
	}
	g.publish(m.Reply, "", g.encode(answer))
}

// page keeps one socket to a page, so that paging is at work in each test.
func (g *fakeGateway) page(answer *backplane.Answer, after string) {
	slices.SortFunc(answer.Sockets, func(a, b backplane.SocketInfo) int { return compare(a.ID, b.ID) })
	answer.Sockets = slices.DeleteFunc(answer.Sockets, func(s backplane.SocketInfo) bool { return s.ID <= after })
	if len(answer.Sockets) > 1 {
		answer.Sockets, answer.Next = answer.Sockets[:1], answer.Sockets[0].ID
	}
}

// knows has the router name workers as serving the root namespace.
func (g *fakeGateway) knows(apps ...*worker.App) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, app := range apps {
		g.workers = append(g.workers, backplane.WorkerInfo{ID: app.ID(), Namespaces: []string{"/"}})
	}
}

// watcher is who watches a room of the root namespace, with what was told.
type watcher struct {
	to, renew string
	room      string
	seq       uint64
	told      map[string]backplane.PresenceSocket
}

// watch begins to watch. It holds what is told against what was told before: see tellLocked.
func (g *fakeGateway) watch(q *backplane.Query, to string) {
	w := &watcher{to: to, renew: g.conn.Watch("r"+g.node, number(len(g.many.watchers))), room: *q.Room, told: map[string]backplane.PresenceSocket{}}
	if _, err := g.inbox.Subscribe(w.renew); err != nil {
		g.Error(err)
	}
	g.many.watchers = append(g.many.watchers, w)
	g.tellLocked()
}

// tellLocked tells all watchers what is news, as routers do.
func (g *fakeGateway) tellLocked() {
	for _, w := range g.many.watchers {
		p := backplane.Presence{Seq: w.seq + 1, First: w.seq == 0}
		if p.First {
			p.Renew = w.renew
		}
		now := map[string]bool{}
		for id, c := range g.clients {
			if !slices.Contains(c.rooms, w.room) {
				continue
			}
			now[id] = true
			one := backplane.PresenceSocket{ID: id, Node: g.node}
			for _, r := range c.rooms {
				if user, ok := backplane.UserOf(r); ok {
					one.User = user
				}
			}
			if w.told[id] != one {
				w.told[id] = one
				p.Joined = append(p.Joined, one)
			}
		}
		for id := range w.told {
			if !now[id] {
				delete(w.told, id)
				p.Left = append(p.Left, id)
			}
		}
		if p.First || len(p.Joined)+len(p.Left) > 0 {
			w.seq++
			g.publish(w.to, "", g.encode(p))
		}
	}
}

// renewed answers who renews a watch.
func (g *fakeGateway) renewed(m *backplane.Msg) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range g.many.watchers {
		if w.renew == m.Subject && m.Reply != "" {
			g.publish(m.Reply, "", g.encode(backplane.Presence{Alive: true, Seq: w.seq}))
		}
	}
}
