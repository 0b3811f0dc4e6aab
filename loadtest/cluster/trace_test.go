package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/worker"
)

// tap notes which messages of a cluster name a span. Safe for concurrent use.
type tap struct {
	mu     sync.Mutex
	traced map[string]int // by kind
	seen   map[string]int
}

// tapCluster listens to all that passes the first NATS server.
func tapCluster(t *testing.T, c *cluster.Cluster) *tap {
	t.Helper()
	conn, err := backplane.Open(t.Context(), backplane.Options{URL: c.Servers[0].URL(), Name: "tap"})
	if err != nil {
		t.Fatal(err)
	}
	inbox := backplane.NewInbox(conn, 0)
	if _, err := inbox.Subscribe("pb.>"); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, stop, done := &tap{traced: map[string]int{}, seen: map[string]int{}}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-inbox.C:
				p.note(m)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		conn.Close()
	})
	return p
}

func (p *tap) note(m *backplane.Msg) {
	kind := ""
	for part, name := range map[string]string{".event.": "event", ".ack.": "acknowledgement", ".room.": "emit"} {
		if strings.Contains(m.Subject, part) {
			kind = name
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[kind]++
	if len(m.Header[backplane.HeaderTrace]) > 0 {
		p.traced[kind]++
	}
}

// counts are of the three kinds: how many have passed, and how many of them named a span.
func (p *tap) counts() (seen, traced string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := func(of map[string]int) string {
		return fmt.Sprintf("%d %d %d", of["event"], of["acknowledgement"], of["emit"])
	}
	return text(p.seen), text(p.traced)
}

// collected is what all parts of a cluster have recorded, each under its own name.
type collected struct{ *tracetest.InMemoryExporter }

func (c collected) provider(part string) trace.TracerProvider {
	return sdk.NewTracerProvider(sdk.WithSyncer(c), sdk.WithResource(resource.NewSchemaless(attribute.String("service.name", part))))
}

// tree is the spans as lines "part: span < part: parent", sorted, and the traces that they are of.
func (c collected) tree() (lines []string, traces int) {
	all, ids, names := c.GetSpans(), map[trace.TraceID]bool{}, map[trace.SpanID]string{}
	for i := range all {
		part, _ := all[i].Resource.Set().Value("service.name")
		names[all[i].SpanContext.SpanID()] = part.AsString() + ": " + all[i].Name
		ids[all[i].SpanContext.TraceID()] = true
	}
	for i := range all {
		line := names[all[i].SpanContext.SpanID()]
		if all[i].Parent.IsValid() {
			line += " < " + names[all[i].Parent.SpanID()]
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines, len(ids)
}

// TestTrace: a client's event with an acknowledgement, whose handler emits to a room on two gateways, is one trace through gateway, worker,
// the application and back. Where it is not sampled there is no span, and no header in any message.
func TestTrace(t *testing.T) {
	for name, c := range map[string]struct {
		ratio  float64
		tree   []string
		traced string // events, acknowledgements, emits
	}{
		"sampled": {1, []string{
			"app: look it up < worker: handle say",
			"g0: deliver acknowledgement < worker: acknowledge",
			"g0: deliver event < worker: emit said",
			"g0: event",
			"g1: deliver event < worker: emit said",
			"worker: acknowledge < worker: handle say",
			"worker: emit said < worker: handle say",
			"worker: handle say < g0: event",
		}, "1 1 1"},
		"not sampled": {0, nil, "0 0 0"},
	} {
		t.Run(name, func(t *testing.T) { testTrace(t, c.ratio, c.tree, c.traced) })
	}
}

func testTrace(t *testing.T, ratio float64, tree []string, traced string) {
	spans := collected{tracetest.NewInMemoryExporter()}
	own := spans.provider("app").Tracer("app")
	c := cluster.Start(t, cluster.Shape{
		Gateways: 2,
		Gateway: func(i int, o *gateway.Options) {
			o.Loops = 1
			o.Trace = gateway.TraceOptions{Ratio: ratio, Provider: spans.provider(o.ID)}
		},
		App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
			w, err := worker.New(worker.Options{Backplane: o, Tracer: spans.provider("worker")})
			if err != nil {
				return nil, err
			}
			io := w.Namespace("/")
			io.Use(func(ctx context.Context, s *worker.Socket) error { return s.Join(ctx, "lobby") })
			worker.OnAck(io, "say", func(ctx context.Context, s *worker.Socket, text string) (string, error) {
				if trace.SpanContextFromContext(ctx).IsSampled() { // as libraries do that make no traces of their own
					_, span := own.Start(ctx, "look it up")
					span.End()
				}
				return "heard", io.To("lobby").Traced(ctx).Emit("said", text)
			})
			return w, w.Start(ctx)
		},
	})
	passing := tapCluster(t, c)
	heard := make(chan string, 16)
	speaker := dial(t, c.URL(0), func(packet string) { heard <- packet })
	dial(t, c.URL(1), func(packet string) { heard <- packet })
	speaker.send(`427["say","hello"]`)
	for range 3 { // the acknowledgement, and the event at either client
		select {
		case <-heard:
		case <-time.After(30 * time.Second):
			t.Fatal("not all has come back")
		}
	}
	eventually(t, "the tap has seen all", func() bool { seen, _ := passing.counts(); return seen == "1 1 1" })
	if _, got := passing.counts(); got != traced {
		t.Errorf("events, acknowledgements and emits that name a span: %s, want %s", got, traced)
	}
	eventually(t, "all spans have ended", func() bool { lines, _ := spans.tree(); return len(lines) >= len(tree) })
	lines, traces := spans.tree()
	if !slices.Equal(lines, tree) || traces != min(len(tree), 1) {
		t.Errorf("%d traces:\n%s", traces, strings.Join(lines, "\n"))
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}
