package tracing

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	pb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is one with these variables alone.
func environment(of map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := of[name]; return v, ok }
}

func TestRatio(t *testing.T) {
	for _, c := range []struct {
		flag         float64
		sampler, arg string
		want         float64
		bad          bool
	}{
		{flag: 0},
		{flag: 0.25, want: 0.25},
		{sampler: "always_on", want: 1},
		{sampler: "parentbased_always_off"},
		{sampler: "parentbased_traceidratio", arg: "0.5", want: 0.5},
		{sampler: "traceidratio", want: 1},
		{flag: 0.25, sampler: "always_on", want: 0.25},
		{sampler: "traceidratio", arg: "2", bad: true},
		{sampler: "traceidratio", arg: "NaN", bad: true},
		{sampler: "jaeger_remote", bad: true},
	} {
		v := map[string]string{"OTEL_TRACES_SAMPLER": c.sampler, "OTEL_TRACES_SAMPLER_ARG": c.arg}
		got, err := Ratio(c.flag, environment(v))
		if got != c.want || errors.Is(err, ErrSetting) != c.bad {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
		v["OTEL_SDK_DISABLED"] = "true"
		if got, err := Ratio(c.flag, environment(v)); got != 0 || err != nil {
			t.Errorf("%+v, and disabled: %v, %v", c, got, err)
		}
	}
}

func TestWanted(t *testing.T) {
	for _, c := range []struct {
		v    map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, false},
		{map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, true},
		{map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, false},
	} {
		if got := Wanted(environment(c.v)); got != c.want {
			t.Errorf("%v: %v", c.v, got)
		}
	}
}

func TestEndpoint(t *testing.T) {
	for _, c := range []struct{ all, traces, want string }{
		{"", "", "http://localhost:4318/v1/traces"},
		{"https://c:1/otlp/", "", "https://c:1/otlp/v1/traces"},
		{"https://c:1", "http://t:2/x", "http://t:2/x"},
		{"http://me:hidden@c:1", "", "http://me:hidden@c:1/v1/traces"},
	} {
		client, err := newClient(environment(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.all, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.traces}))
		if err != nil || client.endpoint != c.want || strings.Contains(client.shown, "hidden") {
			t.Errorf("%+v: %v, %v", c, client, err)
		}
	}
}

func TestBadSettings(t *testing.T) {
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "hidden:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "brotli", "OTEL_EXPORTER_OTLP_HEADERS": "key=hidden,else", "OTEL_EXPORTER_OTLP_CERTIFICATE": "nowhere.pem",
	} {
		_, err := Open(t.Context(), Options{Lookup: environment(map[string]string{name: value}), Log: zap.NewNop()})
		if !errors.Is(err, ErrSetting) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// collector takes spans by OTLP over HTTP.
type collector struct {
	*httptest.Server
	mu     sync.Mutex
	refuse []int // statuses of the next answers
	asked  int
	header http.Header
	spans  []*pb.ResourceSpans
}

func newCollector(t *testing.T, refuse ...int) *collector {
	c := &collector{refuse: refuse}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP implements http.Handler.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	if len(c.refuse) > 0 {
		w.WriteHeader(c.refuse[0])
		c.refuse = c.refuse[1:]
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzip, err := gzip.NewReader(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unzip
	}
	data, err := io.ReadAll(body)
	var got pb.TracesData
	if err != nil || proto.Unmarshal(data, &got) != nil || r.URL.Path != "/v1/traces" || r.Method != http.MethodPost {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.header = r.Header
	c.spans = append(c.spans, got.ResourceSpans...)
}

func count(t *testing.T, r *prometheus.Registry, what string) (n float64) {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			if labels := m.GetLabel(); f.GetName() == "patchbay_trace_spans_total" && len(labels) == 1 && labels[0].GetValue() == what {
				n = value(m)
			}
		}
	}
	return n
}

func value(m *dto.Metric) float64 { return m.GetCounter().GetValue() }

// Spans arrive, with what the environment says of the process, although the collector refuses at first; what it refuses for good is
// counted as failed, and stops nothing.
func TestSend(t *testing.T) {
	for name, c := range map[string]struct {
		refuse       []int
		asked        int
		sent, failed float64
	}{
		"taken":               {nil, 1, 1, 0},
		"taken the third try": {[]int{503, 429}, 3, 1, 0},
		"refused":             {[]int{400}, 1, 0, 1},
		"sent elsewhere":      {[]int{307}, 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			to, metrics := newCollector(t, c.refuse...), prometheus.NewRegistry()
			tr, err := Open(t.Context(), Options{Service: "a part", Metrics: metrics, Log: zap.NewNop(), Lookup: environment(map[string]string{
				"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b , other = c", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
			})})
			if err != nil {
				t.Fatal(err)
			}
			tr.client.pause = time.Millisecond
			_, span := tr.Provider().Tracer("x").Start(t.Context(), "a span")
			span.End()
			if err := tr.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			to.mu.Lock()
			defer to.mu.Unlock()
			if to.asked != c.asked || count(t, metrics, "ended") != 1 || count(t, metrics, "sent") != c.sent || count(t, metrics, "failed") != c.failed {
				t.Errorf("asked %d times; sent %v, failed %v", to.asked, count(t, metrics, "sent"), count(t, metrics, "failed"))
			}
			if c.sent == 0 {
				return
			}
			if len(to.spans) != 1 || to.spans[0].ScopeSpans[0].Spans[0].Name != "a span" || to.header.Get("Api-Key") != "a b" || to.header.Get("Other") != "c" {
				t.Fatalf("%v, headers %v", to.spans, to.header)
			}
			service := ""
			for _, a := range to.spans[0].Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			if service != "a part" {
				t.Errorf("service %q", service)
			}
		})
	}
}

// A collector that is not there does not hold up a stop for longer than its bound, and is no error.
func TestStopWithoutCollector(t *testing.T) {
	to := newCollector(t)
	to.Close()
	metrics := prometheus.NewRegistry()
	tr, err := Open(t.Context(), Options{Metrics: metrics, Log: zap.NewNop(), Lookup: environment(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL})})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.Provider().Tracer("x").Start(t.Context(), "a span")
	span.End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the other parts have taken all the time there was
	tr.patience = time.Millisecond
	if err := tr.Stop(ctx); err != nil {
		t.Error(err)
	}
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for count(t, metrics, "failed") != 1 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the upload goes on")
		}
	}
	var none *Tracing
	if none.Provider() != nil || none.Ready() != nil || none.Stop(ctx) != nil {
		t.Error("no tracing does something")
	}
}
