package worker_test

import (
	"encoding/json"
	"slices"

	"patchbay/backplane"
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
