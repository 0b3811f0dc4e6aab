package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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
		Traffic: scenario.Traffic{Rate: 5, Payload: 128}, Timing: scenario.Timing{Duration: 2 * time.Second, ConnectTimeout: time.Minute, Connecting: 1},
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

// A cost that could not be read is said to be so everywhere, is in no sum, and meets no objective; the others are as they were.
func TestUnreadCosts(t *testing.T) {
	for name, spoil := range map[string]func(*scenario.Outcome){
		"from the start":     func(o *scenario.Outcome) { delete(o.Before, "nats") },
		"when all connected": func(o *scenario.Outcome) { delete(o.Connected.Usage, "nats") },
		"at the begin":       func(o *scenario.Outcome) { delete(o.Begin.Usage, "nats") },
		"at the end":         func(o *scenario.Outcome) { delete(o.Points[1].Usage, "nats") },
	} {
		t.Run(name, func(t *testing.T) {
			o := outcome(t)
			o.Unread = map[string]string{"nats": "it has ended"}
			spoil(o)
			r := report.New(o, []string{"gateway", "nats"}, "", "")
			if gateway, nats, sum := r.Costs[0], r.Costs[1], r.Costs[2]; gateway.PerUnit != 500 || nats.Unread != "it has ended" || nats.PerUnit != 0 || sum.Unread == "" || sum.PerUnit != 0 {
				t.Errorf("costs: %+v", r.Costs)
			}
			for _, text := range []string{"cpu<1e9", "connect_cpu<1e9", "memory<1e12", "cpu>=0"} {
				objectives, err := report.ParseObjectives(text)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Judge(objectives); !errors.Is(err, report.ErrMissed) || !strings.Contains(err.Error(), "nats: it has ended") {
					t.Errorf("%s: got %v, want it missed with the reason", text, err)
				}
			}
			var table, page bytes.Buffer
			if err := errors.Join(r.WriteText(&table), report.WriteHTML(&page, r)); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(r.Costs)
			if err != nil {
				t.Fatal(err)
			}
			for where, is := range map[string]string{"table": table.String(), "page": page.String(), "JSON": string(text)} {
				if !strings.Contains(is, "it has ended") || strings.Contains(is, "0.00 s CPU") {
					t.Errorf("%s: %s", where, is)
				}
			}
			if strings.Contains(string(text), `"nats","cpu"`) {
				t.Errorf("a figure of what was not read: %s", text)
			}
			var row []string
			for _, r := range report.Compare(r) {
				row = append(row, r.Name)
			}
			if slices.Contains(row, "cpu") || slices.Contains(row, "memory") {
				t.Errorf("compared: %q", row)
			}
		})
	}
	// One look that failed in between takes nothing away.
	o := outcome(t)
	o.Unread = map[string]string{"nats": "once"}
	delete(o.Points[0].Usage, "nats")
	if r := report.New(o, []string{"gateway", "nats"}, "", ""); r.Costs[1].Unread != "" || r.Costs[2].PerUnit < 599 || r.Timeline[0].Resident["nats"] != 0 {
		t.Errorf("costs: %+v, timeline: %+v", r.Costs, r.Timeline)
	}
}

