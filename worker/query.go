package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"patchbay/backplane"
)

// chunk is how many sockets are asked for something at once.
const chunk = 1000

// RemoteSocket is a socket as membership knows it, wherever its home is.
type RemoteSocket struct {
	ID     string
	Node   string   // the gateway
	Worker string   // its home
	Rooms  []string // sorted, its own id included

	data json.RawMessage
}

// Data returns what the socket's home has set, a JSON object.
func (r *RemoteSocket) Data() json.RawMessage {
	if len(r.data) == 0 {
		return json.RawMessage("{}")
	}
	return r.data
}

// Decode stores the socket's data in what v points to, such as a struct or a map.
func (r *RemoteSocket) Decode(v any) error { return decode(r.Data(), nil, v) }

// query asks a router. The answer includes what this worker has done before. Where an answer lacks a gateway on which this
// worker has no socket any more, that one may have ended unheard: it is forgotten, and the question asked again.
func (a *App) query(ctx context.Context, q backplane.Query) (answer backplane.Answer, err error) {
	ctx, cancel := within(ctx, a.options.RequestTimeout)
	defer cancel()
	answer, err = a.queryOnce(ctx, q)
	if errors.Is(err, ErrIncomplete) && a.forget(answer.Missing) {
		return a.queryOnce(ctx, q)
	}
	return answer, err
}

// forget drops the versions of gateways on which no socket of this worker is. It reports whether there were any.
func (a *App) forget(nodes []string) (any bool) {
	for _, node := range nodes {
		if !a.sockets.some(func(s *Socket) bool { return s.Node() == node }) {
			any = a.seen.forget(node) || any
		}
	}
	return any
}

func (a *App) queryOnce(ctx context.Context, q backplane.Query) (answer backplane.Answer, err error) {
	q.Seen = a.versions(ctx)
	data, err := json.Marshal(q)
	if err != nil {
		return answer, err
	}
	var reply *backplane.Msg
	err = a.ask(ctx, question{size: 1, publish: func(conn *backplane.Conn, _ int, to string) error {
		return conn.PublishRequest(conn.Query(), to, data)
	}}, func(_ int, m *backplane.Msg) { reply = m })
	switch {
	case err != nil:
		return answer, fmt.Errorf("query %s: %w", q.Op, err)
	case backplane.NoResponders(reply):
		return answer, ErrNoRouter
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return answer, fmt.Errorf("query %s: %w", q.Op, err)
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("query %s: %w: %s", q.Op, ErrRefused, answer.Error)
	}
	if !answer.Complete {
		err = fmt.Errorf("query %s: %w: without %s", q.Op, ErrIncomplete, strings.Join(answer.Missing, ", "))
	}
	return answer, err
}

// pages asks until the last page. Of several incomplete pages the last error is returned, after all.
func (a *App) pages(ctx context.Context, q backplane.Query, got func(*backplane.Answer)) error {
	var incomplete error
	for {
		answer, err := a.query(ctx, q)
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return err
		}
		if err != nil {
			incomplete = err
		}
		got(&answer)
		if answer.Next == "" {
			return incomplete
		}
		q.After = answer.Next
	}
}

func (a *App) roomSizes(ctx context.Context, nsp string) (map[string]int, error) {
	sizes := map[string]int{}
	err := a.pages(ctx, backplane.Query{Op: backplane.QueryRooms, Namespace: nsp}, func(page *backplane.Answer) {
		for _, r := range page.Rooms {
			sizes[r.Name] = r.Sockets
		}
	})
	return sizes, err
}

// Count returns how many sockets the target has in the whole cluster; see [Namespace.Count].
func (t Target) Count(ctx context.Context) (int, error) {
	if t.nsp.match != "" {
		return 0, ErrParent
	}
	simple := t.socket == nil && t.node == "" && len(t.except) == 0 && len(t.rooms) < 2 && !t.nobody()
	if !simple {
		list, err := t.Sockets(ctx)
		return len(list), err
	}
	q := backplane.Query{Op: backplane.QueryCount, Namespace: t.nsp.name}
	if len(t.rooms) == 1 {
		q.Room = &t.rooms[0]
	}
	answer, err := t.nsp.app.query(ctx, q)
	return answer.Count, err
}

