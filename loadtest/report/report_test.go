package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"patchbay/loadtest/process"
	"patchbay/loadtest/report"
	"patchbay/loadtest/scenario"
)

// outcome is a run of two seconds with known numbers: 1,000 deliveries of 10 ms, 5 lost; the gateway used 0.5 s, NATS 0.1 s.
func outcome(t *testing.T) *scenario.Outcome {
	t.Helper()
	o := scenario.Options{
		Clients: 100, Publishers: 1, Server: scenario.Server{URLs: []string{"http://127.0.0.1:1"}, Transport: "websocket"},
		Traffic: scenario.Traffic{Rate: 5, Payload: 128}, Timing: scenario.Timing{Duration: 2 * time.Second, Connecting: 1},
		Shape: scenario.Shape{Loops: 1, PerProcess: 1000},
	}
	plan, err := scenario.NewPlan("fanout", o)
	if err != nil {
		t.Fatal(err)
	}
	usage := func(cpu time.Duration, megabytes int64) scenario.Usage {
		return scenario.Usage{
			"gateway": process.Usage{CPU: cpu, Resident: megabytes * 1e6}, "nats": process.Usage{CPU: cpu / 5, Resident: 10e6},
			scenario.Generator: process.Usage{CPU: cpu / 2, Resident: 30e6},
		}
	}
	out := &scenario.Outcome{
		Plan: plan, Started: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Before: usage(0, 20), Connecting: time.Second,
		Connected: scenario.Point{Usage: usage(101*time.Millisecond, 21)},
		Begin:     scenario.Point{Usage: usage(200*time.Millisecond, 21)},
		Audit:     scenario.Audit{Expected: 1005, Lost: 5, Faults: []scenario.Fault{{Room: 0, Sender: 0, Lost: 5}}, Causes: map[string]int{"<script>EOF</script>": 3}},
		Notes:     []string{"a note"},
	}
	for i := range 2 {
		p := scenario.Point{At: time.Duration(i+1) * time.Second, Usage: usage(time.Duration(450+250*i)*time.Millisecond, 22+int64(i))}
		p.Sample.Counters = scenario.Counters{Sent: uint64(5 * (i + 1)), Delivered: uint64(500 * (i + 1)), Connects: 101}
		p.Sample.Present = 101
		for range 500 {
			p.Sample.Histograms.Latency.Record(10 * time.Millisecond)
		}
		p.Sample.Histograms.Late.Record(time.Duration(i+1) * time.Millisecond)
		out.Points = append(out.Points, p)
	}
	out.Rest = out.Points[1].Sample
	out.Rest.Histograms = scenario.Histograms{}
	return out
}

func TestNew(t *testing.T) {
	r := report.New(outcome(t), []string{"gateway", "nats"}, "ours", "patchbay load fanout")
	if r.Seconds != 2 || r.Counts.Delivered != 1000 || r.Connect.Rate != 101 {
		t.Errorf("got %v s, %d deliveries, %v connections a second", r.Seconds, r.Counts.Delivered, r.Connect.Rate)
	}
	if p := r.Times.Latency; p.Count != 1000 || p.P99 < 9.9 || p.P99 > 10.1 {
		t.Errorf("latency: %+v", p)
	}
	if len(r.Costs) != 3 {
		t.Fatalf("costs: %+v, want two and their sum", r.Costs)
	}
	gateway, all := r.Costs[0], r.Costs[2]
	if gateway.PerUnit != 500 || gateway.PerConnect != 1000 || gateway.Highest != 23e6 {
		t.Errorf("gateway: %+v, want 500 µs a delivery, 1000 µs a connection, 23 MB", gateway)
	}
	if all.Name != report.Sum || all.PerUnit < 599 || all.PerUnit > 601 {
		t.Errorf("all: %+v, want 600 µs a delivery", all)
	}
	if len(r.Timeline) != 2 || r.Timeline[1].Delivered != 500 || r.Timeline[1].CPU["gateway"] != 0.25 {
		t.Errorf("timeline: %+v", r.Timeline)
	}
	if r.Load.Bottle != "" {
		t.Errorf("a quarter of a core is no bottleneck: %s", r.Load.Bottle)
	}
}

func TestBottleneck(t *testing.T) {
	busy := outcome(t)
	for i, p := range busy.Points {
		p.Usage[scenario.Generator] = process.Usage{CPU: time.Duration(i+1) * 1100 * time.Millisecond}
	}
	late := outcome(t)
	late.Points[0].Sample.Histograms.Late.Record(time.Second)
	unsent := outcome(t)
	unsent.Rest.Counters.Unsent = 7
	for name, o := range map[string]*scenario.Outcome{"busy": busy, "late": late, "unsent": unsent} {
		if r := report.New(o, nil, "", ""); r.Load.Bottle == "" {
			t.Errorf("%s: not noticed: %+v", name, r.Load)
		}
	}
}

