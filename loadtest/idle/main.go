// Command idle measures what an idle WebSocket client costs a gateway: it starts a cluster of separate
// processes, connects clients that join the main namespace and then do nothing, and compares the gateway's
// resident memory before and after.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"patchbay/loadtest/process"
)

func main() {
	count := flag.Int("n", 15000, "clients")
	bin := flag.String("bin", "bin", "directory of the programs")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := run(ctx, *bin, *count); err != nil {
		fmt.Fprintln(os.Stderr, "idle:", err)
		os.Exit(1)
	}
}

// run starts the cluster, measures, and ends it.
func run(ctx context.Context, bin string, count int) error {
	free, err := process.FreeAddresses(5)
	if err != nil {
		return err
	}
	log, err := os.CreateTemp("", "idle-*.log")
	if err != nil {
		return fmt.Errorf("make a log: %w", err)
	}
	defer os.Remove(log.Name())
	url, patchbay := "nats://"+free[0], filepath.Join(bin, "patchbay")
	programs := [][]string{
		{"", patchbay, "nats", "--listen", free[0]},
		{free[1], patchbay, "router", "--nats", url, "--internal", free[1]},
		{free[2], filepath.Join(bin, "contract"), "--nats", url, "--internal", free[2]},
		{free[3], patchbay, "gateway", "--nats", url, "--internal", free[3], "--listen", free[4], "--secret", "idle"},
	}
	var gateway *process.Process
	for _, p := range programs {
		running, err := process.Start(ctx, log, p[0], p[1], p[2:]...)
		if err != nil {
			return err
		}
		// The error is that of a process that was told to end.
		defer func() { _ = running.Kill() }()
		gateway = running
	}
	before, err := gateway.Usage()
	if err != nil {
		return err
	}
	clients, err := connect(ctx, free[4], count)
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	if err != nil {
		return err
	}
	after, err := gateway.Usage()
	if err != nil {
		return err
	}
	fmt.Printf("idle: %d clients on WebSocket, joined to the main namespace\n", len(clients))
	fmt.Printf("gateway resident memory: %.1f MB before, %.1f MB after: %.0f bytes a client\n",
		float64(before.Resident)/1e6, float64(after.Resident)/1e6, float64(after.Resident-before.Resident)/float64(len(clients)))
	fmt.Printf("gateway CPU: %.3f ms a client to connect and join\n", float64((after.CPU-before.CPU).Microseconds())/1e3/float64(len(clients)))
	return nil
}

// dialers is how many clients connect at the same time.
const dialers = 64

// connect opens the clients and waits until each has joined.
func connect(ctx context.Context, address string, count int) ([]net.Conn, error) {
	var (
		mu      sync.Mutex
		clients []net.Conn
		failed  error
		wg      sync.WaitGroup
	)
	turns := make(chan struct{}, count)
	for range count {
		turns <- struct{}{}
	}
	close(turns)
	for range dialers {
		wg.Go(func() {
			for range turns {
				c, err := join(ctx, address)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					clients = append(clients, c)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return clients, failed
}

// join opens one client and joins the main namespace.
func join(ctx context.Context, address string) (net.Conn, error) {
	c, buffered, _, err := ws.Dial(ctx, "ws://"+address+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if buffered == nil {
		buffered = bufio.NewReaderSize(c, 512)
	}
	rw := bufio.NewReadWriter(buffered, bufio.NewWriterSize(c, 64))
	for _, want := range []string{"0", "40{"} {
		if want == "40{" {
			if err := wsutil.WriteClientText(c, []byte("40")); err != nil {
				return nil, fmt.Errorf("join: %w", err)
			}
		}
		for {
			message, err := wsutil.ReadServerText(rw)
			if err != nil {
				return nil, fmt.Errorf("wait for %s: %w", want, err)
			}
			if strings.HasPrefix(string(message), want) {
				break
			}
		}
	}
	return c, nil
}
