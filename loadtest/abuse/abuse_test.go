package abuse_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"patchbay/backplane"
	"patchbay/examples/contract/app"
	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/router"
	"patchbay/worker"
)

// patience is how long the test waits for what must come. It is never how long something takes.
const patience = 30 * time.Second

// crowd is how many attackers do the same at once, one on each gateway, and busy how many different things are done at once beside
// those that only take time: on a small machine more would show how slow it is, and nothing else.
const (
	crowd = 2
	busy  = 8
)

// Limits of the gateways, low enough to be reached in seconds.
const (
	maxPayload    = 100_000
	maxNamespaces = 20
	maxConns      = 150 // of an address
	maxSessions   = 40  // of an address
	maxEvents     = 1000
)

// abuse is one entry of the catalogue.
type abuse struct {
	name string
	sees string // what the attacker gets for it; do checks that
	do   func(a *attacker)
	slow bool // it takes time, and does little
}

func catalogue() []abuse {
	return slices.Concat(floods(), requests(), smuggling(), frames(), sessions(), payloads(), names(), forgeries())
}

func configure(tokens string, metrics []*prometheus.Registry) func(i int, o *gateway.Options) {
	return func(i int, o *gateway.Options) {
		o.Metrics = metrics[i]
		o.Engine.PingInterval, o.Engine.PingTimeout = time.Second/2, 6*time.Second
		o.Engine.ConnectTimeout, o.Engine.UpgradeTimeout = 6*time.Second, time.Second
		o.Engine.MaxPayload, o.Engine.Recovery = maxPayload, gateway.Window(time.Second)
		o.HTTP.Deflate.On = true
		o.Auth.KeyFile = tokens
		o.Limits.QueueBytes, o.Limits.Namespaces, o.Limits.ConnsPerAddress = 1<<20, maxNamespaces, maxConns
		o.Limits.HeaderTimeout, o.Limits.BodyTimeout = 2*time.Second, 2*time.Second
		o.Rate.PerAddress, o.Rate.Events = maxSessions, maxEvents
	}
}

// The whole catalogue is thrown at a cluster, and what needs no patience once more, by one attacker each. Honest clients, old and new, notice nothing of it, each attacker gets the answer
// that its entry names, and nothing of it is left.
func TestAbuse(t *testing.T) {
	registries := make([]*prometheus.Registry, 4) // of the gateways, the router and the worker
	for i := range registries {
		registries[i] = prometheus.NewRegistry()
	}
	c := cluster.Start(t, cluster.Shape{
		Gateways: 2, Gateway: configure(keyFile(t), registries),
		Router: func(_ int, o *router.Options) { o.Metrics = registries[2] },
		App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
			w, err := worker.New(worker.Options{Backplane: o, Metrics: registries[3]})
			if err != nil {
				return nil, err
			}
			if err := app.Register(w); err != nil {
				return nil, err
			}
			return w, w.Start(ctx)
		},
	})
	hosts := []string{c.Gateways[0].Addr().String(), c.Gateways[1].Addr().String()}
	fresh := measure(t, registries)
	people := startHonest(t, hosts)
	var peak peakMeter
	peak.start()
	throw(t, hosts, 1, crowd, func(*abuse) bool { return true })
	first := settled(t, registries, people)
	throw(t, hosts, 2, 1, func(entry *abuse) bool { return !entry.slow })
	second := settled(t, registries, people)
	people.stop(t)
	peak.stop(t)
	second.noMoreThan(t, "after the second time", first, slackHeap)
	nobody(t, registries)
	measure(t, registries).noMoreThan(t, "once all have gone", fresh, keptHeap)
}

// throw has crowds do what is in the catalogue, all at once.
func throw(t *testing.T, hosts []string, times, crowd int, which func(*abuse) bool) {
	var attackers sync.WaitGroup
	turn := make(chan struct{}, busy)
	for i, entry := range catalogue() {
		if only := os.Getenv("ABUSE"); !strings.Contains(entry.name, only) || !which(&entry) {
			continue // ABUSE is for whoever looks at one entry alone
		}
		for k := range crowd {
			attackers.Go(func() {
				if !entry.slow {
					turn <- struct{}{}
					defer func() { <-turn }()
				}
				a := newAttacker(hosts, fmt.Sprintf("127.%d.%d.%d", times, i, 1+k), k)
				defer a.leave()
				began := time.Now()
				if err := a.run(entry.do); err != nil {
					t.Errorf("%s (%s), after %v: %v", entry.name, entry.sees, time.Since(began), err)
				}
			})
		}
	}
	attackers.Wait()
}
