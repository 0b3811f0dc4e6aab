package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/internal/ops"
)

// errPasswords reports two passwords for one thing.
var errPasswords = errors.New("give the cluster password or its file, not both")

// serverOptions say how a NATS server of this process runs.
type serverOptions struct {
	Listen       string   `name:"listen" default:"127.0.0.1:4222" placeholder:"HOST:PORT" help:"Address of the NATS server for gateways, routers and workers."`
	Cluster      string   `name:"cluster" placeholder:"HOST:PORT" help:"Address for the other NATS servers of a cluster; empty means a server alone."`
	Routes       []string `name:"routes" placeholder:"nats://HOST:PORT" help:"The NATS servers' cluster addresses, comma-separated; this one's own may be among them."`
	Password     string   `name:"cluster-password" help:"Password that the NATS servers of a cluster ask of each other, as the user route. Better in the environment or in a file."`
	PasswordFile string   `name:"cluster-password-file" type:"path" placeholder:"FILE" help:"File with that password."`
	ServerName   string   `name:"server-name" help:"Name of this server in its cluster; NATS chooses one if empty."`
	MaxPayload   int      `name:"max-payload" default:"0" help:"Largest message in bytes; 0 means what the configuration file says, or 8388608."`
	File         string   `name:"server-config" type:"path" placeholder:"FILE" help:"NATS configuration file: users and permissions (deploy/nats has one), limits, TLS. The flags here go before it."`
}

// options are the backplane's.
func (o *serverOptions) options() (backplane.ServerOptions, error) {
	password := o.Password
	if o.PasswordFile != "" {
		if password != "" {
			return backplane.ServerOptions{}, errPasswords
		}
		text, err := os.ReadFile(o.PasswordFile)
		if err != nil {
			return backplane.ServerOptions{}, fmt.Errorf("cluster password: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	return backplane.ServerOptions{
		Config: o.File, Listen: o.Listen, Cluster: o.Cluster, Routes: o.Routes, RoutePassword: password, Name: o.ServerName,
		MaxPayload: o.MaxPayload,
	}, nil
}

type natsCommand struct {
	Server serverOptions `embed:""`
	Ops    ops.Options   `embed:"" set:"internal="`
}

// Run runs a NATS server until ctx ends. kong calls it.
func (c *natsCommand) Run(ctx context.Context, log *zap.Logger) error {
	return ops.Run(ctx, c.Ops, log, func(_ context.Context, p ops.Process) (ops.Part, error) {
		o, err := c.Server.options()
		if err != nil {
			return nil, err
		}
		return openServer(o, p)
	})
}

// openServer starts a NATS server as a part.
func openServer(o backplane.ServerOptions, p ops.Process) (natsPart, error) {
	o.Log = p.Log
	server, err := backplane.StartServer(o)
	if err != nil {
		return natsPart{}, err
	}
	registerServer(p.Metrics, server)
	p.Log.Info("NATS server open", zap.String("url", server.URL()), zap.String("cluster", server.ClusterAddress()))
	return natsPart{server}, nil
}

// registerServer registers the metrics of a NATS server.
func registerServer(metrics prometheus.Registerer, server *backplane.Server) {
	metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "patchbay_nats_routes", Help: "Other NATS servers of the cluster that the one in this process is linked to.",
		}, func() float64 { return float64(server.Routes()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "patchbay_nats_clients", Help: "Connections of gateways, routers, workers and others to the NATS server in this process.",
		}, func() float64 { return float64(server.Clients()) }),
	)
}

// natsPart is an embedded NATS server as a part: ready as long as it is there.
type natsPart struct{ server *backplane.Server }

// Ready implements ops.Part.
func (p natsPart) Ready() error {
	if p.server.Ended() {
		return errServerEnded
	}
	return nil
}

// Stop implements ops.Part.
func (p natsPart) Stop(ctx context.Context) error {
	p.server.Retire(ctx)
	return nil
}
