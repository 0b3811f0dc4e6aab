package worker_test

import (
	"context"
	"errors"
	"testing"

	"patchbay/worker"
)

// TestPatternFunc: a function decides which of the namespaces that match exist; what one pattern does not take is left to the next.
func TestPatternFunc(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		tenant, err := app.PatternFunc(`/[a-z]+`, func(_ ctxt, name string, h *worker.Handshake) bool {
			var auth struct{ Tenant string }
			if name == "/panic" {
				panic("oh no")
			}
			return h.Auth(&auth) == nil && "/"+auth.Tenant == name
		})
		if err != nil {
			t.Fatal(err)
		}
		tenant.OnConnect(func(_ ctxt, s socket) error { return s.Emit("tenant", s.Namespace().Name()) })
		guests, err := app.Pattern(`/g.*`)
		if err != nil {
			t.Fatal(err)
		}
		guests.OnConnect(func(_ ctxt, s socket) error { return s.Emit("guest", s.Namespace().Name()) })
		app.Namespace("/exact").OnConnect(func(_ ctxt, s socket) error { return s.Emit("exact") })
		if _, err := app.PatternFunc(`(`, nil); err == nil {
			t.Error("a bad pattern was taken")
		}
	})
	for _, c := range []struct{ nsp, auth, want string }{
		{"/acme", `{"tenant":"acme"}`, `["tenant","/acme"]`},
		{"/acme", `{"tenant":"other"}`, "Invalid namespace"},
		{"/acme2", `{"tenant":"acme2"}`, "Invalid namespace"},
		{"/globex", ``, `["guest","/globex"]`},
		{"/globex", `{"tenant":"globex"}`, `["tenant","/globex"]`},
		{"/exact", ``, `["exact"]`},
		{"/panic", ``, "server error"},
	} {
		client := g.newClient(c.nsp)
		answer := client.connect(app, c.auth)
		if answer.Error != nil {
			if answer.Error.Message != c.want {
				t.Errorf("%s %s: %s", c.nsp, c.auth, answer.Error.Message)
			}
			continue
		}
		client.expect(c.want)
	}
}

// TestParent: an emit to all namespaces of a pattern is one message that names the pattern, and nothing else can be asked of them.
func TestParent(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	if _, err := g.inbox.Subscribe(g.conn.Matching()); err != nil {
		t.Fatal(err)
	}
	if err := g.conn.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var parent *worker.Parent
	start(t, server, worker.Options{}, func(app *worker.App) {
		var err error
		if parent, err = app.Pattern(`/dynamic-\d+`); err != nil {
			t.Fatal(err)
		}
	})
	err := errors.Join(parent.Emit("all"), parent.To("b", "a").Except("c").Emit("some"), parent.Volatile().Emit("perhaps"), parent.Except("x").Send(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`["all"]`, `["some"]`, `["perhaps"]`, `["message",1]`} {
		e := receive(t, g.emits, want)
		if string(e.JSON) != want || e.Match != `^(?:/dynamic-\d+)$` || e.Volatile != (want == `["perhaps"]`) {
			t.Errorf("%+v", e)
		}
		if want == `["some"]` && (len(e.Rooms) != 2 || len(e.Except) != 1) {
			t.Errorf("%+v", e)
		}
	}
	if got := parent.To("a").String(); got != `^(?:/dynamic-\d+)$ to a` {
		t.Error(got)
	}
	ctx := context.Background()
	_, ack := parent.All().EmitAck(ctx, "x")
	_, count := parent.All().Count(ctx)
	for _, err := range []error{ack, count, parent.To("a").Join(ctx, "b"), parent.All().Disconnect(ctx, false)} {
		if !errors.Is(err, worker.ErrParent) {
			t.Errorf("got %v", err)
		}
	}
	if child := parent.Child("/dynamic-7"); child == nil || child.Name() != "/dynamic-7" || parent.Child("/dynamic-x") != nil {
		t.Errorf("%v", child)
	}
}
