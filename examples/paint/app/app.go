// Package app is the worker's side of the game. It keeps no board: a player's home knows where the player stands, and whoever comes is
// told by the others what they own. So the players of one room may have their homes at different workers.
package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"go.uber.org/zap"

	"patchbay/worker"
)

// The board, and who fits on it.
const (
	width, height = 24, 14
	maxPlayers    = 12
	maxName       = 20
	maxRoom       = 30
)

// player is what is kept with a socket.
type player struct {
	Name string `json:"name"`
	Room string `json:"room"`
	Hue  int    `json:"hue"`
	X    int    `json:"x"`
	Y    int    `json:"y"`
}

// step is that a player has come to a field, as all are told.
type step struct {
	player
	ID string `json:"id"`
	At int64  `json:"at"` // Unix milliseconds; the last who came to a field owns it
}

// field is one that a player owns.
type field struct {
	X  int   `json:"x"`
	Y  int   `json:"y"`
	At int64 `json:"at"`
}

// Register adds the game to a worker.
func Register(w *worker.App, _ *zap.Logger) error {
	io := w.Namespace("/")
	worker.OnAck2(io, "play", func(ctx context.Context, s *worker.Socket, name, room string) (step, error) {
		return enter(ctx, s, cut(name, maxName, "somebody"), "game:"+cut(room, maxRoom, "garden"))
	})
	worker.On2(io, "walk", func(ctx context.Context, s *worker.Socket, dx, dy int) error {
		p, ok := worker.Get[player](s, "player")
		if !ok || dx*dx+dy*dy != 1 {
			return nil // not in a game, or no step
		}
		p.X, p.Y = (p.X+dx+width)%width, (p.Y+dy+height)%height
		if err := s.Set(ctx, "player", p); err != nil {
			return err
		}
		return io.To(p.Room).Emit("step", stepOf(s, p))
	})
	// Whoever was there tells a newcomer, wherever that one's home is, what they own.
	worker.On2(io, "own", func(_ context.Context, s *worker.Socket, newcomer string, fields []field) error {
		p, ok := worker.Get[player](s, "player")
		if !ok || len(fields) > width*height {
			return nil
		}
		return io.Socket(newcomer).Emit("owned", stepOf(s, p), fields)
	})
	io.OnDisconnect(func(_ context.Context, s *worker.Socket, _ string) {
		if p, ok := worker.Get[player](s, "player"); ok {
			_ = io.To(p.Room).Emit("gone", s.ID()) // fails only while NATS is away
		}
	})
	return nil
}

func enter(ctx context.Context, s *worker.Socket, name, room string) (step, error) {
	if _, ok := worker.Get[player](s, "player"); ok {
		return step{}, errors.New("in a game already")
	}
	n, err := s.Namespace().Count(ctx, room)
	if err != nil && !errors.Is(err, worker.ErrIncomplete) {
		return step{}, err
	}
	if n >= maxPlayers {
		return step{}, errors.New("the room is full")
	}
	p := player{Name: name, Room: room, Hue: rand.IntN(360), X: rand.IntN(width), Y: rand.IntN(height)}
	if err := errors.Join(s.Set(ctx, "player", p), s.Join(ctx, room)); err != nil {
		return step{}, err
	}
	me := stepOf(s, p)
	return me, errors.Join(s.To(room).Emit("came", s.ID()), s.Namespace().To(room).Emit("step", me))
}

func stepOf(s *worker.Socket, p player) step { return step{p, s.ID(), time.Now().UnixMilli()} }

// cut trims a text and shortens it; an empty one becomes another.
func cut(text string, most int, otherwise string) string {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) == 0 {
		return otherwise
	}
	return string(runes[:min(len(runes), most)])
}
