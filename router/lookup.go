package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// maxLookup is how many namespaces a name is looked up in.
const maxLookup = 1000

// ErrNoSocket means that a gateway says that it does not have a socket.
var ErrNoSocket = errors.New("router: " + backplane.NoSocket)

// Found is what there is of a name that somebody looks for.
type Found struct {
	Socket *Socket `json:"socket,omitempty"` // with that id
	Users  []Place `json:"users"`            // with that id, in each namespace
	Rooms  []Place `json:"rooms"`            // with that name
	More   bool    `json:"more"`             // there are more namespaces than were looked at
}

// Socket is a socket as the index has it.
type Socket struct {
	backplane.SocketInfo
	Namespace string `json:"nsp"`
}

// Find looks for a socket, a user or a room by its whole name, in every namespace.
func (r *Router) Find(ctx context.Context, name string) (f Found, err error) {
	err = r.look(ctx, func(l *loop, _ time.Time) { f = l.table.index.lookUp(name) })
	return f, err
}

func (x *index) lookUp(name string) Found {
	f := Found{Users: []Place{}, Rooms: []Place{}}
	if slot, ok := x.find(name); ok {
		p := pager{scope: scope{index: x}}
		f.Socket = &Socket{SocketInfo: p.socket(slot), Namespace: x.namespaces.at(x.sockets.at(slot).nsp).name}
	}
	left, user := maxLookup, backplane.UserRoom(name)
	for nsp, number := range x.byName {
		if left--; left < 0 {
			f.More = true
			break
		}
		if room, ok := x.findRoom(number, user); ok {
			f.Users = append(f.Users, Place{Namespace: nsp, Name: user, Sockets: len(x.rooms.at(room).members)})
		}
		if room, ok := x.findRoom(number, name); ok {
			f.Rooms = append(f.Rooms, Place{Namespace: nsp, Name: name, Sockets: len(x.rooms.at(room).members)})
		}
	}
	for _, list := range [][]Place{f.Users, f.Rooms} {
		slices.SortFunc(list, func(a, b Place) int { return compare(a.Namespace, b.Namespace) })
	}
	return f
}

// Query answers a question from the index as it is now, without waiting for anything.
func (r *Router) Query(ctx context.Context, q *backplane.Query) (a backplane.Answer, err error) {
	err = r.look(ctx, func(l *loop, now time.Time) { a = l.queries.answer(q, now) })
	return a, err
}

// NodeStatus asks a gateway for what it alone knows of itself.
func (r *Router) NodeStatus(ctx context.Context, node string) (s backplane.NodeStatus, err error) {
	err = r.inquire(ctx, r.conn.Node(node, backplane.VerbStatus, ""), nil, &s)
	return s, err
}

// SocketStatus asks the gateway that holds a socket about its client. Its errors are ErrNoSocket, those of the request and ctx's.
func (r *Router) SocketStatus(ctx context.Context, id string) (backplane.ControlReply, error) {
	return r.toSocket(ctx, r.conn.SocketStatus(id), nil)
}

// Disconnect takes a socket out of its namespace, whose client hears `io server disconnect`; with end, it ends the socket's
// whole session. Its errors are SocketStatus's.
func (r *Router) Disconnect(ctx context.Context, id string, end bool) error {
	_, err := r.toSocket(ctx, r.conn.SocketEnd(id), &backplane.Control{Close: end})
	r.log.Info("disconnection asked for", zap.String("socket", id), zap.Bool("session", end), zap.Error(err))
	return err
}

func (r *Router) toSocket(ctx context.Context, subject string, request *backplane.Control) (reply backplane.ControlReply, err error) {
	if err = r.inquire(ctx, subject, request, &reply); err != nil {
		return reply, err
	}
	switch reply.Error {
	case "":
		return reply, nil
	case backplane.NoSocket:
		return reply, ErrNoSocket
	}
	return reply, fmt.Errorf("router: %s", reply.Error)
}

// inquire asks a gateway, and reads its answer.
func (r *Router) inquire(ctx context.Context, subject string, request *backplane.Control, answer any) error {
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("ask a gateway: %w", err)
	}
	m, err := r.conn.Request(ctx, &backplane.Msg{Subject: subject, Data: data})
	if err != nil {
		return fmt.Errorf("ask a gateway: %w", err)
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return fmt.Errorf("read a gateway's answer: %w", err)
	}
	return nil
}
