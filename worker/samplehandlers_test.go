package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"patchbay/worker"
)

// Middleware runs in order, before the client is let in; a refusal becomes its connect_error.
func ExampleHandlers_Use() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/admin")
	io.Use(func(ctx context.Context, s *worker.Socket) error {
		var auth struct{ Token string }
		if err := s.Handshake().Auth(&auth); err != nil || auth.Token != "secret" {
			return &worker.Refusal{Message: "not authorized", Data: map[string]bool{"retry": false}}
		}
		return s.Set(ctx, "admin", true)
	})
	io.Use(func(ctx context.Context, s *worker.Socket) error { return s.Join(ctx, "admins") })
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error { return s.Emit("welcome", s.Data()) })

	cluster.run(app)
	cluster.client(app, "Eve", "/admin", `{"token":"guess"}`)
	cluster.client(app, "Ada", "/admin", `{"token":"secret"}`).hears()
	// Output:
	// Eve is refused: not authorized{"retry":false}
	// Ada hears ["welcome",{"admin":true}]
}

// Middleware for events sees each before its handlers. What it refuses goes to the error handlers, and it may tell the client.
func ExampleHandlers_UseEvents() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.UseEvents(func(ctx context.Context, s *worker.Socket, e *worker.Event) error {
		if strings.HasPrefix(e.Name, "admin:") {
			return errors.Join(errors.New("not for you"), e.Ack("refused"))
		}
		return nil
	})
	worker.OnAck0(io, "admin:stop", func(ctx context.Context, s *worker.Socket) (string, error) { return "stopped", nil })
	worker.OnAck0(io, "hello", func(ctx context.Context, s *worker.Socket) (string, error) { return "hi", nil })
	io.OnError(func(ctx context.Context, s *worker.Socket, event string, err error) {
		fmt.Printf("%s: %v\n", event, err)
	})

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	ada.asks(`["admin:stop"]`)
	ada.asks(`["hello"]`)
	// Unordered output:
	// admin:stop: not for you
	// Ada asks ["admin:stop"] and hears ["refused"]
	// Ada asks ["hello"] and hears ["hi"]
}

// When a socket goes, its rooms can still be read, and the others told.
func ExampleHandlers_OnDisconnecting() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		return errors.Join(s.Join(ctx, "kitchen"), s.Emit("ready"))
	})
	io.OnDisconnecting(func(ctx context.Context, s *worker.Socket, reason string) {
		rooms, err := s.Rooms(ctx) // the room of its own id among them
		if err == nil {
			err = io.To(rooms...).Emit("left", reason, len(rooms))
		}
		if err != nil {
			fmt.Println(err)
		}
	})
	io.OnDisconnect(func(ctx context.Context, s *worker.Socket, reason string) {
		fmt.Println("gone:", reason)
	})

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	ada.hears()
	ada.leaves("client namespace disconnect")
	cluster.emitted()
	_ = app.Stop(context.Background())
	// Unordered output:
	// Ada hears ["ready"]
	// to pb.room.-.kitchen: ["left","client namespace disconnect",2]
	// gone: client namespace disconnect
}

// Catch-all handlers see every event that comes in, and every emit of this worker that goes out.
func ExampleHandlers_OnAny() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.OnAny(func(ctx context.Context, s *worker.Socket, e *worker.Event) error {
		fmt.Printf("in: %s, %d arguments\n", e.Name, len(e.Args))
		return nil
	})
	io.PrependAny(func(ctx context.Context, s *worker.Socket, e *worker.Event) error {
		fmt.Println("before that")
		return nil
	})
	io.OnAnyOutgoing(func(to worker.Target, event string, args []any) {
		fmt.Printf("out: %s %v to %v\n", event, args, to)
	})
	worker.On0(io, "hello", func(ctx context.Context, s *worker.Socket) error { return io.To("lobby").Emit("news", 1) })

	cluster.run(app)
	cluster.client(app, "Ada", "/", "").send(`["hello",1,2]`)
	cluster.emitted()
	// Output:
	// before that
	// in: hello, 2 arguments
	// out: news [1] to / to lobby
	// to pb.room.-.lobby: ["news",1]
}

