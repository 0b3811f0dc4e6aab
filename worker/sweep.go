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

// chunk is how many sockets are asked for something one by one at a time.
const chunk = 1000

// Join makes every socket of the target join rooms; see [Socket.Join]. It returns when all gateways that have such
// sockets have done it: each is asked once, however many sockets it has. Sockets that are gone meanwhile do not matter.
//
// Its errors are an [IncompleteError] that names the gateways which did not answer, and ErrRefused, which names sockets that
// may not: the others have joined all the same.
func (t Target) Join(ctx context.Context, rooms ...string) error {
	if err := nameable(rooms); err != nil {
		return err
	}
	return t.control(ctx, backplane.Control{Op: backplane.OpJoin, Rooms: rooms})
}

// Leave makes every socket of the target leave rooms; see [Target.Join].
func (t Target) Leave(ctx context.Context, rooms ...string) error {
	return t.control(ctx, backplane.Control{Op: backplane.OpLeave, Rooms: rooms})
}

// Disconnect disconnects every socket of the target; see [Socket.Disconnect] and [Target.Join].
func (t Target) Disconnect(ctx context.Context, end bool) error {
	return t.control(ctx, backplane.Control{Op: backplane.OpDisconnect, Close: end})
}

// nameable refuses rooms of users, which are joined by [Socket.SetUser] alone.
func nameable(rooms []string) error {
	for _, room := range rooms {
		if _, ok := backplane.UserOf(room); ok {
			return fmt.Errorf("room %q: %w: reserved for users", room, ErrRefused)
		}
	}
	return nil
}

// control asks the gateways that have sockets of the target for the same of all of them.
func (t Target) control(ctx context.Context, c backplane.Control) error {
	switch {
	case t.nobody():
		return nil
	case t.nsp.match != "":
		return ErrParent
	}
	a := t.nsp.app
	ctx, cancel := within(ctx, a.options.RequestTimeout)
	defer cancel()
	where, err := a.query(ctx, t.query(backplane.QueryWhere))
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return err
	}
	var missing []string
	if err != nil {
		missing = where.Missing
	}
	s := sweep{op: string(c.Op), moving: map[string]struct{}{}}
	for _, n := range where.Nodes {
		s.nodes = append(s.nodes, n.ID)
	}
	c.Namespace = t.nsp.name
	q := t.query("")
	silent, err := a.sweep(ctx, &s, backplane.NodeControl{Control: c, To: q.Rooms, Except: t.except})
	// A gateway that the router misses may have answered all the same.
	missing = slices.DeleteFunc(missing, func(id string) bool {
		return slices.Contains(s.nodes, id) && !slices.Contains(silent, id)
	})
	missing = append(missing, silent...)
	failed := a.controlMoving(ctx, &s, c)
	if len(missing) > 0 {
		slices.Sort(missing)
		failed = errors.Join(&IncompleteError{Op: s.op, Missing: slices.Compact(missing), Err: err}, failed)
	} else {
		failed = errors.Join(err, failed)
	}
	if s.refusal != "" {
		failed = errors.Join(failed, fmt.Errorf("%s: %w: %s (sockets %s)", s.op, ErrRefused, s.refusal, strings.Join(s.refused, ", ")))
	}
	return failed
}

// sweep is a request to many sockets: to their gateways, and what those said.
type sweep struct {
	op      string
	nodes   []string
	moving  map[string]struct{} // sockets between two gateways
	refusal string
	refused []string // sockets, the first of them
}

// sweep asks the gateways, and returns those that did not answer.
func (a *App) sweep(ctx context.Context, s *sweep, c backplane.NodeControl) (silent []string, err error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	answered := make([]bool, len(s.nodes))
	var malformed error
	err = a.ask(ctx, question{size: len(s.nodes), publish: func(conn *backplane.Conn, i int, reply string) error {
		return conn.PublishRequest(conn.Node(s.nodes[i], "control", ""), reply, data)
	}}, func(i int, m *backplane.Msg) {
		if backplane.NoResponders(m) {
			return
		}
		var r backplane.NodeReply
		if err := json.Unmarshal(m.Data, &r); err != nil {
			malformed = fmt.Errorf("reply of %s: %w", s.nodes[i], err)
			return
		}
		answered[i] = true
		a.seen.note(r.Seen)
		for _, id := range r.Moving {
			s.moving[id] = struct{}{}
		}
		if r.Error != "" {
			s.refusal = r.Error
			s.refused = append(s.refused, r.Refused...)
		}
	})
	for i, node := range s.nodes {
		if !answered[i] {
			silent = append(silent, node)
		}
	}
	return silent, errors.Join(err, malformed)
}

// controlMoving asks for the sockets that were between two gateways, one by one: that finds them where they are by now.
func (a *App) controlMoving(ctx context.Context, s *sweep, c backplane.Control) error {
	ids := make([]string, 0, len(s.moving))
	for id := range s.moving {
		ids = append(ids, id)
	}
	for part := range slices.Chunk(ids, chunk) {
		err := a.control(ctx, part, c, nil, func(i int, r *backplane.ControlReply) {
			if r.Error != "" && r.Error != backplane.NoSocket {
				s.refusal = r.Error
				s.refused = append(s.refused, part[i])
			}
		})
		if err != nil {
			return fmt.Errorf("%s: sockets on their way: %w", s.op, err)
		}
	}
	return nil
}
