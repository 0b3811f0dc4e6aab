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
	// Ada hears ["welcome","Hello!"]
	// to pb.room.-.lobby: ["chatMessage","Hi all"]
	// Ada asks ["add",1,2] and hears [3]
}

// exampleCluster is what a worker needs around it, and its clients.
type exampleCluster struct {
	console
	server  *backplane.Server
	gateway *fakeGateway
}

func newExampleCluster() *exampleCluster {
	c := &exampleCluster{}
	c.server = startServer(&c.console)
	return c
}

// worker makes a worker of the cluster.
func (c *exampleCluster) worker() *worker.App {
	app, err := worker.New(worker.Options{Backplane: backplane.Options{Server: c.server}, Handover: -1})
	if err != nil {
		c.Fatal(err)
	}
	return app
}

// run runs the worker until the end of the example.
func (c *exampleCluster) run(app *worker.App) {
	c.gateway = newGateway(&c.console, c.server, "g1")
	if err := app.Start(context.Background()); err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { _ = app.Stop(context.Background()) })
}

// exampleClient is a client that says what it does and hears.
type exampleClient struct {
	*client
	name string
}

// client connects a client.
func (c *exampleCluster) client(app *worker.App, name, nsp, auth string) *exampleClient {
	one := &exampleClient{c.gateway.newClient(nsp), name}
	if answer := one.connect(app, auth); answer.Error != nil {
		fmt.Printf("%s is refused: %s%s\n", name, answer.Error.Message, answer.Error.Data)
	}
	return one
}

// hears waits for the next event.
func (c *exampleClient) hears() {
	got := receive(c.g, c.got, "an event for "+c.name)
	fmt.Printf("%s hears %s\n", c.name, got.JSON)
}

// asks emits an event with an acknowledgement, and waits for that.
func (c *exampleClient) asks(payload string) {
	fmt.Printf("%s asks %s and hears %s\n", c.name, payload, c.ask(payload).JSON)
}

// leaves ends the client.
func (c *exampleClient) leaves(reason string) { c.leave(reason) }

// emitted waits for the next emit to rooms or namespaces.
func (c *exampleCluster) emitted() {
	e := receive(c, c.gateway.emits, "an emit")
	fmt.Printf("to %s: %s\n", e.subject, e.JSON)
}

// talk runs the worker beside a client that connects, and says what it hears.
func (c *exampleCluster) talk(app *worker.App) {
	c.run(app)
	ada := c.client(app, "Ada", "/", "")
	ada.hears()
	ada.send(`["chatMessage","Hi all"]`)
	c.emitted()
	ada.asks(`["add",1,2]`)
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
