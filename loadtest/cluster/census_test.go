package cluster_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/router"
	"patchbay/worker"
)

// lateness is for how long what is lost may be unnoticed: a worker takes its time before it asks, and asks twice.
const lateness = 6 * patience

// gapped is a cluster with a worker, or a gateway, whose link to NATS can be cut, and what the worker's handlers say.
type gapped struct {
	*cluster.Cluster
	link      *cluster.Link
	connected chan string // ids and workers
	gone      chan string // ids and reasons
	ended     chan string // ids and workers, of sockets whose contexts have ended
	onlooker  *worker.Emitter
	metrics   *prometheus.Registry // of a gateway with a link
}

// gap starts one, with the link at the first of a part.
func gap(t *testing.T, part string, workers int) *gapped {
	g := &gapped{connected: make(chan string, 10), gone: make(chan string, 10), ended: make(chan string, 10), metrics: prometheus.NewRegistry()}
	through := func(o *backplane.Options) {
		g.link = newLink(t, strings.TrimPrefix(o.URL, "nats://"))
		o.URL = "nats://" + g.link.Address()
	}
	g.Cluster = cluster.Start(t, cluster.Shape{
		Workers: workers, Gateways: 2,
		Gateway: func(_ int, o *gateway.Options) {
			if part == "gateway" && g.link == nil {
				o.Metrics = g.metrics
				through(&o.Backplane)
			}
		},
		Router: func(_ int, o *router.Options) { o.Lease = time.Minute }, // so that no worker is taken for dead on a busy machine
		App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
			if part == "worker" && g.link == nil {
				through(&o)
			}
			w, err := worker.New(worker.Options{Backplane: o, Log: o.Log})
			if err != nil {
				return nil, err
			}
			io := w.Namespace("/")
			io.OnConnect(func(_ context.Context, s *worker.Socket) error {
				s.Go(func(ctx context.Context) {
					<-ctx.Done()
					g.ended <- s.ID() + " " + o.Name
				})
				g.connected <- s.ID() + " " + o.Name
				return nil
			})
			io.OnDisconnect(func(_ context.Context, s *worker.Socket, reason string) { g.gone <- s.ID() + " " + reason })
			return w, w.Start(ctx)
		},
	})
	var err error
	if g.onlooker, err = worker.OpenEmitter(t.Context(), worker.EmitterOptions{
		Options: worker.Options{Backplane: backplane.Options{URL: g.Servers[0].URL()}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.onlooker.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g
}

// joins connects a client to a gateway, and returns its socket's id and worker.
func (g *gapped) joins(t *testing.T, gateway int) (p *player, id, worker string) {
	t.Helper()
	p = dial(t, g.URL(gateway), func(string) {})
	id, worker, _ = strings.Cut(g.await(t, g.connected), " ")
	return p, id, worker
}

func (g *gapped) await(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case text := <-c:
		return text
	case <-time.After(lateness):
		t.Fatal("a handler does not run")
		return ""
	}
}

// until waits until the routers know of so many sockets.
func (g *gapped) until(t *testing.T, sockets int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), lateness)
	defer cancel()
	for {
		n, err := g.onlooker.All().Count(ctx)
		if err == nil && n == sockets {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(errors.Join(ctx.Err(), err))
		}
	}
}

// has waits until the gateway has so many sockets.
func (g *gapped) has(t *testing.T, sockets float64) {
	t.Helper()
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for late := time.After(lateness); ; {
		families, err := g.metrics.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "patchbay_gateway_sockets" && f.GetMetric()[0].GetGauge().GetValue() == sockets {
				return
			}
		}
		select {
		case <-pace.C:
		case <-late:
			t.Fatal("the gateway does not notice")
		}
	}
}

// TestDisconnectedInAGap: while a worker has no link to NATS a client leaves, and a gateway ends with another client, and the word of both is lost. Their
// disconnection handlers run once all the same, when the worker is back, and that of a client which has stayed does not.
func TestDisconnectedInAGap(t *testing.T) {
	g := gap(t, "worker", 1)
	stays, other, _ := g.joins(t, 0)
	leaves, id, _ := g.joins(t, 0)
	_, ends, _ := g.joins(t, 1)
	g.link.Cut()
	_ = leaves.conn.Close()
	if err := g.StopPart(g.Gateways[1]); err != nil {
		t.Fatal(err)
	}
	g.until(t, 1) // the gateways have said it: routers hear of it behind the worker
	g.link.Heal()
	want := map[string]bool{id + " transport close": true, ends + " transport close": true}
	for range 2 {
		if got := g.await(t, g.gone); !want[got] {
			t.Errorf("got %q, want one of %v", got, want)
		} else {
			delete(want, got)
		}
	}
	_ = stays.conn.Close()
	if got := g.await(t, g.gone); got != other+" transport close" {
		t.Errorf("got %q", got)
	}
}

// TestDisconnectedWithALink: a gateway's link to NATS ends, and the word of a disconnection with it. The worker, whose own link is whole, ends the socket.
func TestDisconnectedWithALink(t *testing.T) {
	g := gap(t, "gateway", 1)
	stays, other, _ := g.joins(t, 0)
	leaves, id, _ := g.joins(t, 0)
	g.link.Stall() // so that the word is in the link when it ends
	_ = leaves.conn.Close()
	g.has(t, 1)
	g.link.Cut()
	g.link.Heal()
	if got := g.await(t, g.gone); got != id+" transport close" {
		t.Errorf("got %q", got)
	}
	_ = stays.conn.Close()
	if got := g.await(t, g.gone); got != other+" transport close" {
		t.Errorf("got %q", got)
	}
}

// TestRehomedInAGap: a worker has no link to NATS for so long that another gets its sockets, and the word of that is lost. It lets go of them, and they
// have not disconnected.
func TestRehomedInAGap(t *testing.T) {
	g := gap(t, "worker", 2)
	var p *player
	var id, at string
	for at != "worker0" {
		p, id, at = g.joins(t, 0)
	}
	g.link.Cut()
	p.emit(`["anything"]`) // so that its gateway notices
	if got := g.await(t, g.connected); got != id+" worker1" {
		t.Fatalf("got %q", got)
	}
	g.link.Heal()
	if got := g.await(t, g.ended); got != id+" worker0" {
		t.Errorf("got %q", got)
	}
	_ = p.conn.Close()
	if got := g.await(t, g.gone); got != id+" transport close" {
		t.Errorf("got %q", got)
	}
	if got := g.await(t, g.ended); got != id+" worker1" {
		t.Errorf("got %q", got)
	}
}
