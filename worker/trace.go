package worker

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"patchbay/backplane"
)

// tracer makes the worker's spans. It is asked for when something is traced, which is seldom.
func (a *App) tracer() trace.Tracer { return a.options.Tracer.Tracer("patchbay/worker") }

// trace begins the span of an event's handlers, and makes it the one of their context, if the gateway traces the event. known says
// that the application has handlers of that name: others are the client's choice, of which there is no end.
func (e *Event) trace(s *Socket, m *backplane.Msg, known bool) {
	if e.app.options.Tracer == nil || len(m.Header) == 0 {
		return
	}
	parent := backplane.TraceOf(m)
	if parent == nil {
		return
	}
	name, text := "handle", backplane.TraceName(e.Name)
	if known {
		name += " " + text
	}
	ctx, span := e.app.tracer().Start(trace.ContextWithSpanContext(e.scope.Context, *parent), name,
		trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("patchbay.event", text), attribute.String("patchbay.namespace", backplane.TraceName(s.nsp.name)),
			attribute.String("patchbay.socket", s.id), attribute.String("patchbay.worker", e.app.options.ID),
			attribute.Int64("patchbay.number", int64(e.Number)), attribute.Bool("patchbay.redelivered", e.Redelivered)))
	e.scope.Context, e.span = ctx, span
}

// finish ends a span, if there is one.
func finish(span trace.Span, err error) {
	if span == nil {
		return
	}
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, backplane.TraceName(err.Error()))
	}
	span.End()
}

// failed notes a handler's error on the event's span, if it has one.
func (e *Event) failed(err error) {
	if e.span != nil {
		e.span.RecordError(err)
		e.span.SetStatus(codes.Error, backplane.TraceName(err.Error()))
	}
}

// acknowledge publishes the acknowledgement, under a span of its own if the event has one.
func (e *Event) acknowledge(conn *backplane.Conn, p backplane.Payload) error {
	m := backplane.EncodePayload(e.reply, "", p)
	if e.span == nil {
		return conn.Acknowledge(m)
	}
	_, span := e.app.tracer().Start(trace.ContextWithSpan(context.Background(), e.span), "acknowledge", trace.WithSpanKind(trace.SpanKindProducer))
	backplane.SetTrace(m, backplane.TraceParent(span.SpanContext()))
	err := conn.Acknowledge(m)
	finish(span, err)
	return err
}

// Traced makes emits part of the trace of ctx: that of an event's handler, or a span of the application's own. It shows them up to
// the gateways that deliver them. Without [Options.Tracer], and where ctx's trace is not sampled, it does nothing. EmitAck,
// which has a context, does it of itself.
//
//	io.To("lobby").Traced(ctx).Emit("news", 1)
func (t Target) Traced(ctx context.Context) Target {
	if t.nsp.app.options.Tracer == nil {
		return t
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() && sc.IsSampled() {
		parent := sc // on the heap then, and only then
		t.trace = &parent
	}
	return t
}

// begin begins the span of an emit; nil if it is of no trace. The target's emits name it from then on.
func (t *Target) begin(event string) trace.Span {
	if t.trace == nil {
		return nil
	}
	a := t.nsp.app
	_, span := a.tracer().Start(trace.ContextWithSpanContext(context.Background(), *t.trace), "emit "+backplane.TraceName(event),
		trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
			attribute.String("patchbay.namespace", backplane.TraceName(t.nsp.name)), attribute.Int("patchbay.rooms", len(t.rooms)),
			attribute.String("patchbay.worker", a.options.ID)))
	own := span.SpanContext()
	t.trace = &own
	return span
}

// Traced makes emits part of the trace of ctx; see [Target.Traced].
func (s *Socket) Traced(ctx context.Context) Direct { return s.direct().Traced(ctx) }

// Traced makes emits part of the trace of ctx; see [Target.Traced].
func (d Direct) Traced(ctx context.Context) Direct { return Direct{d.t.Traced(ctx)} }

// Traced makes emits part of the trace of ctx; see [Target.Traced].
func (n *Namespace) Traced(ctx context.Context) Target { return n.All().Traced(ctx) }
