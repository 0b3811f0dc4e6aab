package worker_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"patchbay/backplane"
	"patchbay/worker"
)

// traced sends an event that names a span.
func (c *client) traced(parent trace.SpanContext, reply, payload string) {
	m := backplane.EncodePayload(c.g.conn.Worker(c.worker, "event", c.id), reply, backplane.Payload{JSON: []byte(payload)})
	backplane.SetTrace(m, backplane.TraceParent(parent))
	c.g.publishMsg(m)
}

// described are spans as lines "name of parent's name, with what failed", sorted.
func described(spans *tracetest.InMemoryExporter) (lines []string) {
	names := map[trace.SpanID]string{}
	all := spans.GetSpans()
	for i := range all {
		names[all[i].SpanContext.SpanID()] = all[i].Name
	}
	for i := range all {
		line := all[i].Name + " of " + names[all[i].Parent.SpanID()]
		if all[i].Status.Code == codes.Error {
			line += ": " + all[i].Status.Description
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// A traced event's handlers, what they ask and emit, and an acknowledgement that comes later have spans; errors are on them. An event that
// names no span has none, nor has one whose trace is not sampled.
func TestSpans(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	spans := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(spans))
	later := make(chan *worker.Event, 1)
	app := start(t, server, worker.Options{Tracer: provider}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnEvent("ask", func(ctx context.Context, s *worker.Socket, e *worker.Event) error {
			_, err := s.EmitAck(ctx, "question")
			return errors.Join(err, s.Traced(ctx).Emit("one"), io.Traced(ctx).Emit("all"), s.Emit("untold"))
		})
		io.OnEvent("later", func(_ context.Context, _ *worker.Socket, e *worker.Event) error { later <- e; return nil })
		io.OnEvent("bad", func(context.Context, *worker.Socket, *worker.Event) error { return errors.New("no good") })
		io.OnEvent("panic", func(context.Context, *worker.Socket, *worker.Event) error { panic("no good") })
		io.OnEvent("plain", func(ctx context.Context, s *worker.Socket, _ *worker.Event) error { return s.Traced(ctx).Emit("end") })
		io.OnError(func(context.Context, *worker.Socket, string, error) {})
	})
	c := g.dial(app, "/")
	c.answering(func(backplane.Payload) *backplane.Msg { return &backplane.Msg{Data: []byte("[1]")} })
	_, root := provider.Tracer("gateway").Start(t.Context(), "event")
	parent := root.SpanContext()
	c.traced(parent, "", `["ask"]`)
	c.traced(parent, g.conn.SocketAck(c.id, "1"), `["later"]`)
	c.traced(parent, "", `["bad"]`)
	c.traced(parent, "", `["panic"]`)
	c.traced(parent, "", `["unknown to the application"]`)
	c.traced(parent.WithTraceFlags(0), "", `["plain"]`)
	c.send(`["plain"]`)
	if err := receive(t, later, "the event").Ack(); err != nil {
		t.Fatal(err)
	}
	receive(t, c.acks, "the acknowledgement")
	for ends := 0; ends < 2; {
		if got := receive(t, c.got, "the end"); strings.Contains(string(got.JSON), "end") {
			ends++
		}
	}
	root.End()
	want := []string{
		"acknowledge of handle later", "emit all of handle ask", "emit one of handle ask", "emit question of handle ask", "event of ",
		"handle ask of event", "handle bad of event: no good", "handle later of event", "handle of event", "handle panic of event: worker: handler panicked: no good",
	}
	eventually(t, "all spans have ended", func() bool { return len(described(spans)) >= len(want) })
	if got := described(spans); !slices.Equal(got, want) {
		t.Errorf("spans:\n%s", strings.Join(got, "\n"))
	}
	for _, s := range spans.GetSpans() {
		if s.SpanContext.TraceID() != parent.TraceID() {
			t.Errorf("%s is of another trace", s.Name)
		}
	}
}

// Without a provider a worker does not look at traces, whoever makes them.
func TestNoTracer(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/").OnEvent("e", func(ctx context.Context, s *worker.Socket, _ *worker.Event) error {
			if trace.SpanContextFromContext(ctx).IsValid() {
				t.Error("a span in the context")
			}
			return s.Traced(ctx).Emit("end")
		})
	})
	c := g.dial(app, "/")
	_, root := sdk.NewTracerProvider().Tracer("gateway").Start(t.Context(), "event")
	c.traced(root.SpanContext(), "", `["e"]`)
	c.expect(`["end"]`)
}
