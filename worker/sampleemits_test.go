package worker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"patchbay/backplane"
	"patchbay/worker"
)

// Whom an emit is for: everyone, rooms, all but some, one gateway's sockets, one socket.
func ExampleTarget() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		return errors.Join(
			io.Emit("news", "to everyone"),
			io.To("red", "blue").Emit("news", "to two rooms, once to who is in both"),
			io.Except("blue").Emit("news", "to everyone but a room"),
			s.Broadcast().Emit("news", "to everyone but the sender"),
			s.To("red").Emit("news", "to a room but the sender"),
			io.Local(s.Node()).Emit("news", "to the sockets of one gateway"),
			io.To("red").Volatile().Emit("position", 1, 2), // dropped for who is not ready
			io.To("red").Compress(false).Emit("photo", []byte{1, 2, 3}),
			io.To("red").Send("hi"),
			s.Emit("news", "to the sender"),
		)
	})

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	for range 10 {
		cluster.emitted()
	}
	ada.hears()
	// Output:
	// to pb.nsp.-: ["news","to everyone"]
	// to pb.room.-.blue: ["news","to two rooms, once to who is in both"]
	// to pb.room.-.red: ["news","to two rooms, once to who is in both"]
	// to pb.nsp.-: ["news","to everyone but a room"]
	// to pb.nsp.-: ["news","to everyone but the sender"]
	// to pb.room.-.red: ["news","to a room but the sender"]
	// to pb.gateway.g1.emit: ["news","to the sockets of one gateway"]
	// to pb.room.-.red: ["position",1,2]
	// to pb.room.-.red: ["photo",{"_placeholder":true,"num":0}]
	// to pb.room.-.red: ["message","hi"]
	// Ada hears ["news","to the sender"]
}

// One client's acknowledgement, and a client that does not give any.
func ExampleSocket_Timeout() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		name, err := worker.Ask[string](ctx, s, "who are you?")
		fmt.Println(name, err)
		_, err = s.Timeout(10*time.Millisecond).EmitAck(ctx, "and why?")
		fmt.Println(errors.Is(err, worker.ErrAckTimeout))
		return s.Emit("end")
	})

	cluster.run(app)
	ada := &exampleClient{cluster.gateway.newClient("/"), "Ada"}
	ada.answering(func(p backplane.Payload) *backplane.Msg {
		if string(p.JSON) == `["who are you?"]` {
			return &backplane.Msg{Data: []byte(`["Ada"]`)}
		}
		return nil
	})
	ada.connect(app, "")
	for range 3 {
		ada.hears()
	}
	// Unordered output:
	// Ada <nil>
	// true
	// Ada hears ["who are you?"]
	// Ada hears ["and why?"]
	// Ada hears ["end"]
}

// The acknowledgements of a whole room: those that came, and who is missing.
func ExampleTarget_EmitAck() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()
	io := app.Namespace("/")

	cluster.run(app)
	votes := []string{`["yes"]`, `["no"]`, ``} // the third says nothing
	for _, vote := range votes {
		cluster.client(app, "a client", "/", "").answering(func(backplane.Payload) *backplane.Msg {
			if vote == "" {
				return nil
			}
			return &backplane.Msg{Data: []byte(vote)}
		})
	}

	ctx := context.Background()
	answers, err := io.Timeout(500*time.Millisecond).EmitAck(ctx, "vote", "coffee?")
	var missing *worker.AckError
	if errors.As(err, &missing) {
		fmt.Println(len(missing.Sockets), "did not answer:", errors.Is(err, worker.ErrAckTimeout))
	}
	yes := 0
	for _, answer := range answers { // by socket id: answer.From
		var text string
		if err := answer.Args.Decode(&text); err == nil && text == "yes" {
			yes++
		}
	}
	fmt.Println(yes, "of", len(answers), "say yes")
	// Output:
	// 1 did not answer: true
	// 1 of 2 say yes
}

// The same for answers of one argument.
func ExampleAskAll() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()
	io := app.Namespace("/")

	cluster.run(app)
	for _, age := range []string{`[30]`, `[12]`} {
		cluster.client(app, "a client", "/", "").answering(acks(age))
	}

	ages, err := worker.AskAll[int](context.Background(), io.All(), "age?")
	fmt.Println(len(ages), ages[0]+ages[1], err)
	// Output:
	// 2 42 <nil>
}

// Binary data stands anywhere in arguments, both ways, acknowledgements included.
func ExampleArg() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	type photo struct {
		Title string
		Data  []byte
	}
	io := app.Namespace("/")
	worker.OnAck(io, "upload", func(ctx context.Context, s *worker.Socket, p photo) (any, error) {
		fmt.Printf("%s: %d bytes\n", p.Title, len(p.Data))
		return map[string]any{"thumbnail": p.Data[:2]}, nil
	})
	worker.On(io, "forward", func(ctx context.Context, s *worker.Socket, any worker.Arg) error {
		return io.To("lobby").Emit("forwarded", any) // as it came, without looking into it
	})

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	answer := ada.ask(`["upload",{"Title":"sea","Data":{"_placeholder":true,"num":0}}]`, []byte("sea and sky"))
	fmt.Printf("%s %q\n", answer.JSON, answer.Attachments)
	ada.send(`["forward",{"deep":[{"_placeholder":true,"num":0}]}]`, []byte("x"))
	cluster.emitted()
	// Output:
	// sea: 11 bytes
	// [{"thumbnail":{"_placeholder":true,"num":0}}] ["se"]
	// to pb.room.-.lobby: ["forwarded",{"deep":[{"_placeholder":true,"num":0}]}]
}

// Work beside the socket's events: a slow answer holds up nothing.
func ExampleSocket_Go() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	next := make(chan struct{})
	worker.On0(io, "report", func(ctx context.Context, s *worker.Socket) error {
		s.Go(func(ctx context.Context) { // ends with the socket
			<-next
			_ = s.Emit("report", "done")
		})
		return nil
	})
	worker.OnAck0(io, "ping", func(ctx context.Context, s *worker.Socket) (string, error) { return "pong", nil })

	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", "")
	ada.send(`["report"]`)
	ada.asks(`["ping"]`)
	close(next)
	ada.hears()
	// Output:
	// Ada asks ["ping"] and hears ["pong"]
	// Ada hears ["report","done"]
}
