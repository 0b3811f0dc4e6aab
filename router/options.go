package router

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"patchbay/backplane"
)

// Options configures a Router. The zero value works, with a NATS server on this machine.
type Options struct {
	// Backplane says how to reach NATS.
	Backplane backplane.Options `embed:""`

	// Lease and Beat must be the same for all routers; Beat also for gateways and workers. Zero means the default.
	Lease time.Duration `name:"lease" default:"5s" help:"How long a gateway or worker may be silent before it is dead."`
	Beat  time.Duration `name:"beat" default:"1s" help:"How often gateways and workers show themselves."`

	// Zero means the default for each of these.
	Hold         time.Duration `name:"connect-hold" default:"5s" help:"How long a CONNECT waits for a worker before it is refused."`
	MaxHeld      int           `name:"max-held" default:"10000" help:"CONNECTs that may wait for a worker; more are refused at once."`
	MaxHeldBytes int           `name:"max-held-bytes" default:"67108864" help:"Bytes that waiting CONNECTs may hold."`
	QueryWait    time.Duration `name:"query-wait" default:"2s" help:"How long a query waits for what its caller has seen."`
	MaxQueries   int           `name:"max-queries" default:"1024" help:"Queries that may wait; more are answered at once, as incomplete."`

	MaxWatches int `name:"max-watches" default:"10000" help:"Watches of rooms and namespaces that may be open; more are refused."`

	// ID names the router in logs and to NATS; empty makes one.
	ID string `kong:"-"`
	// Log defaults to none.
	Log *zap.Logger `kong:"-"`
	// Metrics, if set, is where the router's and its connection's metrics are registered.
	Metrics prometheus.Registerer `kong:"-"`
}

// fill puts the defaults in the place of zeros.
func (o *Options) fill() {
	orDefault(&o.Lease, DefaultLease)
	orDefault(&o.Beat, DefaultBeat)
	orDefault(&o.Hold, DefaultHold)
	orDefault(&o.MaxHeld, DefaultMaxHeld)
	orDefault(&o.MaxHeldBytes, DefaultMaxHeldBytes)
	orDefault(&o.QueryWait, DefaultQueryWait)
	orDefault(&o.MaxQueries, DefaultMaxQueries)
	orDefault(&o.MaxWatches, DefaultMaxWatches)
	if o.ID == "" {
		o.ID = backplane.NewID('r')
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Backplane.Name == "" {
		o.Backplane.Name = "router " + o.ID
	}
	if o.Backplane.Log == nil {
		o.Backplane.Log = o.Log
	}
	if o.Backplane.Metrics == nil {
		o.Backplane.Metrics = o.Metrics
	}
}

// orDefault replaces a value that says nothing.
func orDefault[T int | time.Duration](v *T, fallback T) {
	if *v <= 0 {
		*v = fallback
	}
}
