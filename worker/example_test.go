package worker_test

import (
	"context"
	"fmt"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// A chat in a few lines. Its client here is a test's; yours is socket.io-client in a browser.
func Example() {
	cluster := newExampleCluster() // a NATS server in this process; worker.Options{} finds one on this machine
	defer cluster.stop()

	app, err := worker.New(worker.Options{Backplane: backplane.Options{Server: cluster.server}})
	if err != nil {
		fmt.Println(err)
		return
	}
	io := app.Namespace("/")
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		if err := s.Join(ctx, "lobby"); err != nil {
			return err
		}
		return s.Emit("welcome", "Hello!")
	})
	worker.On(io, "chatMessage", func(_ context.Context, _ *worker.Socket, text string) error {
		return io.To("lobby").Emit("chatMessage", text)
	})
	worker.OnAck2(io, "add", func(_ context.Context, _ *worker.Socket, a, b int) (int, error) {
		return a + b, nil
	})

	cluster.talk(app) // instead of: err = app.Run(ctx)
	// Output:
	// to the client: ["welcome","Hello!"]
	// to pb.room.-.lobby: ["chatMessage","Hi all"]
	// acknowledged: [3]
}

// exampleCluster is what a worker needs around it, and a client.
type exampleCluster struct {
	console
	server *backplane.Server
}

func newExampleCluster() *exampleCluster {
	c := &exampleCluster{}
	c.server = startServer(&c.console)
	return c
}

// talk runs the worker beside a client that connects, and says what it hears.
func (c *exampleCluster) talk(app *worker.App) {
	gateway := newGateway(&c.console, c.server, "g1")
	if err := app.Start(context.Background()); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = app.Stop(context.Background()) })
	client := gateway.dial(app, "/")
	fmt.Printf("to the client: %s\n", receive(c, client.got, "the welcome").JSON)
	client.send(`["chatMessage","Hi all"]`)
	emit := receive(c, gateway.emits, "the message")
	fmt.Printf("to %s: %s\n", emit.subject, emit.JSON)
	fmt.Printf("acknowledged: %s\n", client.ask(`["add",1,2]`).JSON)
}

// console stands in for a test where there is none.
type console struct {
	testing.TB
	cleanups []func()
}

func (c *console) Helper()                           {}
func (c *console) Cleanup(f func())                  { c.cleanups = append(c.cleanups, f) }
func (c *console) Error(args ...any)                 { fmt.Println(args...) }
func (c *console) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }
func (c *console) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (c *console) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// stop undoes what was started, last first.
func (c *console) stop() {
	for i := len(c.cleanups) - 1; i >= 0; i-- {
		c.cleanups[i]()
	}
}
