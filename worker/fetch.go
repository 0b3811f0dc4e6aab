package worker

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"patchbay/backplane"
)

// RemoteSocket is a socket as membership knew it when it was asked, wherever its home is, and a way to reach it.
type RemoteSocket struct {
	Remote
	ID     string
	User   string   // see [Socket.SetUser]
	Node   string   // the gateway
	Worker string   // its home
	Rooms  []string // sorted, its own id included

	data json.RawMessage
}

// Data returns what has been set with the socket, a JSON object.
func (r *RemoteSocket) Data() json.RawMessage { return orObject(r.data) }

// Decode stores the socket's data in what v points to, such as a struct or a map.
func (r *RemoteSocket) Decode(v any) error { return decode(r.Data(), nil, v) }

func orObject(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("{}")
	}
	return data
}

// Fetch goes through the sockets of the target, from the whole cluster, by id. It asks a router for pages as they are needed, so
// that a million sockets are never in memory at once; each page is of the moment at which it was asked for, and includes what
// this worker has done before. A socket that comes or goes meanwhile may be missed, none comes twice.
//
// An error ends the sequence, but for an [IncompleteError]: that comes last, after the sockets that are known.
func (t Target) Fetch(ctx context.Context) iter.Seq2[RemoteSocket, error] {
	return func(yield func(RemoteSocket, error) bool) {
		if t.nobody() {
			return
		}
		if t.nsp.match != "" {
			yield(RemoteSocket{}, ErrParent)
			return
		}
		for page, err := range t.nsp.app.pages(ctx, t.query(backplane.QuerySockets)) {
			if err != nil {
				yield(RemoteSocket{}, err)
				return
			}
			for i := range page.Sockets {
				one := &page.Sockets[i]
				if !yield(RemoteSocket{
					Remote: Remote{t.nsp, one.ID},
					ID:     one.ID, User: one.User, Node: one.Node, Worker: one.Worker, Rooms: one.Rooms, data: one.Data,
				}, nil) {
					return
				}
			}
		}
	}
}

// Sockets returns the sockets of the target, from the whole cluster, sorted by id; see [Target.Fetch]. The error may be
// ErrIncomplete: the list then has those that are known.
func (t Target) Sockets(ctx context.Context) ([]RemoteSocket, error) {
	var list []RemoteSocket
	for one, err := range t.Fetch(ctx) {
		switch {
		case errors.Is(err, ErrIncomplete):
			return list, err
		case err != nil:
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

// Count returns how many sockets the target has in the whole cluster; see [Namespace.Count].
func (t Target) Count(ctx context.Context) (int, error) {
	switch {
	case t.nobody():
		return 0, nil
	case t.nsp.match != "":
		return 0, ErrParent
	}
	answer, err := t.nsp.app.query(ctx, t.query(backplane.QueryCount))
	return answer.Count, err
}

// query is a question about the target's sockets.
func (t Target) query(op backplane.QueryOp) backplane.Query {
	q := backplane.Query{Op: op, Namespace: t.nsp.name, Rooms: t.rooms, Except: t.except, Node: t.node}
	if t.socket != nil {
		q.Rooms = []string{t.socket.id}
	}
	return q
}

// pages asks until the last page. An answer without some gateways is a page all the same: the error comes after
// the last one.
func (a *App) pages(ctx context.Context, q backplane.Query) iter.Seq2[*backplane.Answer, error] {
	return func(yield func(*backplane.Answer, error) bool) {
		var incomplete error
		for {
			answer, err := a.query(ctx, q)
			if err != nil && !errors.Is(err, ErrIncomplete) {
				yield(nil, err)
				return
			}
			if err != nil {
				incomplete = err
			}
			if !yield(&answer, nil) {
				return
			}
			if answer.Next == "" {
				break
			}
			q.After = answer.Next
		}
		if incomplete != nil {
			yield(nil, incomplete)
		}
	}
}

func (a *App) roomSizes(ctx context.Context, nsp string) (map[string]int, error) {
	sizes := map[string]int{}
	for page, err := range a.pages(ctx, backplane.Query{Op: backplane.QueryRooms, Namespace: nsp}) {
		if err != nil {
			return sizes, err
		}
		for _, r := range page.Rooms {
			sizes[r.Name] = r.Sockets
		}
	}
	return sizes, nil
}
