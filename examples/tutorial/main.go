// Command tutorial is what a Socket.IO tutorial's server does, as a worker. README shows it.
package main

import (
	"context"
	"log"
	"os/signal"
	"syscall"

	"patchbay/worker"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	app, err := worker.New(worker.Options{})
	if err != nil {
		log.Fatal(err)
	}
	io := app.Namespace("/")

	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		log.Println("connected:", s.ID())
		return s.Emit("welcome", "Hello from Go")
	})
	worker.On(io, "chatMessage", func(ctx context.Context, s *worker.Socket, text string) error {
		return io.Emit("chatMessage", text)
	})
	worker.On(io, "join", func(ctx context.Context, s *worker.Socket, room string) error {
		if err := s.Join(ctx, room); err != nil {
			return err
		}
		return io.To(room).Emit("joined", s.ID())
	})
	io.OnDisconnect(func(ctx context.Context, s *worker.Socket, reason string) {
		log.Println("disconnected:", s.ID(), reason)
	})
	io.OnError(func(ctx context.Context, s *worker.Socket, event string, err error) {
		log.Println("error in", event, err)
	})

	if err := app.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
