package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"patchbay/loadtest/cost"
	"patchbay/loadtest/process"
)

// Bounds of a server's start and stop.
const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
	dialAgain    = 10 * time.Millisecond
)

// system is a server that can be measured, of one process or several.
type system struct {
	name   string // short, as on the command line
	title  string
	build  func(b *builder) error
	needs  []string // programs to look for, and files of the repository; see missing
	squash bool     // clients offer to take compressed messages
}

// ours tells whether it is Patchbay, with a gateway whose cost is of interest alone.
func (s system) ours() bool { return strings.HasPrefix(s.name, patchbayOne) }

// The names of the systems.
const (
	patchbayOne = "patchbay"
	patchbayTwo = "patchbay2"
	patchbayGz  = "patchbay-deflate"
	nodeOne     = "node"
	nodeTwo     = "node2"
	nodeGz      = "node-deflate"
	goPort      = "zishang"
	bareLoop    = "floor"
)

func systems() []system {
	node := []string{"node", nodeModules}
	return []system{
		{name: patchbayOne, title: "Patchbay", build: func(b *builder) error { return b.patchbay(1) }},
		{name: patchbayTwo, title: "Patchbay, two gateways", build: func(b *builder) error { return b.patchbay(2) }},
		{name: patchbayGz, title: "Patchbay, compressing", squash: true, build: func(b *builder) error { return b.patchbay(1, "--deflate") }},
		{name: nodeOne, title: "socket.io on Node", needs: node, build: func(b *builder) error { return b.node(1) }},
		{name: nodeTwo, title: "two of them, Redis adapter", needs: append([]string{"redis-server"}, node...), build: func(b *builder) error { return b.node(2) }},
		{name: nodeGz, title: "Node, compressing", needs: node, squash: true, build: func(b *builder) error { return b.node(1, "--deflate") }},
		{name: goPort, title: "Go port (zishang520)", needs: []string{goPortProgram}, build: func(b *builder) error {
			return b.listener("server", filepath.Join(b.bin, goPortProgram), "-listen")
		}},
		{name: bareLoop, title: "bare send(2) loop", build: func(b *builder) error {
			return b.listener("loop", filepath.Join(b.bin, "peers", "floor"), "-listen")
		}},
	}
}

func find(name string) (system, bool) {
	for _, s := range systems() {
		if s.name == name {
			return s, true
		}
	}
	return system{}, false
}

func systemNames() []string {
	var names []string
	for _, s := range systems() {
		names = append(names, s.name)
	}
	return names
}

// running is a system that runs.
type running struct {
	urls      []string
	sources   []cost.Source
	processes []*process.Process
	log       *os.File
}

// stop ends all of its processes, last started first.
func (r *running) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	for i := len(r.processes) - 1; i >= 0; i-- {
		// The error is that of a process that was told to end.
		_ = r.processes[i].Stop(ctx)
	}
	r.log.Close()
	os.Remove(r.log.Name())
}

// start starts the system on free ports, and returns once clients can come.
func (s system) start(ctx context.Context, settings settings) (*running, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	log, err := os.CreateTemp("", "compare-*.log")
	if err != nil {
		return nil, fmt.Errorf("make a log: %w", err)
	}
	b := &builder{ctx: ctx, root: settings.root, bin: settings.bin, running: &running{log: log}}
	if err := s.build(b); err != nil {
		last := tail(log)
		b.stop()
		return nil, fmt.Errorf("start %s: %w%s", s.name, err, last)
	}
	return b.running, nil
}

// builder starts the processes of one system.
type builder struct {
	*running
	ctx       context.Context
	root, bin string
}

// run starts a process that counts as part of the system's cost under a name.
func (b *builder) run(name, internal, program string, args ...string) error {
	p, err := process.Start(b.ctx, b.log, internal, program, args...)
	if err != nil {
		return err
	}
	b.processes = append(b.processes, p)
	b.sources = append(b.sources, cost.Source{Name: name, PID: p.PID()})
	return nil
}

// listening waits until the process that was started last accepts connections.
func (b *builder) listening(address string) error {
	for {
		if b.processes[len(b.processes)-1].Ended() {
			return fmt.Errorf("%w: it has ended", process.ErrNotReady)
		}
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-b.ctx.Done():
			return errors.Join(b.ctx.Err(), err)
		case <-time.After(dialAgain):
		}
	}
}

// patchbay starts a cluster: NATS, router, worker and gateways, each a process, with the settings that are the default, and some for the gateways.
func (b *builder) patchbay(gateways int, extra ...string) error {
	free, err := process.FreeAddresses(3 + 2*gateways)
	if err != nil {
		return err
	}
	url, patchbay := "nats://"+free[0], filepath.Join(b.bin, "patchbay")
	if err := b.run("nats", "", patchbay, "nats", "--listen", free[0]); err != nil {
		return err
	}
	if err := b.listening(free[0]); err != nil {
		return err
	}
	if err := b.run("router", free[1], patchbay, "router", "--nats", url, "--internal", free[1]); err != nil {
		return err
	}
	if err := b.run("worker", free[2], filepath.Join(b.bin, "contract"), "--nats", url, "--internal", free[2]); err != nil {
		return err
	}
	for i := range gateways {
		internal, listen := free[3+2*i], free[4+2*i]
		args := append([]string{"gateway", "--nats", url, "--internal", internal, "--listen", listen, "--secret", "a secret for comparisons"}, extra...)
		if err := b.run("gateway", internal, patchbay, args...); err != nil {
			return err
		}
		b.urls = append(b.urls, "http://"+listen)
	}
	return nil
}

// node starts socket.io on Node; several nodes share a Redis server.
func (b *builder) node(nodes int, extra ...string) error {
	free, err := process.FreeAddresses(1 + nodes)
	if err != nil {
		return err
	}
	if nodes > 1 {
		_, port, err := net.SplitHostPort(free[0])
		if err != nil {
			return err
		}
		if err := b.run("redis", "", "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"); err != nil {
			return err
		}
		if err := b.listening(free[0]); err != nil {
			return err
		}
		extra = append(extra, "--redis", "redis://"+free[0])
	}
	for _, address := range free[1:] {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		args := append([]string{filepath.Join(b.root, peerDirectory, "server.js"), "--port", port}, extra...)
		if err := b.run("node", "", "node", args...); err != nil {
			return err
		}
		if err := b.listening(address); err != nil {
			return err
		}
		b.urls = append(b.urls, "http://"+address)
	}
	return nil
}

// listener starts a program that takes its address after a flag.
func (b *builder) listener(name, program, flag string) error {
	free, err := process.FreeAddresses(1)
	if err != nil {
		return err
	}
	if err := b.run(name, "", program, flag, free[0]); err != nil {
		return err
	}
	b.urls = []string{"http://" + free[0]}
	return b.listening(free[0])
}