// A handler that is called once at most, and one that is removed.
func ExampleOnce() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		worker.On(worker.Once(s), "name", func(ctx context.Context, s *worker.Socket, name string) error {
			return s.Emit("hello", name)
		})
		var mute func()
		mute = worker.On(s, "say", func(ctx context.Context, s *worker.Socket, text string) error {
			if text == "quiet" {
				mute()
			}
			return s.Emit("said", text)
		})
		return nil
	})
	worker.On0(io, "end", func(ctx context.Context, s *worker.Socket) error { return s.Emit("end") })

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	for _, event := range []string{`["name","Ada"]`, `["name","Eve"]`, `["say","one"]`, `["say","quiet"]`, `["say","two"]`, `["end"]`} {
		ada.send(event)
	}
	for range 4 {
		ada.hears()
	}
	// Output:
	// Ada hears ["hello","Ada"]
	// Ada hears ["said","one"]
	// Ada hears ["said","quiet"]
	// Ada hears ["end"]
}

// A handler that panics loses its event; the socket, its other events and the worker go on.
func ExampleHandlers_OnError() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	worker.On(io, "divide", func(ctx context.Context, s *worker.Socket, by int) error { return s.Emit("result", 12/by) })
	io.OnError(func(ctx context.Context, s *worker.Socket, event string, err error) {
		var misfit *worker.ArgumentError
		if errors.As(err, &misfit) {
			fmt.Println(event, "with a bad argument")
			return
		}
		fmt.Println(event, err)
	})

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	ada.send(`["divide",0]`)
	ada.send(`["divide","four"]`)
	ada.send(`["divide",4]`)
	ada.hears()
	// Output:
	// divide worker: handler panicked: runtime error: integer divide by zero
	// divide with a bad argument
	// Ada hears ["result",3]
}

// A handler's context ends when its client is gone: nobody waits for the result any more.
func ExampleSocket_Context() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	worker.On0(io, "search", func(ctx context.Context, s *worker.Socket) error {
		if err := s.Emit("searching"); err != nil {
			return err
		}
		<-ctx.Done() // a query that is given ctx
		fmt.Println(context.Cause(ctx))
		return nil
	})
	io.OnDisconnect(func(ctx context.Context, s *worker.Socket, reason string) {
		fmt.Println("gone:", reason, ctx.Err())
	})

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	ada.send(`["search"]`)
	ada.hears()
	ada.leaves("transport close")
	_ = app.Stop(context.Background())
	// Output:
	// Ada hears ["searching"]
	// worker: socket is disconnected
	// gone: transport close <nil>
}

// Namespaces that match a pattern have their handlers in common, and can be emitted to all at once.
func ExampleApp_Pattern() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	games, err := app.Pattern(`/game-\d+`)
	if err != nil {
		fmt.Println(err)
		return
	}
	games.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		return s.Emit("welcome", s.Namespace().Name())
	})

	cluster.run(app)
	cluster.client(app, "Ada", "/game-7", "").hears()
	cluster.client(app, "Bob", "/game-x", "")
	fmt.Println(games.Emit("pause", "all games"), games.Child("/game-7").Emit("pause", "this game"))
	cluster.emitted()
	// Output:
	// Ada hears ["welcome","/game-7"]
	// Bob is refused: Invalid namespace
	// <nil> <nil>
	// to pb.nsp.game-7: ["pause","this game"]
}

// A function decides which of the namespaces that match exist, for whom.
func ExampleApp_PatternFunc() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	tenants, err := app.PatternFunc(`/[a-z]+`, func(ctx context.Context, name string, h *worker.Handshake) bool {
		var auth struct{ Tenant string }
		return h.Auth(&auth) == nil && name == "/"+auth.Tenant
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tenants.OnConnect(func(ctx context.Context, s *worker.Socket) error { return s.Emit("welcome") })

	cluster.run(app)
	cluster.client(app, "Ada", "/acme", `{"tenant":"acme"}`).hears()
	cluster.client(app, "Bob", "/acme", `{"tenant":"globex"}`)
	// Output:
	// Ada hears ["welcome"]
	// Bob is refused: Invalid namespace
}
