package worker_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// acks makes a client's answer: a text, sent at once.
func acks(text string) func(backplane.Payload) *backplane.Msg {
	return func(backplane.Payload) *backplane.Msg { return &backplane.Msg{Data: []byte(text)} }
}

// refuses makes a gateway's word that no answer will come.
func refuses(reason string) func(backplane.Payload) *backplane.Msg {
	return func(backplane.Payload) *backplane.Msg {
		return &backplane.Msg{Header: map[string][]string{backplane.HeaderError: {reason}}}
	}
}

// TestEmitAckToMany: one message asks everyone, and the answers come back, without waiting for any timeout.
func TestEmitAckToMany(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{AckTimeout: 1000 * patience}, func(app *worker.App) { app.Namespace("/") })
	io := app.Namespace("/")
	var ids []string
	for i := range 3 {
		c := g.dial(app, "/")
		c.answering(acks(`["` + number(i) + `",true]`))
		ids = append(ids, c.id)
	}
	left := g.dial(app, "/")
	left.answering(refuses("socket disconnected"))
	list, err := io.EmitAck(context.Background(), "q", []byte("x"))
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if !slices.IsSortedFunc(list, func(a, b worker.Response) int { return compare(a.From, b.From) }) {
		t.Error("not by id")
	}
	for _, r := range list {
		if want := `"` + number(slices.Index(ids, r.From)) + `"`; string(r.Args.At(0).JSON()) != want || len(r.Args) != 2 {
			t.Errorf("%s: %s, want %s", r.From, r.Args.At(0).JSON(), want)
		}
	}
	texts, err := worker.AskAll[string](context.Background(), io.Except(ids[1]), "q")
	if slices.Sort(texts); err != nil || !slices.Equal(texts, []string{"0", "2"}) {
		t.Errorf("%v, %v", texts, err)
	}
	var misfit *worker.ArgumentError
	if numbers, err := worker.AskAll[int](context.Background(), io.All(), "q"); len(numbers) != 0 || !errors.As(err, &misfit) {
		t.Errorf("%v, %v", numbers, err)
	}
	if list, err := io.To().EmitAck(context.Background(), "q"); err != nil || len(list) != 0 {
		t.Errorf("nobody: %v, %v", list, err)
	}
	if list, err := io.To("empty").EmitAck(context.Background(), "q"); err != nil || len(list) != 0 {
		t.Errorf("an empty room: %v, %v", list, err)
	}
}

// TestEmitAckPartly: who does not answer is named, and what came is returned.
func TestEmitAckPartly(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	app := start(t, server, worker.Options{AckTimeout: 1000 * patience}, func(app *worker.App) {
		worker.On0(app.Namespace("/"), "enough", func(ctxt, socket) error { cancel(); return nil })
	})
	io := app.Namespace("/")
	one, silent, owes := g.dial(app, "/"), g.dial(app, "/"), g.dial(app, "/")
	one.answering(acks(`[1]`))
	owes.answering(refuses("too many acknowledgements owed"))
	silent.answering(func(backplane.Payload) *backplane.Msg { return nil })
	check := func(list []worker.Response, err error, cause error) {
		t.Helper()
		var missing *worker.AckError
		if len(list) != 1 || list[0].From != one.id || !errors.As(err, &missing) {
			t.Fatalf("%+v, %v", list, err)
		}
		want := []string{silent.id, owes.id}
		if slices.Sort(want); !slices.Equal(missing.Sockets, want) || len(missing.Nodes) != 0 {
			t.Errorf("missing %v on %v, want %v", missing.Sockets, missing.Nodes, want)
		}
		if !errors.Is(err, cause) || !errors.Is(err, worker.ErrAckRefused) {
			t.Errorf("%v, want %v", err, cause)
		}
	}
	list, err := io.To("a").Timeout(1).EmitAck(ctx, "too soon")
	if len(list) != 0 || !errors.Is(err, worker.ErrAckTimeout) {
		t.Errorf("%v, %v", list, err)
	}
	// The caller's patience ends when all that will come has come: what follows it from the gateway says so.
	go func() {
		<-g.polled
		one.send(`["enough"]`)
	}()
	list, err = io.EmitAck(ctx, "q")
	check(list, err, context.Canceled)
}

// TestEmitAckLostGateway: a gateway that dies is not waited for, nor are its sockets; one that has not said whom it asked is named.
func TestEmitAckLostGateway(t *testing.T) {
	server := startServer(t)
	g1, g2 := newGateway(t, server, "g1"), newGateway(t, server, "g2")
	g2.mu.Lock()
	g2.mute = true
	g2.mu.Unlock()
	g1.mu.Lock()
	g1.others = []backplane.NodeInfo{{ID: "g2", Sockets: 1}}
	g1.mu.Unlock()
	app := start(t, server, worker.Options{AckTimeout: 1000 * patience}, func(app *worker.App) { app.Namespace("/") })
	io := app.Namespace("/")
	a, b := g1.dial(app, "/"), g2.dial(app, "/")
	a.answering(acks(`["a"]`))
	asked := make(chan struct{}, 1)
	b.answering(func(backplane.Payload) *backplane.Msg { asked <- struct{}{}; return nil })
	type result struct {
		list []worker.Response
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		list, err := io.EmitAck(context.Background(), "q")
		ended <- result{list, err}
	}()
	receive(t, asked, "the question at g2")
	select {
	case r := <-ended:
		t.Fatalf("nobody waited for g2: %+v, %v", r.list, r.err)
	default:
	}
	g1.publish(g1.conn.Lost(), "", g1.encode(backplane.Lost{Node: "g2", Epoch: 7}))
	if r := receive(t, ended, "the end"); r.err != nil || len(r.list) != 1 || r.list[0].From != a.id {
		t.Errorf("%+v, %v", r.list, r.err)
	}
	// Of a gateway that says nothing at all the caller learns.
	_, err := io.Local("g3").Timeout(1).EmitAck(context.Background(), "q")
	var missing *worker.AckError
	if err != nil && (!errors.As(err, &missing) || !slices.Equal(missing.Nodes, []string{"g3"})) {
		t.Errorf("%v", err)
	}
}