// Sockets returns the sockets of the target, from the whole cluster, sorted by id. It includes what this worker
// has done. The error may be ErrIncomplete: the list then has those that are known.
func (t Target) Sockets(ctx context.Context) ([]RemoteSocket, error) {
	if t.nsp.match != "" {
		return nil, ErrParent
	}
	var list []RemoteSocket
	var incomplete error
	for _, q := range t.queries() {
		err := t.nsp.app.pages(ctx, q, func(page *backplane.Answer) {
			for i := range page.Sockets {
				if one := &page.Sockets[i]; t.has(one) {
					list = append(list, RemoteSocket{
						ID: one.ID, Node: one.Node, Worker: one.Worker, Rooms: one.Rooms, data: one.Data,
					})
				}
			}
		})
		if err != nil && !errors.Is(err, ErrIncomplete) {
			return nil, err
		}
		incomplete = errors.Join(incomplete, err)
	}
	slices.SortFunc(list, func(a, b RemoteSocket) int { return strings.Compare(a.ID, b.ID) })
	list = slices.CompactFunc(list, func(a, b RemoteSocket) bool { return a.ID == b.ID })
	return list, incomplete
}

// queries are the questions whose answers together have all of the target's sockets.
func (t Target) queries() []backplane.Query {
	whole := backplane.Query{Op: backplane.QuerySockets, Namespace: t.nsp.name}
	if t.socket == nil && !t.narrowed {
		return []backplane.Query{whole}
	}
	var list []backplane.Query
	rooms := t.rooms
	if t.socket != nil {
		rooms = []string{t.socket.id}
	}
	for _, room := range rooms {
		q := whole
		q.Room = &room
		list = append(list, q)
	}
	return list
}

// has reports whether a socket from one of the queries is meant.
func (t Target) has(one *backplane.SocketInfo) bool {
	if t.node != "" && one.Node != t.node {
		return false
	}
	for _, name := range t.except {
		if one.ID == name || slices.Contains(one.Rooms, name) {
			return false
		}
	}
	return true
}

// Join makes every socket of the target join rooms; see [Socket.Join]. Sockets that are gone
// meanwhile do not matter.
func (t Target) Join(ctx context.Context, rooms ...string) error {
	return t.control(ctx, backplane.Control{Op: backplane.OpJoin, Rooms: rooms})
}

// Leave makes every socket of the target leave rooms.
func (t Target) Leave(ctx context.Context, rooms ...string) error {
	return t.control(ctx, backplane.Control{Op: backplane.OpLeave, Rooms: rooms})
}

// Disconnect disconnects every socket of the target; see [Socket.Disconnect].
func (t Target) Disconnect(ctx context.Context, end bool) error {
	return t.control(ctx, backplane.Control{Op: backplane.OpDisconnect, Close: end})
}

// control asks for the same of every socket. It goes on after a refusal, and reports the first.
func (t Target) control(ctx context.Context, c backplane.Control) error {
	a := t.nsp.app
	ctx, cancel := within(ctx, a.options.RequestTimeout)
	defer cancel()
	sockets, err := t.Sockets(ctx)
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	for part := range slices.Chunk(sockets, chunk) {
		ids := make([]string, len(part))
		for i := range part {
			ids[i] = part[i].ID
		}
		failed := a.control(ctx, ids, c, nil, func(i int, r *backplane.ControlReply) {
			if err == nil && r.Error != "" && r.Error != backplane.NoSocket {
				err = fmt.Errorf("socket %s: %s: %w: %s", ids[i], c.Op, ErrRefused, r.Error)
			}
		})
		if failed != nil {
			return fmt.Errorf("%s: %w", c.Op, failed)
		}
	}
	return err
}
