package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"patchbay/backplane"
)

// What is emitted is shown, from the moment that tap says so on.
func TestTap(t *testing.T) {
	nats, err := backplane.StartServer(backplane.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Stop()
	conn, err := backplane.Open(t.Context(), backplane.Options{Server: nats})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	id := backplane.NewSocketID("g1", 0)
	for _, c := range []struct {
		command tapCommand
		subject string
		want    string
	}{
		{tapCommand{Namespace: "/", Room: "lobby"}, conn.Room("/", "lobby"), `→ room / lobby  ["news",1]`},
		{tapCommand{Namespace: "/chat"}, conn.Namespace("/chat"), `→ namespace /chat  ["news",1]`},
		{tapCommand{Socket: id}, conn.SocketEmit(id), `→ socket ` + id + `  ["news",1]`},
		{tapCommand{Socket: id, Redact: true}, conn.Worker("w1", "event", id), `← event of ` + id + `  ["news","‹number›"]`},
	} {
		core, logs := observer.New(zap.InfoLevel)
		var out bytes.Buffer
		c.command.Backplane.Server, c.command.Count, c.command.out = nats, 1, &out
		done := make(chan error, 1)
		go func() { done <- c.command.Run(t.Context(), zap.New(core)) }()
		for logs.FilterMessage("listening").Len() == 0 {
			if err := conn.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Publish(c.subject, []byte(`["news",1]`)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil || !strings.HasSuffix(out.String(), c.want+"\n") {
			t.Errorf("%v: %q, want %q", err, out.String(), c.want)
		}
	}
	bad := tapCommand{Socket: "nobody"}
	bad.Backplane.Server = nats
	if err := bad.Run(t.Context(), zap.NewNop()); !errors.Is(err, errSocketID) {
		t.Errorf("a socket that is none: %v", err)
	}
}
