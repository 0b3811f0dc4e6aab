package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// known are the metrics of docs/metrics.md, with the labels of each. A test beside the programs keeps that page true.
func known(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(patchbay_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(read(t, "../docs/metrics.md")), -1) {
		name, kind, labels := m[1], m[2], strings.Split(m[3], ", ")
		metrics[name] = labels
		if kind == "histogram" {
			metrics[name+"_bucket"], metrics[name+"_sum"], metrics[name+"_count"] = append(labels, "le"), labels, labels
		}
	}
	if len(metrics) < 40 {
		t.Fatalf("docs/metrics.md has %d metrics; there are more", len(metrics))
	}
	return metrics
}

// foreign are what others tell: Prometheus itself, Go's client library, the exporter of NATS. Their names are promises that
// this repository cannot check.
var foreign = regexp.MustCompile(`^(up|process_(open_fds|max_fds|cpu_seconds_total|resident_memory_bytes)|gnatsd_varz_(connections|subscriptions|slow_consumers|in_msgs|out_msgs))$`)

var (
	metricName = regexp.MustCompile(`\b(?:patchbay|process|gnatsd|go)_[a-z_]+\b|\bup\b`)
	selector   = regexp.MustCompile(`\b((?:patchbay)_[a-z_]+)\{([^}]*)\}`)
	labelName  = regexp.MustCompile(`([a-z]+)(?:=~|=|!=|!~)"`)
	grouping   = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// check reports metrics and labels of an expression that nothing has.
func check(t *testing.T, where, expression string, metrics map[string][]string) {
	t.Helper()
	own := []string{"instance", "job"} // given by Prometheus to everything
	for _, name := range metricName.FindAllString(expression, -1) {
		labels, ok := metrics[name]
		if !ok && !foreign.MatchString(name) {
			t.Errorf("%s: there is no metric %s", where, name)
		}
		own = append(own, labels...)
	}
	for _, m := range selector.FindAllStringSubmatch(expression, -1) {
		for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
			if !slices.Contains(append(metrics[m[1]], "instance", "job"), l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	for _, m := range grouping.FindAllStringSubmatch(expression, -1) {
		for label := range strings.SplitSeq(m[1], ", ") {
			if !slices.Contains(own, label) {
				t.Errorf("%s: nothing here has a label %s", where, label)
			}
		}
	}
}

type alerts struct {
	Groups []struct {
		Rules []struct{ Alert, Expr string }
	}
}

func TestAlertsAndRunbook(t *testing.T) {
	var file alerts
	if err := yaml.Unmarshal(read(t, "prometheus/alerts.yml"), &file); err != nil {
		t.Fatal(err)
	}
	metrics, runbook := known(t), string(read(t, "../docs/runbook.md"))
	tests := string(read(t, "prometheus/alerts_test.yml"))
	var names []string
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			names = append(names, rule.Alert)
			check(t, rule.Alert, rule.Expr, metrics)
			if !strings.Contains(runbook, "\n## "+rule.Alert+"\n\n") {
				t.Errorf("%s has no entry in docs/runbook.md", rule.Alert)
			}
			if !strings.Contains(tests, "alertname: "+rule.Alert+"\n") {
				t.Errorf("%s has no test in alerts_test.yml", rule.Alert)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^## (\S+)$`).FindAllStringSubmatch(runbook, -1) {
		if !slices.Contains(names, m[1]) {
			t.Errorf("the runbook has an entry for %s, which is no alert", m[1])
		}
	}
}

// TestPromtool has Prometheus's own tool check the files, and play the series of alerts_test.yml.
func TestPromtool(t *testing.T) {
	for _, name := range []string{"prometheus.yml", "alerts.yml", "alerts_test.yml"} {
		read(t, "prometheus/"+name) // so that Go's cache of results knows what this depends on
	}
	for _, arguments := range [][]string{
		{"check", "config", "prometheus/prometheus.yml"}, {"check", "rules", "--lint=all", "--lint-fatal", "prometheus/alerts.yml"}, {"test", "rules", "prometheus/alerts_test.yml"},
	} {
		if output, err := exec.Command("promtool", arguments...).CombinedOutput(); err != nil {
			t.Errorf("promtool %q: %v\n%s", arguments, err, output)
		}
	}
}

type dashboard struct {
	UID    string
	Panels []struct {
		ID      int
		Type    string
		Title   string
		GridPos struct{ H, W, X, Y int } `json:"gridPos"`
		Targets []struct{ Expr string }
	}
}

func TestDashboard(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal(read(t, "grafana/dashboards/patchbay.json"), &d); err != nil {
		t.Fatal(err)
	}
	metrics, ids, taken := known(t), map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] {
			t.Errorf("%s: another panel has the number %d", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q or the edge", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%s shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			check(t, p.Title, target.Expr, metrics)
		}
	}
}
