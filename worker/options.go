package worker

import (
	"cmp"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"patchbay/backplane"
)

// Defaults of Options.
const (
	// DefaultBeatInterval is a fifth of the lease after which routers take a worker for dead.
	DefaultBeatInterval = time.Second
	// DefaultQueueLimit is how many events of one socket may wait for its handlers. It stops a client
	// that sends faster than it is served from filling memory with small events.
	DefaultQueueLimit = 16_384
	// DefaultQueueBytes is how many bytes they may have; it stops the same with large events. An event
	// that comes to an empty queue is always taken.
	DefaultQueueBytes = 16 << 20
	// DefaultMaxAttachments is how many binary attachments an event or acknowledgement may have: stock clients close their
	// connections over more.
	DefaultMaxAttachments = 10
	// DefaultAckTimeout is how long an acknowledgement is waited for when the context does not say.
	DefaultAckTimeout = 10 * time.Second
	// DefaultRequestTimeout is how long a gateway or router is waited for when the context does not
	// say: as long as a lease, after which a dead one is known to be dead.
	DefaultRequestTimeout = 5 * time.Second
	// DefaultHandover is how long a worker that stops goes on serving while its sockets get new
	// homes.
	DefaultHandover = 500 * time.Millisecond
	// DefaultMoveTimeout is how long a gateway that takes a socket over waits for word that the former
	// one's last event has come. After it the client goes on, and an event still on its way may come too late.
	DefaultMoveTimeout = 2 * time.Second
	// DefaultStopTimeout is how long Run gives handlers to finish.
	DefaultStopTimeout = 20 * time.Second
)

// Options configures a worker. The zero value works against a local NATS server.
type Options struct {
	Backplane backplane.Options `embed:""`

	ID             string        `name:"id" env:"PATCHBAY_WORKER_ID" help:"Worker id: 1 to 24 lower-case letters and digits. Random if empty."`
	BeatInterval   time.Duration `name:"beat-interval" default:"1s" help:"Time between signs of life to the routers."`
	QueueLimit     int           `name:"queue-limit" default:"16384" help:"Events of one socket that may wait for its handlers; past it the socket is disconnected."`
	QueueBytes     int           `name:"queue-bytes" default:"16777216" help:"Bytes of one socket's events that may wait; past it the socket is disconnected."`
	MaxAttachments int           `name:"max-attachments" default:"10" help:"Binary attachments of one emit; more, or any number (-1), only where all clients are configured to take them."`
	AckTimeout     time.Duration `name:"ack-timeout" default:"10s" help:"How long an acknowledgement is waited for, unless the caller says."`
	RequestTimeout time.Duration `name:"request-timeout" default:"5s" help:"How long gateways and routers are waited for, unless the caller says."`
	Handover       time.Duration `name:"handover" default:"500ms" help:"How long a worker that stops goes on serving while its sockets move."`
	MoveTimeout    time.Duration `name:"move-timeout" default:"2s" help:"How long a socket that moves to another gateway waits for its last event from the former one."`
	Recheck        bool          `name:"recheck" help:"Also run middleware for clients that come back to their sockets; they were let in before."`

	// StopTimeout is how long Run gives handlers to finish; default DefaultStopTimeout.
	StopTimeout time.Duration `kong:"-"`
	// Log defaults to none.
	Log *zap.Logger `kong:"-"`
	// Metrics, if set, is where the worker's metrics are registered.
	Metrics prometheus.Registerer `kong:"-"`
	// Tracer, if set, makes spans for the events that gateways trace; see docs/tracing.md.
	Tracer trace.TracerProvider `kong:"-"`
}

// complete fills in defaults and checks.
func (o *Options) complete() error {
	o.ID = cmp.Or(o.ID, backplane.NewID('w'))
	if !backplane.ValidID(o.ID) {
		return fmt.Errorf("%w: %q", ErrID, o.ID)
	}
	o.BeatInterval = cmp.Or(o.BeatInterval, DefaultBeatInterval)
	o.QueueLimit = cmp.Or(o.QueueLimit, DefaultQueueLimit)
	o.QueueBytes = cmp.Or(o.QueueBytes, DefaultQueueBytes)
	o.MaxAttachments = cmp.Or(o.MaxAttachments, DefaultMaxAttachments)
	o.AckTimeout = cmp.Or(o.AckTimeout, DefaultAckTimeout)
	o.RequestTimeout = cmp.Or(o.RequestTimeout, DefaultRequestTimeout)
	o.Handover = cmp.Or(o.Handover, DefaultHandover)
	o.MoveTimeout = cmp.Or(o.MoveTimeout, DefaultMoveTimeout)
	o.StopTimeout = cmp.Or(o.StopTimeout, DefaultStopTimeout)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	o.Backplane.Role = backplane.RoleWorker
	o.Backplane.Name = cmp.Or(o.Backplane.Name, "worker "+o.ID)
	if o.Backplane.Log == nil {
		o.Backplane.Log = o.Log
	}
	if o.Backplane.Metrics == nil {
		o.Backplane.Metrics = o.Metrics
	}
	return nil
}
