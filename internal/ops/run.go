package ops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// errStopping is readiness from the moment that the process has been told to stop.
var errStopping = errors.New("stopping")

// Options are those of every process. The zero value works: no internal listener, and
// a stop that takes as long as it takes.
type Options struct {
	Internal    string        `name:"internal" default:"${internal}" placeholder:"HOST:PORT" help:"Internal listener: /metrics, /healthz, /readyz, /reload, /debug/pprof/, and a router's /status/. Keep it away from clients."`
	StopTimeout time.Duration `name:"stop-timeout" default:"20s" help:"How long a clean stop may take."`
}

// Process is what the parts of one process share.
type Process struct {
	Log     *zap.Logger
	Metrics *prometheus.Registry
	// Internal is the internal listener; nil if there is none.
	Internal *Server
}

// Part is what a process runs: a gateway, a router, a worker or several of them.
type Part interface {
	// Ready says why clients should not be sent here now; nil if they should. It is called on any goroutine.
	Ready() error
	// Stop ends the part, cleanly if that is done before ctx ends.
	Stop(ctx context.Context) error
}

// Drainer is a Part that can let its clients go before it stops.
type Drainer interface {
	// Drain returns when they are gone, when it has waited long enough, or when ctx ends. Stop follows.
	Drain(ctx context.Context)
}

// Run opens a part, serves the internal listener beside it, and stops both when ctx ends: it is not ready any more, drains if it
// can, and stops. SIGINT or SIGTERM ends the draining. The listener is there first, so that a start which waits for
// others can be watched.
func Run(ctx context.Context, o Options, log *zap.Logger, open func(context.Context, Process) (Part, error)) (err error) {
	hangup, release := hangups()
	defer release()
	process := Process{Log: log, Metrics: NewRegistry()}
	ready, serveReloads := func(func() error) {}, func(http.Handler) {}
	if o.Internal != "" {
		server, listenErr := Listen(o.Internal, process.Metrics, log)
		if listenErr != nil {
			return listenErr
		}
		log.Info("internal listener", zap.Stringer("address", server.Addr()))
		process.Internal = server
		ready, serveReloads = server.SetReady, server.SetReload
		defer func() { err = errors.Join(err, stop(ctx, o.StopTimeout, server.Stop)) }()
	}
	part, err := open(ctx, process)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it had started
		}
		return err
	}
	ready(part.Ready)
	reloads := newReloads(part, log, process.Metrics)
	serveReloads(reloads)
	reloads.run(ctx, hangup)
	serveReloads(nil)
	log.Info("stopping")
	ready(func() error { return errStopping })
	if drainer, ok := part.(Drainer); ok {
		drain(ctx, drainer)
	}
	if err := stop(ctx, o.StopTimeout, part.Stop); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}

// drain lets a part's clients go, until another signal comes.
func drain(ctx context.Context, part Drainer) {
	ctx, release := Interruptible(context.WithoutCancel(ctx))
	defer release()
	part.Drain(ctx)
}

// stop runs a Stop method, under a deadline but not under the cancellation that led to it.
func stop(ctx context.Context, timeout time.Duration, f func(context.Context) error) error {
	ctx = context.WithoutCancel(ctx)
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return f(ctx)
}
