package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"go.uber.org/zap"

	"patchbay/gateway"
	"patchbay/internal/ops"
)

// joinTimeout is how long a gateway waits for the first of the other NATS servers before it starts without them.
const joinTimeout = 3 * time.Second

var (
	errServerEnded = errors.New("the NATS server of this process has ended")
	errRouteSecret = errors.New("--embed-cluster wants --secret, the same on every gateway, or a password of its own")
)

// embedOptions are those of a NATS server within a gateway.
type embedOptions struct {
	On     bool          `name:"embed-nats" help:"Run a NATS server in this process, and use it in place of --nats. With --embed-cluster gateways form the NATS cluster by themselves."`
	Server serverOptions `embed:"" prefix:"embed-"`
	Open   bool          `name:"embed-open" help:"Listen beyond this machine although there are no users: everyone who reaches the NATS port may do everything."`
}

// start starts the server, and waits a moment for the others of its cluster. ended is called when it has ended.
func (o *embedOptions) start(ctx context.Context, g *gateway.Options, process ops.Process, ended func()) (natsPart, error) {
	server, err := o.Server.options()
	if err != nil {
		return natsPart{}, err
	}
	if server.RoutePassword == "" && server.Cluster != "" {
		if g.Secret == "" {
			return natsPart{}, errRouteSecret
		}
		server.RoutePassword = routePassword(g.Secret)
	}
	if server.Name == "" {
		server.Name = g.ID
	}
	server.RequireUsers, server.Ended = !o.Open, ended
	p, err := openServer(server, process)
	if err != nil {
		return natsPart{}, err
	}
	if len(server.Routes) > 0 {
		ctx, cancel := context.WithTimeout(ctx, joinTimeout)
		defer cancel()
		if !p.server.Join(ctx) {
			process.Log.Warn("no other NATS server of the cluster is there yet", zap.Duration("waited", joinTimeout))
		}
	}
	g.Backplane.Server = p.server
	if url := p.server.URL(); url != "" {
		g.Backplane.URL = url // one of those that the gateway looks at as its cluster's
	}
	return p, nil
}

// routePassword makes the servers' password of what all gateways know already.
func routePassword(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("patchbay: routes between NATS servers"))
	return hex.EncodeToString(mac.Sum(nil))
}

// underServer runs a function whose context also ends when a server has ended, which is an error then.
func underServer(ctx context.Context, run func(ctx context.Context, ended func()) error) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	err := run(ctx, func() { end(errServerEnded) })
	if cause := context.Cause(ctx); errors.Is(cause, errServerEnded) {
		return errors.Join(cause, err)
	}
	return err
}

// embedded is a gateway upon its own NATS server. The server stops last.
type embedded struct {
	stack
	server natsPart
}

// Drain implements ops.Drainer. Without the server nobody can take the clients.
func (p embedded) Drain(ctx context.Context) {
	if p.server.Ready() == nil {
		p.stack.Drain(ctx)
	}
}
