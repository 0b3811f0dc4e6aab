package worker_test

import (
	"context"
	"errors"
	"fmt"

	"patchbay/backplane"
	"patchbay/worker"
)

// userFromAuth is middleware that takes a client's auth payload for its user. A real application checks it.
func userFromAuth(ctx context.Context, s *worker.Socket) error {
	var user string
	return errors.Join(s.Handshake().Auth(&user), s.SetUser(ctx, user))
}

// All sockets of a user are reached as one, and the user is counted once.
func ExampleSocket_SetUser() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.Use(func(ctx context.Context, s *worker.Socket) error {
		var user string
		return errors.Join(s.Handshake().Auth(&user), s.SetUser(ctx, user))
	})

	cluster.run(app)
	for _, user := range []string{`"ada"`, `"ada"`, `"bob"`, `""`} {
		cluster.client(app, "a client", "/", user)
	}
	ctx := context.Background()
	heads, err := io.All().Headcount(ctx)
	fmt.Println(heads.Users, "users,", heads.Anonymous, "without a user,", heads.Sockets, "sockets", err)
	for user, err := range io.All().Users(ctx) {
		fmt.Println(user.ID, user.Sockets, err)
	}
	fmt.Println(io.User("ada").Emit("news", "for Ada, wherever she is"))
	cluster.emitted()
	// Output:
	// 2 users, 1 without a user, 4 sockets <nil>
	// ada 2 <nil>
	// bob 1 <nil>
	// <nil>
	// to pb.room.-.user=ada: ["news","for Ada, wherever she is"]
}

// Sockets anywhere, however many: pages are asked for as the loop goes on.
func ExampleTarget_Fetch() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.Use(userFromAuth)

	cluster.run(app)
	cluster.client(app, "Ada", "/", `"ada"`)
	ctx := context.Background()
	for s, err := range io.All().Fetch(ctx) {
		if errors.Is(err, worker.ErrIncomplete) { // a gateway is silent: these were the others
			break
		}
		if err != nil {
			return
		}
		handshake, err := s.Handshake(ctx) // asks the socket's gateway
		fmt.Println(s.User, s.Node, len(s.Rooms), string(s.Data()), handshake.Address, err)
	}
	// Output:
	// ada g1 2 {} 10.0.0.1 <nil>
}

// Whole rooms join, leave and are disconnected. When the call returns, it holds for all.
func ExampleTarget_Join() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()

	io := app.Namespace("/")
	io.OnConnect(func(ctx context.Context, s *worker.Socket) error {
		return errors.Join(s.Join(ctx, "waiting"), s.Emit("ready"))
	})

	cluster.run(app)
	ada, bob := cluster.client(app, "Ada", "/", ""), cluster.client(app, "Bob", "/", "")
	ada.hears()
	bob.hears()
	ctx := context.Background()
	err := errors.Join(
		io.To("waiting").Except(bob.id).Join(ctx, "playing"),
		io.To("playing").Leave(ctx, "waiting"),
		io.To("waiting").Disconnect(ctx, false),
	)
	var incomplete *worker.IncompleteError
	if errors.As(err, &incomplete) {
		fmt.Println("not done by", incomplete.Missing)
	}
	playing, _ := io.Count(ctx, "playing")
	waiting, _ := io.Count(ctx, "waiting")
	fmt.Println(playing, waiting, err)
	// Output:
	// Ada hears ["ready"]
	// Bob hears ["ready"]
	// 1 0 <nil>
}

// One socket by its id, from a worker that is not its home.
func ExampleNamespace_Socket() {
	cluster := newExampleCluster()
	defer cluster.stop()
	home, other := cluster.worker(), cluster.worker()
	home.Namespace("/")
	io := other.Namespace("/")

	cluster.run(home)
	if err := other.Start(context.Background()); err != nil {
		return
	}
	cluster.Cleanup(func() { _ = other.Stop(context.Background()) })
	ada := cluster.client(home, "Ada", "/", "")
	ada.answering(func(backplane.Payload) *backplane.Msg { return &backplane.Msg{Data: []byte(`["tea"]`)} })

	ctx := context.Background()
	s := io.Socket(ada.id) // an id that came from wherever
	fmt.Println(s.Join(ctx, "kitchen"), s.Set(ctx, "likes", "cake"), s.SetUser(ctx, "ada"))
	info, err := s.Info(ctx)
	fmt.Println(len(info.Rooms), info.User, string(info.Data()), err)
	drink, err := worker.Ask[string](ctx, s, "tea or coffee?")
	fmt.Println(drink, err)
	fmt.Println(s.Disconnect(ctx, true))
	_, err = s.Info(ctx)
	fmt.Println(errors.Is(err, worker.ErrDisconnected))
	// Output:
	// <nil> <nil> <nil>
	// 3 ada {"likes":"cake"} <nil>
	// tea <nil>
	// <nil>
	// true
}

