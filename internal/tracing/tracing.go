package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
)

// ErrSetting reports a variable whose value cannot be used.
var ErrSetting = errors.New("tracing: invalid setting")

// Options configures a Tracing.
type Options struct {
	// Service is the program's name, which OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before.
	Service string
	// Lookup returns a variable of the environment; os.LookupEnv but in tests.
	Lookup func(string) (string, bool)
	Log    *zap.Logger
	// Metrics, if set, is where the spans are counted.
	Metrics prometheus.Registerer
}

// Tracing is what makes a process's spans and sends them. A nil one makes none. Its methods may be called from any goroutine.
type Tracing struct {
	provider *sdk.TracerProvider
	client   *client
	log      *zap.Logger
	patience time.Duration // of Stop
}

// stopTimeout is how long a process that stops goes on sending spans: the collector may be gone.
const stopTimeout = 3 * time.Second

// Open begins to send spans. Nothing is asked of the collector: it may come later. The samplers of the environment are asked by Ratio
// alone; what is begun is sent.
func Open(ctx context.Context, o Options) (*Tracing, error) {
	c, err := newClient(variables(o.Lookup))
	if err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(attribute.String("service.name", o.Service)), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSetting, err)
	}
	spans := NewMetrics(o.Metrics)
	batches := sdk.NewBatchSpanProcessor(&teller{exporter, o.Log, spans})
	provider := sdk.NewTracerProvider(
		sdk.WithResource(about), sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())),
		sdk.WithSpanProcessor(counter{batches, spans.WithLabelValues("ended")}))
	o.Log.Info("traces go to a collector", zap.String("endpoint", c.shown))
	return &Tracing{provider, c, o.Log, stopTimeout}, nil
}

// Provider is what gateways and workers are given; nil of a nil Tracing.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Ready implements ops.Part: a process is ready without a collector.
func (t *Tracing) Ready() error { return nil }

// Stop sends what waits, for 3 s at most, and stops. They are its own, whatever the other parts have left of ctx. What is lost then is
// logged, and no fault of the process: it returns nil.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.patience)
	defer cancel()
	err := t.provider.Shutdown(ctx)
	t.client.halt()
	t.client.http.CloseIdleConnections()
	if err != nil {
		t.log.Warn("spans are lost: there was no time to send them", zap.Error(err))
	}
	return nil
}

// NewMetrics makes the count of spans. Those that have ended, less those that were sent or failed, wait or were dropped.
func NewMetrics(r prometheus.Registerer) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "patchbay", Subsystem: "trace", Name: "spans_total",
		Help: "Spans of traces: ended, sent to the collector, and failed to be sent. What ended and is neither sent nor failed, waits or was dropped.",
	}, []string{"what"})
	for _, what := range []string{"ended", "sent", "failed"} {
		c.WithLabelValues(what)
	}
	if r != nil {
		r.MustRegister(c)
	}
	return c
}

// counter counts spans on their way to the queue.
type counter struct {
	sdk.SpanProcessor
	ended prometheus.Counter
}

// OnEnd implements sdk.SpanProcessor.
func (c counter) OnEnd(s sdk.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		c.ended.Inc()
	}
	c.SpanProcessor.OnEnd(s)
}

// teller counts and logs what becomes of spans, in place of the SDK's global error handler.
type teller struct {
	sdk.SpanExporter
	log   *zap.Logger
	spans *prometheus.CounterVec
}

// ExportSpans implements sdk.SpanExporter.
func (t *teller) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	what := "sent"
	if err := t.SpanExporter.ExportSpans(ctx, spans); err != nil {
		what = "failed"
		t.log.Warn("spans are lost: the collector has not taken them", zap.Int("spans", len(spans)), zap.Error(err))
	}
	t.spans.WithLabelValues(what).Add(float64(len(spans)))
	return nil
}

// variables reads the environment as the OpenTelemetry specification wants it: an empty value is none.
type variables func(string) (string, bool)

func (v variables) get(names ...string) string {
	for _, name := range names {
		if text, _ := v(name); text != "" {
			return text
		}
	}
	return ""
}

// off reports whether the environment wants no traces.
func (v variables) off() bool {
	return v.get("OTEL_SDK_DISABLED") == "true" || v.get("OTEL_TRACES_EXPORTER") == "none"
}

// Ratio is the share of events to trace: that of the flag or, if that is 0, the one that OTEL_TRACES_SAMPLER and
// OTEL_TRACES_SAMPLER_ARG say, if they are set. 0 means none.
func Ratio(flag float64, lookup func(string) (string, bool)) (float64, error) {
	v := variables(lookup)
	if v.off() {
		return 0, nil
	}
	if flag != 0 {
		return flag, nil
	}
	switch sampler := v.get("OTEL_TRACES_SAMPLER"); sampler {
	case "", "always_off", "parentbased_always_off":
		return 0, nil
	case "always_on", "parentbased_always_on":
		return 1, nil
	case "traceidratio", "parentbased_traceidratio":
		text := v.get("OTEL_TRACES_SAMPLER_ARG")
		if text == "" {
			return 1, nil
		}
		ratio, err := strconv.ParseFloat(text, 64)
		if err != nil || !(ratio >= 0 && ratio <= 1) {
			return 0, fmt.Errorf("%w: OTEL_TRACES_SAMPLER_ARG %q is not 0 to 1", ErrSetting, text)
		}
		return ratio, nil
	default:
		return 0, fmt.Errorf("%w: OTEL_TRACES_SAMPLER %q", ErrSetting, sampler)
	}
}

// Wanted reports whether the environment names a collector, which is when workers make spans for what gateways trace.
func Wanted(lookup func(string) (string, bool)) bool {
	v := variables(lookup)
	return !v.off() && v.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") != ""
}

// retriable reports whether a collector's answer says that another try may help.
func retriable(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
