package gateway

import (
	"context"
	"fmt"
	"math/rand/v2"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"patchbay/backplane"
)

// TraceOptions say which events are traced. A trace begins with a client's event; see docs/tracing.md.
type TraceOptions struct {
	// Ratio counts as 0 without a Provider.
	Ratio float64 `name:"trace-ratio" default:"0" help:"Share of clients' events that are traced, from 0, none, to 1, all. OTEL_EXPORTER_OTLP_ENDPOINT says where to."`
	// Provider makes the spans of the traces that begin here or come by here; without one there are none.
	Provider trace.TracerProvider `kong:"-"`
}

func (o *TraceOptions) check() error {
	if !(o.Ratio >= 0 && o.Ratio <= 1) { // NaN too
		return fmt.Errorf("%w: trace ratio %v is not 0 to 1", ErrOptions, o.Ratio)
	}
	return nil
}

// What became of a traced event that no worker has confirmed.
const (
	outcomeAbandoned = "abandoned" // its client is gone, or its socket has moved
	outcomePoison    = "poison"    // dropped: workers were lost with it
)

// tracer makes the gateway's spans. Safe for concurrent use. A nil one makes none.
type tracer struct {
	trace.Tracer
	ratio float64
	node  attribute.KeyValue
}

func newTracer(o *Options) *tracer {
	if o.Trace.Provider == nil {
		return nil
	}
	return &tracer{o.Trace.Provider.Tracer("patchbay/gateway"), o.Trace.Ratio, attribute.String("patchbay.node", o.ID)}
}

// traced is an event whose trace is sampled. Owned by its loop.
type traced struct {
	span   trace.Span // from its arrival until it is confirmed; nil if it came to another node
	parent string     // names it, for the worker
}

// begin begins the trace of an event, or most often not: then it returns nil. What clients say of traces of their own does not count.
func (t *tracer) begin(k *socket, p backplane.Payload) *traced {
	if t == nil || rand.Float64() >= t.ratio {
		return nil
	}
	return t.beginNow(k, p)
}

func (t *tracer) beginNow(k *socket, p backplane.Payload) *traced {
	size := len(p.JSON)
	for _, a := range p.Attachments {
		size += len(a)
	}
	_, span := t.Start(context.Background(), "event", trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		t.node, attribute.String("patchbay.namespace", backplane.TraceName(k.nsp.name)), attribute.String("patchbay.socket", k.id),
		attribute.Int("patchbay.bytes", size)))
	parent := backplane.TraceParent(span.SpanContext())
	if parent == "" { // the provider knows better
		span.End()
		return nil
	}
	return &traced{span, parent}
}

// sent notes that the event is on its way to a worker, in a message that is to name its span.
func (t *traced) sent(m *backplane.Msg, worker string) {
	backplane.SetTrace(m, t.parent)
	if t.span != nil {
		t.span.AddEvent("given", trace.WithAttributes(attribute.String("patchbay.worker", worker)))
	}
}

func (t *traced) end() {
	if t.span != nil {
		t.span.End()
	}
}

// header names the event's span; "" if there is none.
func (t *traced) header() string {
	if t == nil {
		return ""
	}
	return t.parent
}

// carried is an event whose span began at another node and has ended there; nil if it has none.
func carried(parent string) *traced {
	if parent == "" {
		return nil
	}
	return &traced{parent: parent}
}

// mark says what becomes of the first n events, which are about to be dropped.
func (g *ledger) mark(n int, outcome string) {
	for i := range n {
		t := g.at(i).trace
		if t == nil || t.span == nil {
			continue
		}
		t.span.SetAttributes(attribute.String("patchbay.outcome", outcome))
		if outcome == outcomePoison {
			t.span.SetStatus(codes.Error, "dropped: each worker that had it was lost")
		}
	}
}

// parent is the span that a message comes from; nil if it is of no trace, or nothing is traced here.
func (t *tracer) parent(m *backplane.Msg) *trace.SpanContext {
	if t == nil {
		return nil
	}
	return backplane.TraceOf(m)
}

// deliver begins the span of a delivery to a loop's clients.
func (t *tracer) deliver(l *loop, parent *trace.SpanContext, what string) trace.Span {
	_, span := t.Start(trace.ContextWithSpanContext(context.Background(), *parent), "deliver "+what, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(t.node, attribute.Int("patchbay.loop", l.index)))
	return span
}
