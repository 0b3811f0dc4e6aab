package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"patchbay/backplane"
)

// Info is a socket's state as its gateway has it.
type Info struct {
	Rooms     []string // sorted, with the socket's own id
	User      string   // see [Socket.SetUser]
	Transport string   // "polling" or "websocket"
	Node      string   // the gateway

	data json.RawMessage
}

// Data returns the socket's data, a JSON object.
func (i *Info) Data() json.RawMessage { return orObject(i.data) }

// Decode stores the socket's data in what v points to, such as a struct or a map.
func (i *Info) Decode(v any) error { return decode(i.Data(), nil, v) }

// Info asks the gateway for the socket's state.
func (s *Socket) Info(ctx context.Context) (Info, error) {
	r, err := s.control(ctx, backplane.Control{Op: backplane.OpInfo})
	return infoOf(&r), err
}

// Join joins rooms. When it returns, every emit to them that follows, from whichever worker, reaches the socket.
// In middleware the rooms are joined with the connection.
func (s *Socket) Join(ctx context.Context, rooms ...string) error {
	if err := nameable(rooms); err != nil {
		return err
	}
	s.mu.Lock()
	if s.state == stateConnecting {
		defer s.mu.Unlock()
		for _, room := range rooms {
			if !slices.Contains(s.rooms, room) {
				s.rooms = append(s.rooms, room)
			}
		}
		return nil
	}
	s.mu.Unlock()
	_, err := s.control(ctx, backplane.Control{Op: backplane.OpJoin, Rooms: rooms})
	return err
}

// Leave leaves rooms. When it returns, the socket gets nothing more that is sent to them.
func (s *Socket) Leave(ctx context.Context, rooms ...string) error {
	s.mu.Lock()
	if s.state == stateConnecting {
		defer s.mu.Unlock()
		s.rooms = slices.DeleteFunc(s.rooms, func(room string) bool { return slices.Contains(rooms, room) })
		return nil
	}
	s.mu.Unlock()
	_, err := s.control(ctx, backplane.Control{Op: backplane.OpLeave, Rooms: rooms})
	return err
}

// Rooms returns the socket's rooms, sorted, its own id among them. In handlers of OnDisconnecting they are those that
// it was in; if its gateway died, those that this worker heard of last.
func (s *Socket) Rooms(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	if s.state == stateConnecting || s.state == stateGone && s.rooms != nil {
		defer s.mu.Unlock()
		rooms := append(slices.Clone(s.rooms), s.id)
		slices.Sort(rooms)
		return rooms, nil
	}
	s.mu.Unlock()
	r, err := s.control(ctx, backplane.Control{Op: backplane.OpInfo})
	return r.Rooms, err
}

// Transport returns "polling" or "websocket", as of now.
func (s *Socket) Transport(ctx context.Context) (string, error) {
	r, err := s.control(ctx, backplane.Control{Op: backplane.OpInfo})
	return r.Transport, err
}

// Disconnect takes the socket out of its namespace, with reason "server namespace disconnect";
// with end it ends the client's connection, and so its sockets in other namespaces.
// That a socket is gone already is no error. The disconnect handlers run after the handler at work.
func (s *Socket) Disconnect(ctx context.Context, end bool) error {
	_, err := s.control(ctx, backplane.Control{Op: backplane.OpDisconnect, Close: end})
	if errors.Is(err, ErrDisconnected) {
		return nil
	}
	return err
}

// control asks the socket's gateway for something, and waits.
func (s *Socket) control(ctx context.Context, c backplane.Control) (r backplane.ControlReply, err error) {
	if err := s.mayAsk(); err != nil {
		return r, err
	}
	moves := s.moveCount()
	r, err = s.nsp.Socket(s.id).control(ctx, c)
	if err == nil {
		s.heard(&r, moves)
	}
	return r, err
}

func (s *Socket) mayAsk() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateConnecting:
		return ErrConnecting
	case stateGone:
		return ErrDisconnected
	case stateOpen:
	}
	return nil
}

// moveCount is how often another gateway has taken the socket over.
func (s *Socket) moveCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.moves
}

// heard notes which gateway has answered a question, and the socket's rooms. If another has taken the socket over since
// that was asked, the answer may be the former one's, and does not tell where the socket is.
func (s *Socket) heard(r *backplane.ControlReply, moves int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Seen.Node != "" && s.moves == moves {
		s.node, s.epoch = r.Seen.Node, r.Seen.Epoch
	}
	if s.state == stateOpen {
		s.rooms = slices.DeleteFunc(slices.Clone(r.Rooms), func(room string) bool { return room == s.id })
	}
}

// lastRooms notes which rooms the socket was in when it went; nil if nobody says.
func (s *Socket) lastRooms(rooms []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if rooms == nil {
		rooms = s.rooms
	}
	s.rooms = append([]string{}, rooms...) // not nil
}

// moved notes that a gateway has taken the socket over.
func (s *Socket) moved(to backplane.Moved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.node, s.epoch = to.Node, to.Epoch
	s.moves++
}

// at reports whether a gateway holds the socket.
func (s *Socket) at(node string, epoch uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node == node && s.epoch == epoch
}

// on reports whether a gateway that is no more held the socket.
func (s *Socket) on(node string, epoch uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.node == node && s.epoch <= epoch
}

// control asks the gateways of sockets for the same, all at once. A socket that is gone answers
// with NoSocket.
func (a *App) control(ctx context.Context, ids []string, c backplane.Control, published func(), got func(i int, r *backplane.ControlReply)) error {
	data, err := json.Marshal(c)
	if err != nil {
		published()
		return err
	}
	var malformed error
	err = a.ask(ctx, question{size: len(ids), published: published, publish: func(conn *backplane.Conn, i int, reply string) error {
		return conn.PublishRequest(conn.SocketControl(ids[i]), reply, data)
	}}, func(i int, m *backplane.Msg) {
		r := backplane.ControlReply{Error: backplane.NoSocket}
		if !backplane.NoResponders(m) {
			r.Error = ""
			if err := json.Unmarshal(m.Data, &r); err != nil {
				malformed = fmt.Errorf("control reply: %w", err)
				return
			}
		}
		a.seen.note(r.Seen)
		got(i, &r)
	})
	return errors.Join(err, malformed)
}
