// Package app is the worker's side of the notifications example. It lets people in and keeps what they follow; what they are
// told comes from elsewhere.
package app

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"go.uber.org/zap"

	"patchbay/worker"
)

// TopicRoom is the room of those who follow a topic.
func TopicRoom(topic string) string { return "topic:" + topic }

// What can be followed.
var topics = regexp.MustCompile(`^[a-z0-9-]{1,30}$`)

const maxName = 40

// Register adds the application to a worker.
func Register(w *worker.App, _ *zap.Logger) error {
	io := w.Namespace("/")
	io.Use(func(ctx context.Context, s *worker.Socket) error {
		var auth struct{ Name string }
		err := s.Handshake().Auth(&auth)
		name := strings.TrimSpace(auth.Name)
		if err != nil || name == "" || len(name) > maxName {
			return &worker.Refusal{Message: "a name of 1 to 40 letters, please"}
		}
		return s.SetUser(ctx, name) // a real application checks who it is: see docs/security.md
	})
	worker.OnAck2(io, "follow", func(ctx context.Context, s *worker.Socket, topic string, on bool) (string, error) {
		switch {
		case !topics.MatchString(topic):
			return "", errors.New("no such topic")
		case on:
			return "ok", s.Join(ctx, TopicRoom(topic))
		}
		return "ok", s.Leave(ctx, TopicRoom(topic))
	})
	return nil
}
