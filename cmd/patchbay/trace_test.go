package main

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	pb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// received are spans that came by OTLP over HTTP: parents by span id, and names. Safe for concurrent use.
type received struct {
	mu      sync.Mutex
	names   map[string]string
	parents map[string]string
	service string
}

// ServeHTTP implements http.Handler.
func (r *received) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	data, err := io.ReadAll(request.Body)
	var got pb.TracesData
	if err != nil || proto.Unmarshal(data, &got) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, part := range got.ResourceSpans {
		for _, a := range part.Resource.Attributes {
			if a.Key == "service.name" {
				r.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range part.ScopeSpans {
			for _, s := range scope.Spans {
				r.names[string(s.SpanId)], r.parents[string(s.SpanId)] = s.Name, string(s.ParentSpanId)
			}
		}
	}
}

// has reports whether a span has come whose ancestors, itself first, have these names.
func (r *received) has(line ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
next:
	for id := range r.names {
		for _, name := range line {
			if r.names[id] != name {
				continue next
			}
			id = r.parents[id]
		}
		return id == ""
	}
	return false
}

// TestTraceFlag: with --trace-ratio the demo sends what becomes of a chat message to a collector, from the gateway to the worker and back;
// the environment says where to, and under what name.
func TestTraceFlag(t *testing.T) {
	spans := &received{names: map[string]string{}, parents: map[string]string{}}
	collector := httptest.NewServer(spans)
	defer collector.Close()
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "") // none, by the specification
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	t.Setenv("OTEL_SERVICE_NAME", "chat of the tests")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
	listen := freeAddress(t)
	r := start(t, "", "demo", "--listen", listen, "--trace-ratio", "1", "--drain-timeout", "0")
	conn, buffered, _, err := ws.Dial(t.Context(), "ws://"+listen+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if buffered == nil {
		buffered = bufio.NewReader(conn)
	}
	say := func(packet, answer string) {
		t.Helper()
		if err := wsutil.WriteClientText(conn, []byte(packet)); err != nil {
			t.Fatal(err)
		}
		for {
			text, err := wsutil.ReadServerText(readWriter{buffered, conn})
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(text), answer) {
				return
			}
		}
	}
	say("40", "40{")
	say(`420["join","lobby","ada"]`, "430[")
	say(`421["chatMessage","hello"]`, "431[")
	for _, line := range [][]string{
		{"deliver acknowledgement", "acknowledge", "handle chatMessage", "event"},
		{"deliver event", "emit chatMessage", "handle chatMessage", "event"},
	} {
		r.await(strings.Join(line, " of "), func() bool { return spans.has(line...) })
	}
	if spans.service != "chat of the tests" {
		t.Errorf("service %q", spans.service)
	}
	if _, text := r.ask(http.MethodGet, "/metrics"); !strings.Contains(text, `patchbay_trace_spans_total{what="sent"}`) {
		t.Error("the metrics do not tell")
	}
}

// readWriter reads what the handshake left over first.
type readWriter struct {
	*bufio.Reader
	io.Writer
}
