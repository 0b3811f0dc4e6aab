package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/router"
)

// Secret is the cluster secret of these clusters' gateways.
const Secret = "a secret of the tests"

// Bounds of a cluster's start and stop, generous for a busy machine under the race detector.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 20 * time.Second
	lookAgain    = 5 * time.Millisecond // between two looks at a condition
)

// Part is what runs in a cluster; gateways, routers and workers are.
type Part interface {
	Ready() error
	Stop(context.Context) error
}

// App opens one worker of the application. The options say where NATS is.
type App func(context.Context, backplane.Options) (Part, error)

// Shape says what a cluster consists of. Zero means one of each, and without an App there are no workers.
type Shape struct {
	Servers  int
	Routers  int
	Gateways int
	Workers  int
	App      App

	// At, if set, says to which NATS server the i-th gateway, router or worker talks: part is "gateway", "router" or
	// "worker".
	At func(part string, i int) int
	// Route, if set, says where a NATS server finds another that was started before it: it gets the other's host:port.
	Route func(from, to int, address string) string
	// Server, if set, changes the options of the i-th NATS server before it is started.
	Server func(i int, o *backplane.ServerOptions)
	// Gateway and Router, if set, change the options of the i-th one before it is opened.
	Gateway func(i int, o *gateway.Options)
	Router  func(i int, o *router.Options)
	// Log defaults to none.
	Log *zap.Logger
}

// Cluster is a running cluster. The i-th gateway, router or worker talks to NATS server i modulo their number, unless
// Shape.At says otherwise. Its methods are for one goroutine at a time.
type Cluster struct {
	Servers  []*backplane.Server
	Routers  []*router.Router
	Workers  []Part
	Gateways []*gateway.Gateway

	shape   Shape
	stopped map[Part]bool
}

// Open starts a cluster and returns once all of its parts are ready. On an error nothing is left running.
func Open(ctx context.Context, shape Shape) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, n := range []*int{&shape.Servers, &shape.Routers, &shape.Gateways, &shape.Workers} {
		*n = max(*n, 1)
	}
	if shape.App == nil {
		shape.Workers = 0
	}
	if shape.Log == nil {
		shape.Log = zap.NewNop()
	}
	c := &Cluster{shape: shape, stopped: map[Part]bool{}}
	if err := c.open(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

func (c *Cluster) open(ctx context.Context) error {
	if err := c.openServers(ctx); err != nil {
		return err
	}
	for i := range c.shape.Routers {
		if err := c.openRouter(ctx, i); err != nil {
			return err
		}
	}
	for i := range c.shape.Workers {
		w, err := c.shape.App(ctx, c.backplane(i, "worker"))
		if err != nil {
			return fmt.Errorf("worker %d: %w", i, err)
		}
		c.Workers = append(c.Workers, w)
	}
	for i := range c.shape.Gateways {
		if err := c.openGateway(ctx, i); err != nil {
			return err
		}
	}
	for _, p := range c.parts() {
		if err := await(ctx, p.Ready); err != nil {
			return fmt.Errorf("%T: %w", p, err)
		}
	}
	return nil
}

// openServers starts the NATS servers, one after the other, and waits each time until they all know each other: what is
// published before then would not reach everyone.
func (c *Cluster) openServers(ctx context.Context) error {
	for i := range c.shape.Servers {
		o := backplane.ServerOptions{Listen: "127.0.0.1:0", Name: "n" + strconv.Itoa(i), Log: c.shape.Log}
		if c.shape.Servers > 1 {
			o.Cluster = "127.0.0.1:0"
		}
		for to, s := range c.Servers {
			address := s.ClusterAddress()
			if c.shape.Route != nil {
				address = c.shape.Route(i, to, address)
			}
			o.Routes = append(o.Routes, "nats://"+address)
		}
		if c.shape.Server != nil {
			c.shape.Server(i, &o)
		}
		s, err := backplane.StartServer(o)
		if err != nil {
			return err
		}
		c.Servers = append(c.Servers, s)
		for _, s := range c.Servers {
			if err := await(ctx, func() error {
				if n := s.Routes(); n != i {
					return fmt.Errorf("a NATS server is linked to %d others", n)
				}
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *Cluster) backplane(i int, part string) backplane.Options {
	at := i % len(c.Servers)
	if c.shape.At != nil {
		at = c.shape.At(part, i)
	}
	return backplane.Options{
		URL:  c.Servers[at].URL(),
		Name: part + strconv.Itoa(i),
		Log:  c.shape.Log,
	}
}

func (c *Cluster) openRouter(ctx context.Context, i int) error {
	o := router.Options{Backplane: c.backplane(i, "router"), Log: c.shape.Log}
	if c.shape.Router != nil {
		c.shape.Router(i, &o)
	}
	r, err := router.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("router %d: %w", i, err)
	}
	c.Routers = append(c.Routers, r)
	return nil
}

func (c *Cluster) openGateway(ctx context.Context, i int) error {
	o := gateway.Options{
		Backplane: c.backplane(i, "gateway"),
		ID:        "g" + strconv.Itoa(i),
		Listen:    "127.0.0.1:0",
		Secret:    Secret,
		Log:       c.shape.Log,
	}
	if c.shape.Gateway != nil {
		c.shape.Gateway(i, &o)
	}
	g, err := gateway.Open(ctx, o)
	if err != nil {
		return fmt.Errorf("gateway %d: %w", i, err)
	}
	c.Gateways = append(c.Gateways, g)
	return nil
}

// parts are the cluster's, in the order of their start.
func (c *Cluster) parts() []Part {
	var parts []Part
	for _, r := range c.Routers {
		parts = append(parts, r)
	}
	parts = append(parts, c.Workers...)
	for _, g := range c.Gateways {
		parts = append(parts, g)
	}
	return parts
}

// URL is where clients reach the i-th gateway.
func (c *Cluster) URL(i int) string { return "http://" + c.Gateways[i].Addr().String() }

// StopPart stops one gateway, router or worker cleanly, ahead of the others.
func (c *Cluster) StopPart(p Part) error {
	if c.stopped[p] {
		return nil
	}
	c.stopped[p] = true
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		return fmt.Errorf("stop %T: %w", p, err)
	}
	return nil
}

// Stop stops everything, gateways first and NATS last. Calling it again is harmless.
func (c *Cluster) Stop() error {
	var failed error
	parts := c.parts()
	for i := len(parts) - 1; i >= 0; i-- {
		failed = errors.Join(failed, c.StopPart(parts[i]))
	}
	for _, s := range c.Servers {
		s.Stop()
	}
	return failed
}

// await waits until a condition holds (nil) or ctx ends; the error is then the condition's last.
func await(ctx context.Context, condition func() error) error {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		err := condition()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-ticker.C:
		}
	}
}
