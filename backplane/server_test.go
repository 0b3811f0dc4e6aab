package backplane

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// routed starts a server of a cluster that asks for a password.
func routed(t *testing.T, password string, log *zap.Logger, to ...*Server) *Server {
	t.Helper()
	o := ServerOptions{Listen: "127.0.0.1:0", Cluster: "127.0.0.1:0", RoutePassword: password, RequireUsers: true, Log: log}
	for _, s := range to {
		o.Routes = append(o.Routes, "nats://"+s.ClusterAddress())
	}
	s, err := StartServer(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(serverLook)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// A server that does not know the password of a cluster is not let into it; one that does is.
func TestRoutePassword(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	first := routed(t, "right", zap.New(core))
	stranger := routed(t, "wrong", nil, first)
	eventually(t, "the stranger is refused", func() bool {
		for _, entry := range logs.All() {
			if strings.Contains(entry.Message, "authentication error") {
				return true
			}
		}
		return false
	})
	friend := routed(t, "right", nil, first)
	if !friend.Join(t.Context()) || first.Routes() != 1 || stranger.Routes() != 0 {
		t.Errorf("linked to others: the first to %d, the stranger to %d", first.Routes(), stranger.Routes())
	}
	ended, cancel := context.WithCancel(t.Context())
	if cancel(); stranger.Join(ended) {
		t.Error("the stranger has joined")
	}
}

// A server that retires sends its clients to the others; one without others, or without the time, just ends.
func TestRetire(t *testing.T) {
	first := routed(t, "right", nil)
	second := routed(t, "right", nil, first)
	if !second.Join(t.Context()) {
		t.Fatal("not linked")
	}
	c := reach(t, second)
	eventually(t, "the client knows both servers", func() bool { return len(c.nc.Servers()) == 2 })
	second.Retire(t.Context())
	if !second.Ended() {
		t.Error("it has not ended")
	}
	eventually(t, "the client is at the other one", func() bool { return first.Clients() == 1 && c.Connected() })
	first.Retire(t.Context())
	if !first.Ended() {
		t.Error("the last one has not ended")
	}
}

func TestRetireInNoTime(t *testing.T) {
	first := routed(t, "right", nil)
	second := routed(t, "right", nil, first)
	if !second.Join(t.Context()) {
		t.Fatal("not linked")
	}
	reach(t, second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second.Retire(ctx)
	if !second.Ended() {
		t.Error("it has not ended")
	}
}

// Whoever is told of a server's end finds that it has ended, and need not wait for anything.
func TestEndedWhenTold(t *testing.T) {
	var server atomic.Pointer[Server]
	told := make(chan bool, 1)
	s, err := StartServer(ServerOptions{Ended: func() { told <- server.Load().Ended() }})
	if err != nil {
		t.Fatal(err)
	}
	server.Store(s)
	s.Stop()
	if !<-told {
		t.Error("its end was told before it had ended")
	}
}

// What other machines may reach wants users, and a password between servers.
func TestExposed(t *testing.T) {
	for _, c := range []struct {
		o    ServerOptions
		open bool
	}{
		{ServerOptions{}, false},
		{ServerOptions{Listen: "127.0.0.1:0", Cluster: "[::1]:0"}, false},
		{ServerOptions{Listen: "localhost:0"}, false},
		{ServerOptions{Listen: ":0"}, true},
		{ServerOptions{Listen: "10.0.0.1:4222"}, true},
		{ServerOptions{Listen: "nats.example:4222"}, true},
		{ServerOptions{Listen: "127.0.0.1:0", Cluster: "0.0.0.0:0"}, true},
		{ServerOptions{Listen: "127.0.0.1:0", Cluster: "0.0.0.0:0", RoutePassword: "secret"}, false},
	} {
		settings, err := c.o.settings()
		if err != nil {
			t.Fatal(err)
		}
		if err := exposed(settings); errors.Is(err, ErrServerOpen) != c.open {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	t.Setenv("PATCHBAY_NATS_GATEWAY_PASSWORD", "a")
	for _, role := range []string{"ROUTER", "WORKER", "EMITTER", "ADMIN", "OPERATOR"} {
		t.Setenv("PATCHBAY_NATS_"+role+"_PASSWORD", "a")
	}
	settings, err := (&ServerOptions{Config: "../deploy/nats/server.conf", Listen: "0.0.0.0:0"}).settings()
	if err != nil {
		t.Fatal(err)
	}
	if err := exposed(settings); err != nil {
		t.Errorf("a server with users: %v", err)
	}
}
