package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/internal/ops"
	"patchbay/internal/tracing"
	"patchbay/router"
	"patchbay/worker"
)

const metricsPage = "../../docs/metrics.md"

const metricsHead = `# Metrics

Every part tells its metrics on its internal listener, at ` + "`/metrics`" + `. This page is made from the code, by ` + "`make docs`" + `; a test fails when it
is out of date. Beside these there are Go's own (` + "`go_*`" + `) and the process's (` + "`process_*`" + `: CPU, memory, descriptors).

Counters grow from a process's start. Labels are bounded sets: no name that a client or an application chooses is one. The dashboard is
[deploy/grafana/dashboards/patchbay.json](../deploy/grafana/dashboards/patchbay.json), the alerts are [deploy/prometheus/alerts.yml](../deploy/prometheus/alerts.yml), and what to do about
each is in the [runbook](runbook.md).
`

// described is one metric, as the code declares it.
type described struct{ name, kind, labels, help string }

// recorder is a registry that keeps what is registered, so that metrics without a value yet are known too.
type recorder struct {
	*prometheus.Registry
	all map[string]described
}

// Register implements prometheus.Registerer.
func (r *recorder) Register(c prometheus.Collector) error {
	if err := r.Registry.Register(c); err != nil {
		return err
	}
	descriptions := make(chan *prometheus.Desc, 16)
	c.Describe(descriptions)
	close(descriptions)
	for d := range descriptions {
		one := parseDescription(d.String())
		one.kind = kindOf(c)
		r.all[one.name] = one
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *recorder) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// printed is how the client library prints one.
var printed = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", (?:unit: "[^"]*", )?constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

func parseDescription(text string) described {
	m := printed.FindStringSubmatch(text)
	if m == nil {
		panic("the client library prints descriptions in another way: " + text)
	}
	return described{name: m[1], help: strings.ReplaceAll(m[2], `\"`, `"`), labels: strings.ReplaceAll(m[3], ",", ", ")}
}

func kindOf(c prometheus.Collector) string {
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec:
		return "histogram"
	}
	metrics := make(chan prometheus.Metric, 16)
	c.Collect(metrics)
	close(metrics)
	var value dto.Metric
	if err := (<-metrics).Write(&value); err != nil {
		panic(err)
	}
	switch {
	case value.Counter != nil:
		return "counter"
	case value.Histogram != nil:
		return "histogram"
	}
	return "gauge"
}

// declared opens every part, and returns what metrics they have.
func declared(t *testing.T) []described {
	t.Helper()
	server, err := backplane.StartServer(backplane.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	r := &recorder{prometheus.NewRegistry(), map[string]described{}}
	o := backplane.Options{Server: server, Metrics: r}
	parts := make([]ops.Part, 3)
	if parts[0], err = router.Open(t.Context(), router.Options{Backplane: o, Metrics: r}); err != nil {
		t.Fatal(err)
	}
	if parts[1], err = gateway.Open(t.Context(), gateway.Options{Backplane: o, Metrics: r, Listen: "127.0.0.1:0", Log: zap.NewNop()}); err != nil {
		t.Fatal(err)
	}
	w, err := worker.New(worker.Options{Backplane: o, Metrics: r})
	if err != nil {
		t.Fatal(err)
	}
	parts[2] = w
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	r.MustRegister(ops.NewBuildInfo())
	ops.NewReloadMetrics(r)
	tracing.NewMetrics(r)
	registerServer(r, server)
	all := make([]described, 0, len(r.all))
	for _, d := range r.all {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b described) int { return strings.Compare(a.name, b.name) })
	return all
}

// metricsText writes a table for each part.
func metricsText(all []described) string {
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, section := range [][2]string{
		{"build|reload|trace", "Every part"}, {"backplane", "Every part: the backplane"}, {"gateway", "Gateways"}, {"router", "Routers"}, {"worker", "Workers"},
		{"nats", "`patchbay nats`, and gateways with `--embed-nats`"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | labels | meaning |\n|-|-|-|-|\n", section[1])
		for _, d := range all {
			part, _, _ := strings.Cut(strings.TrimPrefix(d.name, "patchbay_"), "_")
			if slices.Contains(strings.Split(section[0], "|"), part) {
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.name, d.kind, d.labels, strings.ReplaceAll(d.help, "|", `\|`))
			}
		}
	}
	return b.String()
}

var update = flag.Bool("update", false, "write docs/metrics.md anew")

func TestMetricsPage(t *testing.T) {
	all := declared(t)
	want := metricsText(all)
	for _, d := range all {
		if !strings.Contains(want, "`"+d.name+"`") {
			t.Errorf("%s belongs to no part that the page has", d.name)
		}
		if len(d.help) < 10 || !strings.HasSuffix(d.help, ".") {
			t.Errorf("%s has no help worth the name: %q", d.name, d.help)
		}
		if (d.kind == "counter") != strings.HasSuffix(d.name, "_total") {
			t.Errorf("%s is a %s: counters, and they alone, end with _total", d.name, d.kind)
		}
	}
	if *update {
		if err := os.WriteFile(metricsPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/metrics.md is not what the code declares: run make docs")
	}
}
