package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// dialing is how many clients connect at a time.
const dialing = 16

// crowd is clients that are connected, each with a session on a WebSocket.
type crowd struct {
	conns  []net.Conn
	failed error
}

// connect connects clients, with full TLS handshakes: none resumes what another has begun.
func connect(ctx context.Context, to *site, n int) *crowd {
	c := &crowd{conns: make([]net.Conn, n)}
	next := make(chan int)
	faults := make(chan error, dialing)
	var dialers sync.WaitGroup
	for range dialing {
		dialers.Go(func() {
			for i := range next {
				var err error
				if c.conns[i], err = dial(ctx, to); err != nil {
					faults <- err
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case c.failed = <-faults:
		case <-ctx.Done():
			c.failed = ctx.Err()
		}
		break
	}
	close(next)
	dialers.Wait()
	select {
	case err := <-faults:
		c.failed = errors.Join(c.failed, err)
	default:
	}
	return c
}

func (c *crowd) close() error {
	for _, conn := range c.conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
	return c.failed
}

// dial opens a WebSocket and reads the session's handshake.
func dial(ctx context.Context, to *site) (net.Conn, error) {
	scheme := "ws://"
	if to.config != nil {
		scheme = "wss://"
	}
	dialer := ws.Dialer{Timeout: 30 * time.Second, TLSConfig: to.config}
	conn, early, _, err := dialer.Dial(ctx, scheme+to.address+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	var from io.Reader = conn
	if early != nil {
		from = early
	}
	head, err := ws.ReadHeader(from)
	if err == nil {
		_, err = io.CopyN(io.Discard, from, head.Length)
	}
	if early != nil {
		ws.PutReader(early)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the handshake: %w", err), conn.Close())
	}
	return conn, nil
}
