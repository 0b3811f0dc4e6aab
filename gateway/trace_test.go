package gateway

import (
	"errors"
	"math"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// traceAll has a gateway trace all events.
func traceAll(to *tracetest.InMemoryExporter) func(*Options) {
	return func(o *Options) {
		o.Trace = TraceOptions{Ratio: 1, Provider: sdk.NewTracerProvider(sdk.WithSyncer(to))}
	}
}

// spanOutcomes are those of the event spans that have ended, oldest first; "" if they were confirmed.
func spanOutcomes(spans *tracetest.InMemoryExporter) (all []string, failed int) {
	for _, s := range spans.GetSpans() {
		outcome := ""
		for _, a := range s.Attributes {
			if a.Key == "patchbay.outcome" {
				outcome = a.Value.AsString()
			}
		}
		all = append(all, outcome)
		if s.Status.Code == codes.Error {
			failed++
		}
	}
	return all, failed
}

// An event's span lasts until a worker has confirmed the event, and says what else became of it. Each worker that gets the event gets the
// span's name.
func TestEventSpan(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	r := newRig(t, traceAll(spans), func(o *Options) { o.Limits.Deliveries = 2 })
	c, id := r.join("")
	parent := func(number, again uint64) string {
		e := r.app.expectNumber(number, again, again > 0)
		if e.trace == "" {
			t.Fatalf("event %d names no span", number)
		}
		return e.trace
	}
	ended := func(want ...string) {
		t.Helper()
		eventually(t, "the spans have ended", func() bool { all, _ := spanOutcomes(spans); return len(all) >= len(want) })
		if all, _ := spanOutcomes(spans); len(all) != len(want) || all[len(all)-1] != want[len(want)-1] {
			t.Fatalf("outcomes %q, want %q", all, want)
		}
	}
	c.Send(`42["e",1]`)
	parent(1, 0)
	if all, _ := spanOutcomes(spans); len(all) > 0 {
		t.Error("a span has ended before its event was confirmed")
	}
	r.app.confirm("g1", id, 1)
	ended("")

	r.app.serve(r.app.conn.WorkerAll("w2"))
	r.app.serve(r.app.conn.WorkerAll("w3"))
	c.Send(`42["e",2]`)
	first := parent(2, 0)
	r.app.lose(backplane.Lost{Worker: "w1"}, "w2")
	if again := parent(2, 1); again != first {
		t.Errorf("redelivered as part of %s, was of %s", again, first)
	}
	r.app.lose(backplane.Lost{Worker: "w2"}, "w3")
	ended("", outcomePoison)
	if _, failed := spanOutcomes(spans); failed != 1 {
		t.Errorf("%d spans say that they have failed", failed)
	}

	c.Send(`42["e",3]`)
	parent(3, 0)
	c.net.Close()
	ended("", outcomePoison, outcomeAbandoned)
}

// A traced event that moves to another node names the same span there, although that has ended.
func TestEventSpanMoves(t *testing.T) {
	var g, moved ledger
	g.add(payload(`["e"]`), entry{trace: &traced{parent: "00-a-b-01"}})
	g.add(payload(`["e"]`), entry{})
	k := &socket{nsp: &namespace{loop: &loop{}}, debts: debts{ledger: &g}}
	box := &boxed{Events: k.boxEvents()}
	k = &socket{nsp: k.nsp}
	k.unboxEvents(box)
	moved = *k.ledger
	if got := moved.at(0).trace.header(); got != "00-a-b-01" || moved.at(1).trace != nil {
		t.Errorf("%q, %v", got, moved.at(1).trace)
	}
	moved.mark(2, outcomeAbandoned) // there is no span to say so
	moved.drop(2)
}

// What is not traced costs nothing: without a provider, and for the events that are not drawn.
func TestTraceAllocates(t *testing.T) {
	p := payload(`["e"]`)
	for name, o := range map[string]TraceOptions{"off": {}, "not drawn": {Provider: sdk.NewTracerProvider()}} {
		tr := newTracer(&Options{Trace: o})
		m := backplane.EncodePayload("a", "", p)
		if n := testing.AllocsPerRun(100, func() {
			if tr.begin(nil, p) != nil || tr.parent(m) != nil {
				t.Error("traced")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestTraceRatio(t *testing.T) {
	for _, ratio := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := (Options{Trace: TraceOptions{Ratio: ratio}}).withDefaults(); !errors.Is(err, ErrOptions) {
			t.Errorf("%v: %v", ratio, err)
		}
	}
	// A provider that samples less than it is asked for has the last word.
	spans := tracetest.NewInMemoryExporter()
	r := newRig(t, func(o *Options) {
		o.Trace = TraceOptions{Ratio: 1, Provider: sdk.NewTracerProvider(sdk.WithSyncer(spans), sdk.WithSampler(sdk.NeverSample()))}
	})
	c, _ := r.join("")
	c.Send(`42["e",1]`)
	if e := r.app.expectNumber(1, 0, false); e.trace != "" || len(spans.GetSpans()) > 0 {
		t.Errorf("traced: %q", e.trace)
	}
}

// BenchmarkTrace is BenchmarkEvent with a share of the events traced; the spans are made, and go nowhere.
func BenchmarkTrace(b *testing.B) {
	for name, o := range map[string]TraceOptions{
		"off": {}, "0.001": {Ratio: 0.001, Provider: sdk.NewTracerProvider()}, "1": {Ratio: 1, Provider: sdk.NewTracerProvider()},
	} {
		b.Run(name, func(b *testing.B) {
			r, l := bench(b)
			r.gw.tracer = newTracer(&Options{ID: "g1", Trace: o})
			k := dummy(l, false).session.sockets[0]
			r.sink(k.worker)
			p := payload(`["news",{"a":1,"b":"some text of a common length"}]`)
			b.ReportAllocs()
			for b.Loop() {
				k.event(socketio.Packet{}, p)
				k.confirm(k.number)
			}
		})
	}
}
