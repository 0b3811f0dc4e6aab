package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/examples/chat/page"
	"patchbay/gateway"
	"patchbay/internal/ops"
	"patchbay/router"
	"patchbay/router/status"
)

// demoCommand takes the gateway's options. Those that say where NATS is are without effect: the
// demo brings its own.
type demoCommand struct {
	Gateway gateway.Options `embed:""`
	Status  status.Options  `embed:""`
	Ops     ops.Options     `embed:"" set:"internal=127.0.0.1:3001"`
}

// demoDefaults gives the demo a default address of its own.
func demoDefaults(k *kong.Kong) error {
	for _, command := range k.Model.Children {
		for _, flag := range command.Flags {
			if command.Name == "demo" && flag.Name == "listen" {
				flag.Default, flag.HasDefault = "127.0.0.1:3000", true
			}
		}
	}
	return nil
}

// Run runs a whole cluster until ctx ends. kong calls it.
func (c *demoCommand) Run(ctx context.Context, log *zap.Logger, a *again) error {
	return ops.Run(ctx, c.Ops, log, func(ctx context.Context, p ops.Process) (ops.Part, error) { return c.open(ctx, p, a) })
}

func (c *demoCommand) open(ctx context.Context, p ops.Process, a *again) (part ops.Part, err error) {
	var all stack
	defer func() {
		if err != nil {
			err = errors.Join(err, all.Stop(context.WithoutCancel(ctx)))
		}
	}()
	o := c.Gateway
	t, err := openTracing(ctx, &o, "patchbay-demo", p)
	if err != nil {
		return nil, err
	}
	all = append(all, t)
	nats, err := openServer(backplane.ServerOptions{}, p)
	if err != nil {
		return nil, err
	}
	all = append(all, nats)
	server := nats.server
	r, err := openRouter(ctx, router.Options{Backplane: backplane.Options{Server: server, Name: "router"}}, c.Status, p)
	if err != nil {
		return nil, err
	}
	all = append(all, r)
	w, err := openChat(ctx, server, t.Provider(), p)
	if err != nil {
		return nil, err
	}
	all = append(all, w)
	o.Backplane.Server, o.Backplane.Name = server, "gateway"
	o.HTTP.Page = page.Handler()
	g, err := openGateway(ctx, o, p)
	if err != nil {
		return nil, err
	}
	all = append(all, gatewayPart{g, a, func(c *cli) gateway.Options { return c.Demo.Gateway }})
	// Not a log line: this is what whoever typed the command waits to read.
	text := fmt.Sprintf("Open %s\n", pageURL(g.Addr()))
	if p.Internal != nil {
		text += fmt.Sprintf("Status: %s%s\n", pageURL(p.Internal.Addr()), status.Path)
	}
	_, err = fmt.Fprint(os.Stdout, text)
	return all, err
}

// pageURL is the address to give to a browser on this machine.
func pageURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// stack is several parts as one, each resting on those before it.
type stack []ops.Part

// Ready implements ops.Part.
func (s stack) Ready() error {
	for _, p := range s {
		if err := p.Ready(); err != nil {
			return err
		}
	}
	return nil
}

// Drain implements ops.Drainer.
func (s stack) Drain(ctx context.Context) {
	for _, p := range s {
		if d, ok := p.(ops.Drainer); ok {
			d.Drain(ctx)
		}
	}
}

// Reload implements ops.Reloader.
func (s stack) Reload(ctx context.Context) error {
	var failed error
	for _, p := range s {
		if r, ok := p.(ops.Reloader); ok {
			failed = errors.Join(failed, r.Reload(ctx))
		}
	}
	return failed
}

// Stop implements ops.Part: last opened, first stopped.
func (s stack) Stop(ctx context.Context) error {
	var failed error
	for i := len(s) - 1; i >= 0; i-- {
		failed = errors.Join(failed, s[i].Stop(ctx))
	}
	return failed
}
