package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/worker"
)

// The size of TestJoinThenEmit, and the least that the slow route adds to each join.
const (
	joins       = 10_000
	joinClients = 250
	slowRoute   = 20 * time.Millisecond
)

// elsewhere is a process that emits and serves nothing.
type elsewhere struct{ conn *backplane.Conn }

func (e elsewhere) emit(room string) error {
	return e.conn.Emit(&backplane.Emit{Payload: backplane.Payload{JSON: []byte(`["hit"]`)}}, "", e.conn.Room("/", room))
}

// TestJoinThenEmit has sockets join rooms that are new to their gateway, and another process emit to each as soon as the join has
// returned. The gateway, the sockets' worker and the other process talk to a NATS server each. What the gateway's server tells that of the other
// process comes late, so that its word of a new subscription always loses the race against the join's answer.
func TestJoinThenEmit(t *testing.T) {
	var slow *cluster.Link
	var other atomic.Pointer[elsewhere]
	c := cluster.Start(t, cluster.Shape{
		Servers: 3,
		At:      func(part string, _ int) int { return map[string]int{"gateway": 0, "worker": 1, "router": 2}[part] },
		Route: func(from, to int, address string) string {
			if from != 2 || to != 0 {
				return address
			}
			slow = newLink(t, address)
			return slow.Address()
		},
		Gateway: func(_ int, o *gateway.Options) { o.Engine.Recovery = -1 }, // so that events come without an offset
		App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
			w, err := worker.New(worker.Options{Backplane: o, Log: o.Log})
			if err != nil {
				return nil, err
			}
			worker.On(w.Namespace("/"), "join", func(ctx context.Context, s *worker.Socket, room string) error {
				if err := s.Join(ctx, room); err != nil {
					return err
				}
				return other.Load().emit(room)
			})
			return w, w.Start(ctx)
		},
	})
	conn, err := backplane.Open(t.Context(), backplane.Options{URL: c.Servers[2].URL()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	other.Store(&elsewhere{conn})

	hits := make(chan struct{}, joins)
	clients := make([]*player, joinClients)
	for i := range clients {
		clients[i] = dial(t, c.URL(0), func(packet string) {
			if packet == `2["hit"]` {
				hits <- struct{}{}
			}
		})
	}
	slow.Delay(slowRoute)
	var sending sync.WaitGroup
	for i, client := range clients {
		sending.Go(func() {
			for n := range joins / joinClients {
				client.emit(`["join","%d of %d"]`, n, i)
			}
		})
	}
	sending.Wait()
	hit := 0
	for quiet := time.NewTimer(patience); hit < joins; quiet.Reset(patience) {
		select {
		case <-hits:
			hit++
			continue
		case <-quiet.C:
		}
		t.Fatalf("of %d emits that followed a join, %d were missed", joins, joins-hit)
	}
}

// patience is for how long nothing may come before what is missing is taken for missed.
const patience = 10 * time.Second

// newLink opens a link that is stopped at the test's end.
func newLink(t testing.TB, target string) *cluster.Link {
	t.Helper()
	link, err := cluster.NewLink(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Stop)
	return link
}