// Workers ask each other, and tell each other.
func ExampleNamespace_AskPeers() {
	cluster := newExampleCluster()
	defer cluster.stop()
	asker, other := cluster.worker(), cluster.worker()
	told := make(chan string, 1)
	for _, app := range []*worker.App{asker, other} {
		io := app.Namespace("/")
		io.OnPeer("how many?", func(_ context.Context, e *worker.Event) error { return e.Ack(42) })
		io.OnPeer("reload", func(_ context.Context, e *worker.Event) error {
			var what string
			err := e.Args.Decode(&what)
			told <- what
			return err
		})
	}

	cluster.run(asker)
	if err := other.Start(context.Background()); err != nil {
		return
	}
	cluster.Cleanup(func() { _ = other.Stop(context.Background()) })
	cluster.gateway.knows(asker, other)

	io := asker.Namespace("/")
	answers, err := io.AskPeers(context.Background(), "how many?")
	for _, answer := range answers {
		var n int
		fmt.Println(answer.From == other.ID(), answer.Err, answer.Args.Decode(&n), n)
	}
	fmt.Println(len(answers), err)
	fmt.Println(io.EmitPeers("reload", "prices"))
	fmt.Println(<-told)
	// Output:
	// true <nil> <nil> 42
	// 1 <nil>
	// <nil>
	// prices
}

// A cron job, or another service: it emits, and has no sockets of its own.
func ExampleOpenEmitter() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()
	app.Namespace("/").Use(userFromAuth)
	cluster.run(app)
	cluster.client(app, "Ada", "/", `"ada"`)

	ctx := context.Background()
	emitter, err := worker.OpenEmitter(ctx, worker.EmitterOptions{Options: worker.Options{Backplane: backplane.Options{Server: cluster.server}}})
	if err != nil {
		return
	}
	fmt.Println(emitter.User("ada").Join(ctx, "customers"))
	fmt.Println(emitter.To("customers").Emit("price", 12))
	n, err := emitter.To("customers").Count(ctx)
	fmt.Println(n, err)
	fmt.Println(emitter.Close(ctx))
	cluster.emitted()
	// Output:
	// <nil>
	// <nil>
	// 1 <nil>
	// <nil>
	// to pb.room.-.customers: ["price",12]
}

// Who comes to a room and who leaves it, wherever in the cluster. An application does this in [worker.App.OnStart].
func ExampleNamespace_Watch() {
	cluster := newExampleCluster()
	defer cluster.stop()
	app := cluster.worker()
	io := app.Namespace("/")
	io.Use(userFromAuth)
	cluster.run(app)
	ada := cluster.client(app, "Ada", "/", `"ada"`)
	ctx := context.Background()
	if err := io.All().Join(ctx, "lobby"); err != nil {
		return
	}

	watch, err := io.Watch(ctx, "lobby")
	if err != nil {
		return
	}
	defer watch.Close()
	changes := 0
	for c := range watch.Changes(ctx) {
		fmt.Println(c.User, "joined:", c.Joined, "initial:", c.Initial, "first of user:", c.FirstOfUser, "last:", c.LastOfUser, "users:", c.Users, "sockets:", c.Sockets)
		switch changes++; changes {
		case 1: // another tab of the same person
			second := cluster.client(app, "Ada again", "/", `"ada"`)
			_ = io.Socket(second.id).Join(ctx, "lobby")
		case 2:
			_ = io.Socket(ada.id).Leave(ctx, "lobby")
		case 3:
			_ = io.To("lobby").Disconnect(ctx, false)
		}
		if changes == 4 {
			break
		}
	}
	// Output:
	// ada joined: true initial: true first of user: true last: false users: 1 sockets: 1
	// ada joined: true initial: false first of user: false last: false users: 1 sockets: 2
	// ada joined: false initial: false first of user: false last: false users: 1 sockets: 1
	// ada joined: false initial: false first of user: false last: true users: 0 sockets: 0
}
