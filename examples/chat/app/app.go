// Package app is the worker's side of the chat example: rooms, names, and who is here.
package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/worker"
)

// What one person may write. It keeps a page readable, and a room's presence list small.
const (
	maxName = 40
	maxRoom = 60
	maxText = 4000
)

// message is what a room's members see.
type message struct {
	From string    `json:"from"`
	Text string    `json:"text"`
	Room string    `json:"room"`
	At   time.Time `json:"at"`
}

// person is what is kept with a socket.
type person struct {
	Name string `json:"name"`
	Room string `json:"room"`
}

// Register adds the chat to a worker, in the root namespace.
func Register(w *worker.App, log *zap.Logger) {
	io := w.Namespace("/")
	io.OnConnect(func(_ context.Context, s *worker.Socket) error {
		log.Info("connected", zap.String("socket", s.ID()), zap.String("node", s.Node()), zap.Bool("recovered", s.Recovered()))
		return s.Emit("welcome", "Welcome to Patchbay chat!")
	})
	worker.OnAck2(io, "join", func(ctx context.Context, s *worker.Socket, room, name string) (string, error) {
		return "ok", join(ctx, s, cut(room, maxRoom, "lobby"), cut(name, maxName, "somebody"))
	})
	worker.OnAck(io, "chatMessage", func(ctx context.Context, s *worker.Socket, text string) (string, error) {
		who, ok := worker.Get[person](s, "person")
		if !ok {
			return "", errors.New("a message from somebody in no room")
		}
		text = cut(text, maxText, "…")
		return "ok", io.To(who.Room).Traced(ctx).Emit("chatMessage", message{who.Name, text, who.Room, time.Now().UTC()})
	})
	worker.OnAck0(io, "who", func(ctx context.Context, s *worker.Socket) ([]string, error) {
		who, _ := worker.Get[person](s, "person")
		return present(ctx, io.To(who.Room))
	})
	worker.OnAck0(io, "whoami", func(ctx context.Context, s *worker.Socket) (map[string]string, error) {
		info, err := s.Info(ctx)
		return map[string]string{"id": s.ID(), "node": info.Node, "transport": info.Transport}, err
	})
	io.OnDisconnect(func(ctx context.Context, s *worker.Socket, reason string) {
		log.Info("disconnected", zap.String("socket", s.ID()), zap.String("reason", reason))
		if who, ok := worker.Get[person](s, "person"); ok {
			if err := tell(ctx, s, who.Room); err != nil {
				log.Warn("cannot tell who is left", zap.Error(err))
			}
		}
	})
}

// join takes a socket from its room to another, and tells both who is there now.
func join(ctx context.Context, s *worker.Socket, room, name string) error {
	before, was := worker.Get[person](s, "person")
	if err := s.Set(ctx, "person", person{name, room}); err != nil {
		return err
	}
	if was && before.Room != room {
		if err := errors.Join(s.Leave(ctx, before.Room), tell(ctx, s, before.Room)); err != nil {
			return err
		}
	}
	if err := s.Join(ctx, room); err != nil {
		return err
	}
	names, err := present(ctx, s.Namespace().To(room))
	if err != nil {
		return err
	}
	return s.Namespace().To(room).Emit("present", names)
}

// tell tells a room who is there, now that a socket is not.
func tell(ctx context.Context, s *worker.Socket, room string) error {
	names, err := present(ctx, s.To(room))
	if err != nil {
		return err
	}
	return s.To(room).Emit("present", names)
}

// present lists the names in a room, wherever in the cluster they are. An answer without those at a
// gateway that is silent is better than none.
func present(ctx context.Context, room worker.Target) ([]string, error) {
	sockets, err := room.Sockets(ctx)
	if err != nil && !errors.Is(err, worker.ErrIncomplete) {
		return nil, err
	}
	names := []string{}
	for i := range sockets {
		var data struct {
			Person person `json:"person"`
		}
		if err := sockets[i].Decode(&data); err == nil && data.Person.Name != "" {
			names = append(names, data.Person.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// cut trims a text and shortens it; an empty one becomes another.
func cut(text string, most int, otherwise string) string {
	text = strings.TrimSpace(text)
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most])
	}
	if text == "" {
		return otherwise
	}
	return text
}
