// Command tls measures what TLS costs: CPU for a client to connect and memory while it is idle, for a gateway without TLS, one that
// ends it itself, and one behind HAProxy that does; in turn, in one run. It writes a table.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"patchbay/internal/ops"
)

// settings are the command line's.
type settings struct {
	bin     string
	clients int
	rounds  int
	pause   time.Duration
}

// figures are what one connection costs, in all processes of an arrangement but NATS.
type figures struct {
	cpu    time.Duration // to connect
	memory float64       // bytes, idle
}

func main() {
	var s settings
	flag.StringVar(&s.bin, "bin", "bin", "directory of patchbay's program")
	flag.IntVar(&s.clients, "clients", 2000, "connections")
	flag.IntVar(&s.rounds, "rounds", 3, "times that everything is measured; the medians count")
	flag.DurationVar(&s.pause, "pause", 3*time.Second, "idle time before memory is read")
	flag.Parse()
	ctx, stop := ops.Interruptible(context.Background())
	err := run(ctx, s, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "tls:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings, out io.Writer) error {
	dir, err := os.MkdirTemp("", "tls-")
	if err != nil {
		return fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	all := map[string][]figures{}
	for range s.rounds {
		for _, a := range arrangements() {
			f, err := a.measure(ctx, s, dir)
			if err != nil {
				return fmt.Errorf("%s: %w", a.title, err)
			}
			all[a.title] = append(all[a.title], f)
		}
	}
	_, err = io.WriteString(out, table(s, all))
	return err
}

// measure starts an arrangement, connects the clients, and reads what they cost.
func (a arrangement) measure(ctx context.Context, s settings, dir string) (f figures, err error) {
	site, err := a.start(ctx, s, dir)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, site.stop()) }()
	if err := connect(ctx, site, 50).close(); err != nil { // what is made once is made
		return f, err
	}
	before, err := site.usage()
	if err != nil {
		return f, err
	}
	crowd := connect(ctx, site, s.clients)
	defer func() { err = errors.Join(err, crowd.close()) }()
	if crowd.failed != nil {
		return f, crowd.failed
	}
	connected, err := site.usage()
	if err != nil {
		return f, err
	}
	select {
	case <-time.After(s.pause):
	case <-ctx.Done():
		return f, ctx.Err()
	}
	idle, err := site.usage()
	if err != nil {
		return f, err
	}
	n := s.clients
	return figures{cpu: (connected.CPU - before.CPU) / time.Duration(n), memory: float64(idle.Resident-before.Resident) / float64(n)}, nil
}
