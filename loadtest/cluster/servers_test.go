package cluster_test

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"testing"
	"time"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/worker"
)

// numbered is how many emits each of the processes of TestServersKilled makes.
const numbered = 6000

// TestServersKilled stops the NATS server of a gateway and then that of a process that emits, while it and another one emit numbered
// events to a room: its member hears all of them, once and in each one's order.
func TestServersKilled(t *testing.T) {
	joined := make(chan struct{})
	c := cluster.Start(t, cluster.Shape{
		Servers: 3,
		At:      func(part string, _ int) int { return map[string]int{"gateway": 0, "worker": 2, "router": 2}[part] },
		Gateway: func(_ int, o *gateway.Options) { o.Engine.Recovery = -1 },
		App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
			w, err := worker.New(worker.Options{Backplane: o, Log: o.Log})
			if err != nil {
				return nil, err
			}
			worker.On(w.Namespace("/"), "join", func(ctx context.Context, s *worker.Socket, room string) error {
				defer close(joined)
				return s.Join(ctx, room)
			})
			return w, w.Start(ctx)
		},
	})
	heard := make(chan string, 2*numbered)
	dial(t, c.URL(0), func(packet string) { heard <- packet }).emit(`["join","room"]`)
	<-joined
	var emitting sync.WaitGroup
	defer emitting.Wait()
	halfway := make(chan struct{}, 2)
	for i := range 2 {
		conn, err := backplane.Open(t.Context(), backplane.Options{URL: c.Servers[1+i].URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		emitting.Go(func() {
			pace := time.NewTicker(time.Millisecond)
			defer pace.Stop()
			for n := range numbered {
				if n%5 == 0 {
					<-pace.C
				}
				if n == numbered/4 || n == numbered*3/4 {
					halfway <- struct{}{}
				}
				data := `["n",` + strconv.Itoa(i) + `,` + strconv.Itoa(n) + `]`
				if err := conn.Emit(&backplane.Emit{Payload: backplane.Payload{JSON: []byte(data)}}, "", conn.Room("/", "room")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for server := range 2 {
		for range 2 {
			<-halfway
		}
		c.Servers[server].Stop()
	}
	next := [2]int{}
	for quiet := time.NewTimer(patience); next != [2]int{numbered, numbered}; quiet.Reset(patience) {
		select {
		case packet := <-heard:
			var event []any
			if err := json.Unmarshal([]byte(packet[1:]), &event); err != nil || len(event) != 3 {
				t.Fatalf("%q: %v", packet, err)
			}
			from, n := int(event[1].(float64)), int(event[2].(float64))
			if n != next[from] {
				t.Fatalf("from %d came %d, want %d", from, n, next[from])
			}
			next[from]++
		case <-quiet.C:
			t.Fatalf("only %v came", next)
		}
	}
}
