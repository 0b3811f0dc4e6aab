package backplane

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// HeaderTrace names the span that a message comes from, as in W3C Trace Context. Messages of sampled traces alone have it.
const HeaderTrace = "traceparent"

// maxTraceName is how much of a name a span tells, in bytes: clients choose some of them.
const maxTraceName = 128

// TraceParent is a span's context as HeaderTrace has it; "" unless its trace is sampled.
func TraceParent(sc trace.SpanContext) string {
	if !sc.IsValid() || !sc.IsSampled() {
		return ""
	}
	headers := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), sc), headers)
	return headers[HeaderTrace]
}

// TraceOf reads the header; nil if there is none, or none that makes sense, or its trace is not sampled.
func TraceOf(m *Msg) *trace.SpanContext {
	text := get(m, HeaderTrace)
	if text == "" {
		return nil
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{HeaderTrace: text})
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() || !sc.IsSampled() {
		return nil
	}
	return &sc
}

// SetTrace notes on a message what TraceParent returned; "" notes nothing.
func SetTrace(m *Msg, parent string) { set(m, HeaderTrace, parent) }

// TraceName is a name as spans tell it: valid UTF-8, and cut if it is long.
func TraceName(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), maxTraceName)], "")
}
