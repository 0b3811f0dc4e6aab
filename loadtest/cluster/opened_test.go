package cluster_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/loadtest/cluster"
	"patchbay/worker"
)

// TestOpenedInAGap: a worker loses its link to NATS, and with it a gateway's word that a socket is open. The socket's connection handler runs all the same,
// though its client says nothing.
func TestOpenedInAGap(t *testing.T) {
	var link *cluster.Link
	connected := make(chan struct{}, 1)
	c := cluster.Start(t, cluster.Shape{App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
		link = newLink(t, strings.TrimPrefix(o.URL, "nats://"))
		o.URL = "nats://" + link.Address()
		w, err := worker.New(worker.Options{Backplane: o, Log: o.Log})
		if err != nil {
			return nil, err
		}
		w.Namespace("/").OnConnect(func(context.Context, *worker.Socket) error { connected <- struct{}{}; return nil })
		return w, w.Start(ctx)
	}})
	link.Delay(500 * time.Millisecond) // so that the word is in the link when the client knows
	dial(t, c.URL(0), func(string) {})
	link.Cut()
	link.Heal()
	select {
	case <-connected:
	case <-time.After(patience):
		t.Fatal("the connection handler does not run")
	}
}
