package main

import (
	"context"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/internal/ops"
)

type natsCommand struct {
	Listen     string      `name:"listen" default:"127.0.0.1:4222" help:"Address for gateways, routers and workers."`
	Cluster    string      `name:"cluster" placeholder:"HOST:PORT" help:"Address for the other servers of a cluster; empty means a server alone."`
	Routes     []string    `name:"routes" placeholder:"nats://HOST:PORT" help:"The other servers' cluster addresses, comma-separated."`
	ServerName string      `name:"server-name" help:"Name of this server in its cluster; NATS chooses one if empty."`
	MaxPayload int         `name:"max-payload" default:"0" help:"Largest message in bytes; 0 means what the configuration file says, or 8388608."`
	File       string      `name:"server-config" type:"path" placeholder:"FILE" help:"NATS configuration file: users and permissions (deploy/nats has one), limits, TLS. The flags here go before it."`
	Ops        ops.Options `embed:"" set:"internal="`
}

// Run runs a NATS server until ctx ends. kong calls it.
func (c *natsCommand) Run(ctx context.Context, log *zap.Logger) error {
	return ops.Run(ctx, c.Ops, log, func(_ context.Context, p ops.Process) (ops.Part, error) {
		server, err := backplane.StartServer(backplane.ServerOptions{
			Config:     c.File,
			Listen:     c.Listen,
			Cluster:    c.Cluster,
			Routes:     c.Routes,
			Name:       c.ServerName,
			MaxPayload: c.MaxPayload,
			Log:        p.Log,
		})
		if err != nil {
			return nil, err
		}
		p.Log.Info("NATS server open", zap.String("url", server.URL()))
		return natsPart{server}, nil
	})
}

// natsPart is an embedded NATS server as a part: ready as long as it is there.
type natsPart struct{ server *backplane.Server }

// Ready implements ops.Part.
func (natsPart) Ready() error { return nil }

// Stop implements ops.Part.
func (p natsPart) Stop(context.Context) error {
	p.server.Stop()
	return nil
}
