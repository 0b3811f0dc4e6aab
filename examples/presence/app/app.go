// Package app is the worker's side of the presence example.
package app

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"patchbay/worker"
)

const (
	maxName = 40          // keeps the list readable
	retry   = time.Second // after a watch that could not begin
)

// presence is what this worker knows of who is online, and tells its own sockets.
type presence struct {
	io   *worker.Namespace
	room string // in which the sockets are that this worker tells

	mu     sync.Mutex     // a socket is told all, and from then on each change: in this order
	people map[string]int // connections of each
}

// person is what the page is told: somebody has so many connections now.
type person struct {
	Name        string `json:"name"`
	Connections int    `json:"connections"`
}

// Register adds the application to a worker. Any number of workers may run it.
func Register(w *worker.App, log *zap.Logger) error {
	p := &presence{io: w.Namespace("/"), room: "told by " + w.ID(), people: map[string]int{}}
	p.io.Use(func(ctx context.Context, s *worker.Socket) error {
		var auth struct{ Name string }
		if err := s.Handshake().Auth(&auth); err != nil {
			return &worker.Refusal{Message: "who are you?"}
		}
		name := strings.TrimSpace(auth.Name)
		if name == "" || len(name) > maxName {
			return &worker.Refusal{Message: "a name of 1 to 40 letters, please"}
		}
		return s.SetUser(ctx, name)
	})
	p.io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		// Also a socket whose former worker is gone, and that it told.
		if err := s.Join(ctx, p.room); err != nil {
			return err
		}
		return p.tellAll(s)
	})
	w.OnStart(func(ctx context.Context) { p.watch(ctx, log) })
	return nil
}

// tellAll tells a socket who is online.
func (p *presence) tellAll(s *worker.Socket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]person, 0, len(p.people))
	for name, n := range p.people {
		list = append(list, person{name, n})
	}
	return s.Emit("online", list)
}

// watch follows who comes and goes in the whole cluster, as long as the worker runs.
func (p *presence) watch(ctx context.Context, log *zap.Logger) {
	watch, err := p.io.WatchAll(ctx)
	for ; err != nil; watch, err = p.io.WatchAll(ctx) {
		log.Warn("nobody tells who is online; trying again", zap.Error(err))
		select {
		case <-time.After(retry):
		case <-ctx.Done():
			return
		}
	}
	defer watch.Close()
	for change := range watch.Changes(ctx) {
		if err := p.change(change); err != nil {
			log.Warn("cannot tell who is online", zap.Error(err))
		}
	}
}

func (p *presence) change(c worker.PresenceChange) error {
	if c.User == "" {
		return errors.New("a socket without a user")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Joined {
		p.people[c.User]++
	} else if p.people[c.User]--; p.people[c.User] == 0 {
		defer delete(p.people, c.User)
	}
	return p.io.To(p.room).Emit("person", person{c.User, p.people[c.User]})
}