// What could not be sent meets no objective about losses or latency, and clients that are not back meet none at all, unless the objectives say so.
func TestImplied(t *testing.T) {
	for _, c := range []struct {
		skipped uint64
		away    int
		text    string
		met     bool
	}{
		{0, 0, "p99<50ms,lost<6", true},
		{79, 0, "p99<50ms", false}, {79, 0, "lost<6", false}, {79, 0, "mean<1s", false},
		{79, 0, "repeated=0,rate>1", true},
		{79, 0, "p99<50ms,lost<6,skipped<80", true}, {79, 0, "lost<6,skipped<79", false},
		{0, 25, "repeated=0", false}, {0, 25, "lost<6,failures=0", false}, {0, 25, "lost<6,away<26", true}, {0, 25, "lost<6,away=0", false},
		{0, 25, "back_max<5s,away<26", false}, {0, 25, "back_p99>1us,away<26", false}, {0, 0, "back_max<5s,back_p99>1us", true},
		{79, 25, "", true},
	} {
		o := outcome(t)
		o.Rest.Counters.Skipped, o.Rest.Away = c.skipped, c.away
		o.Rest.Histograms.Back.Record(time.Second)
		r := report.New(o, nil, "", "")
		objectives, err := report.ParseObjectives(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Judge(objectives); (err == nil) != c.met {
			t.Errorf("%d skipped, %d away, %s: got %v, want it met: %v", c.skipped, c.away, c.text, err, c.met)
		}
	}
	unsent := outcome(t)
	unsent.Rest.Counters.Unsent = 7
	for text, met := range map[string]bool{"lost<6": false, "lost<6,unsent<8": true, "repeated=0": true} {
		objectives, err := report.ParseObjectives(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := report.New(unsent, nil, "", "").Judge(objectives); (err == nil) != met {
			t.Errorf("7 unsent, %s: got %v, want it met: %v", text, err, met)
		}
	}
	o := outcome(t)
	o.Rest.Counters.Skipped, o.Rest.Away, o.Audit.Waiting = 79, 25, map[string]int{"for a <b>sign</b>": 25}
	r := report.New(o, nil, "", "")
	var table, page bytes.Buffer
	if err := errors.Join(r.WriteText(&table), report.WriteHTML(&page, r)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"not back", "25 of 101 clients at the end", "25 wait for a <b>sign</b>", "79 messages were due"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is not in\n%s", want, table.String())
		}
	}
	for _, want := range []string{"<b>79</b><span>skipped", "<b>25</b><span>not back", "for a &lt;b&gt;sign"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

// A file that is no report is refused by its name, and reports of different things are not compared without a word.
func TestComparable(t *testing.T) {
	directory := t.TempDir()
	for name, text := range map[string]string{
		"empty": "", "object.json": "{}", "null.json": "null", "package.json": `{"name":"x","version":"1.0.0"}`, "list.json": "[]",
		"other.json": `{"head":{"scenario":"none","started":"2026-11-25T12:00:00Z"},"clients":3}`, "cut.json": `{"head":{"scenario":"fanout"`,
	} {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := report.Read(path); !errors.Is(err, report.ErrReport) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want ErrReport", name, err)
		}
	}
	of := func(scenarioName string, change func(*scenario.Options)) *report.Report {
		r := report.New(outcome(t), nil, "", "")
		r.Head.Scenario = scenarioName
		change(&r.Options)
		return r
	}
	plain := func(*scenario.Options) {}
	first := of("fanout", plain)
	for name, c := range map[string]struct {
		other *report.Report
		want  []string
	}{
		"the same": {of("fanout", plain), nil},
		"another server": {of("fanout", func(o *scenario.Options) {
			o.Server.URLs, o.Server.Path, o.Server.Remote, o.Trouble.Restart = []string{"http://127.0.0.1:2"}, "/x/", true, []string{"true"}
		}), nil},
		"options":  {of("fanout", func(o *scenario.Options) { o.Clients, o.Traffic.Rate = 7, 9 }), []string{"2 is not like 1", "--clients 7, not 100", "--rate 9, not 5"}},
		"scenario": {of("echo", plain), []string{"2 is not like 1", "scenario echo, not fanout"}},
	} {
		var table, page bytes.Buffer
		if err := errors.Join(report.WriteComparison(&table, first, c.other), report.WriteHTML(&page, first, c.other)); err != nil {
			t.Fatal(err)
		}
		for where, text := range map[string]string{"table": table.String(), "page": page.String()} {
			if c.want == nil && strings.Contains(text, "not like") {
				t.Errorf("%s: a difference in the %s: %s", name, where, text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("%s: %q is not in the %s", name, want, where)
				}
			}
		}
	}
	cut := of("fanout", plain)
	cut.End.Interrupted = true
	if got := report.Differences(first, cut); len(got) != 1 || !strings.Contains(got[0], "2 was interrupted") {
		t.Errorf("interrupted: %q", got)
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
