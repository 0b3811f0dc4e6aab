// Command notify sends a notification to the people of examples/notifications, from outside of the application. It connects to NATS,
// emits, and leaves.
//
//	go run ./examples/notify --user Ada 'Your parcel is here'
//	go run ./examples/notify --topic weather 'Snow tonight'
//	go run ./examples/notify 'The shop closes in ten minutes'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"patchbay/examples/notifications/app"
	"patchbay/internal/ops"
	"patchbay/worker"
)

type command struct {
	Emitter worker.EmitterOptions `embed:""`
	User    []string              `name:"user" short:"u" help:"Whom to tell, by name; may be repeated."`
	Topic   []string              `name:"topic" short:"t" help:"Whose followers to tell; may be repeated."`
	Text    string                `arg:"" help:"What to tell them."`
}

// patience is how long NATS and routers may take.
const patience = 10 * time.Second

func main() {
	var c command
	kong.Parse(&c, kong.Name("notify"), kong.Description("Tells people something, from outside of the application."),
		kong.PostBuild(ops.NameEnvironment))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "notify:", err)
		cancel()
		os.Exit(1)
	}
}

func (c *command) run(ctx context.Context) error {
	emitter, err := worker.OpenEmitter(ctx, c.Emitter)
	if err != nil {
		return err
	}
	to := emitter.All()
	if len(c.User) > 0 {
		to = to.User(c.User...)
	}
	for _, topic := range c.Topic {
		to = to.To(app.TopicRoom(topic))
	}
	err = to.Emit("notification", map[string]any{"text": c.Text, "at": time.Now().UTC()})
	if err == nil {
		var heads worker.Headcount
		if heads, err = to.Headcount(ctx); err == nil {
			fmt.Printf("people: %d, connections: %d\n", heads.Users, heads.Sockets)
		}
	}
	if stopErr := emitter.Close(ctx); err == nil {
		err = stopErr
	}
	return err
}