func TestObjectives(t *testing.T) {
	r := report.New(outcome(t), []string{"gateway", "nats"}, "", "")
	for text, want := range map[string]bool{
		"": true, "p99<50ms": true, "p99 < 5ms": false, "p99<=11ms, lost<=5": true, "lost=0": false, "lost<6,repeated=0,reordered=0": true,
		"rate>=500": true, "rate>500": false, "cpu<601": true, "cpu<599": false, "p50>1us,max<1s": true,
		"back_p99<1h":  false, // nothing came back: what was not measured meets nothing
		"bottleneck=0": true,
	} {
		objectives, err := report.ParseObjectives(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if err := r.Judge(objectives); (err == nil) != want || err != nil && !errors.Is(err, report.ErrMissed) {
			t.Errorf("%q: got %v, want it met: %v", text, err, want)
		}
	}
	for _, text := range []string{"p99", "p99<", "p98<1ms", "p99<50", "lost<5ms", "lost<x", "<5"} {
		if _, err := report.ParseObjectives(text); !errors.Is(err, report.ErrObjective) {
			t.Errorf("%q: got %v, want ErrObjective", text, err)
		}
	}
	none := report.New(&scenario.Outcome{Plan: outcome(t).Plan}, nil, "", "")
	for _, name := range []string{"p99<1h", "cpu<1e9", "memory<1e12", "lost=0", "repeated=0", "reordered=0", "bytes<1e9"} {
		objectives, err := report.ParseObjectives(name)
		if err != nil || none.Judge(objectives) == nil {
			t.Errorf("%s: met by a run that measured nothing (%v)", name, err)
		}
	}
}

// Every measure that the manual lists is known, and no other.
func TestMeasures(t *testing.T) {
	for _, name := range report.Measures() {
		if _, err := report.ParseObjectives(name + "=0"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestText(t *testing.T) {
	var b bytes.Buffer
	if err := report.New(outcome(t), []string{"gateway", "nats"}, "ours", "").WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ours", "1000 deliveries, 500/s", "5 lost, 0 repeated, 0 reordered of 1005", "500.00 µs per delivery", "room 0, sender 0: 5 lost", "a note"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

// A report survives its JSON, the histogram too, and the page needs nothing but itself.
func TestJSONAndPages(t *testing.T) {
	r := report.New(outcome(t), []string{"gateway", "nats"}, "ours", "patchbay load fanout")
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	again, err := report.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if again.Latency.Count() != 1000 || again.Times != r.Times || again.Audit.Lost != 5 {
		t.Errorf("got %+v, %+v", again.Times, again.Audit)
	}
	for name, reports := range map[string][]*report.Report{"one": {r}, "two": {r, again}} {
		var b bytes.Buffer
		if err := report.WriteHTML(&b, reports...); err != nil {
			t.Fatal(err)
		}
		page := b.String()
		if n := strings.Count(page, "<svg"); n != 6 {
			t.Errorf("%s: %d plots, want 6", name, n)
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "ZgotmplZ") {
			t.Errorf("%s: not escaped", name)
		}
		if outside := regexp.MustCompile(`(src|href)=|url\(|@import`).FindString(page); outside != "" {
			t.Errorf("%s: the page refers to something outside: %s", name, outside)
		}
		if !strings.Contains(page, "500.00 µs") {
			t.Errorf("%s: the gateway's CPU per delivery is not there", name)
		}
	}
	var b bytes.Buffer
	if err := report.WriteComparison(&b, r, again); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "600 µs (1.00×)") || !strings.Contains(b.String(), "repeated   ") {
		t.Errorf("CPU and its ratio are not in\n%s", b.String())
	}
	idle := outcome(t)
	idle.Audit = scenario.Audit{}
	for i := range idle.Points {
		idle.Points[i].Sample.Counters = scenario.Counters{}
	}
	idle.Rest = scenario.Sample{}
	b.Reset()
	if err := report.WriteHTML(&b, report.New(idle, []string{"gateway"}, "", "")); err != nil {
		t.Fatal(err)
	}
	// A cost of what did not happen is no figure, and an audit of nothing no result.
	if page := b.String(); strings.Contains(page, "0.00 µs") || strings.Contains(page, "<h2>Audit") || !strings.Contains(page, "memory per client") {
		t.Errorf("the page of a run without messages: %s", page)
	}
	if _, err := report.Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
