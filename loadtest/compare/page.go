package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"patchbay/loadtest/plot"
)

// What stands around the section of the page that this program writes.
const (
	sectionBegin = "<!-- compare: begin; written by make compare -->"
	sectionEnd   = "<!-- compare: end -->"
)

// pictures is the directory of the plots, beside the page.
const pictures = "benchmarks"

// ErrMarks reports a page without the two marks.
var ErrMarks = errors.New("compare: the page has no marked section")

// writeSection puts the text between the page's marks.
func writeSection(path, section string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	before, rest, ok := strings.Cut(string(text), sectionBegin)
	_, after, ended := strings.Cut(rest, sectionEnd)
	if !ok || !ended {
		return ErrMarks
	}
	return os.WriteFile(path, []byte(before+sectionBegin+"\n"+section+sectionEnd+after), 0o644)
}

// number is a value with three digits, "–" if there is none.
func number(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return plot.Number(v)
}

func (s spread) String() string {
	if math.IsNaN(s.median) {
		return "–"
	}
	if s.low == s.high {
		return number(s.median)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.median), number(s.low), number(s.high))
}

// measured tells whether there is any run of a benchmark, against any of the systems if some are named.
func (all results) measured(bench string, systems ...string) bool {
	for _, r := range all.Runs {
		if r.Bench == bench && (len(systems) == 0 || slices.Contains(systems, r.System)) {
			return true
		}
	}
	return false
}

// markdown is the section of the page.
func (all results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nMeasured %s, %s: %s. Compared with %s.\n\n", all.Started.Format("2006-01-02 15:04 MST"), all.roundsOf(), all.Machine, strings.Join(all.Versions, ", "))
	fmt.Fprintf(&b, "```\nmake compare       # %s\n```\n\n", all.Command)
	b.WriteString("Every server is started anew for each run, all CPU time of its processes is counted, and ratios are those of one round; figures are medians, in brackets the least and the most.\n")
	b.WriteString("The load generator runs on the same machine and takes its share of it, as whatever else runs there does: CPU time per unit of work and ratios say more than times and rates.\n\n")
	if len(all.Missing) > 0 {
		fmt.Fprintf(&b, "Not compared: %s.\n\n", strings.Join(all.Missing, "; "))
	}
	b.WriteString("### Against the bars\n\n| what | must | aim | measured | |\n|-|-|-|-|-|\n")
	for _, one := range bars() {
		if all.measured(one.bench) {
			b.WriteString(all.barRow(one))
		}
	}
	for _, bench := range benchmarks() {
		if all.measured(bench.name) {
			b.WriteString(all.table(bench))
		}
	}
	return b.String()
}

// roundsOf says how many rounds there were of most benchmarks, and of those that were measured more often: with -only and -add.
func (all results) roundsOf() string {
	often := map[string]int{}
	for _, bench := range benchmarks() {
		seen := map[int]struct{}{}
		for _, r := range all.Runs {
			if r.Bench == bench.name {
				seen[r.Round] = struct{}{}
			}
		}
		if len(seen) > 0 {
			often[bench.name] = len(seen)
		}
	}
	least := all.Rounds
	for _, n := range often {
		least = min(least, n)
	}
	text := fmt.Sprintf("%d rounds", least)
	if least == 1 {
		text = "1 round"
	}
	for _, bench := range benchmarks() {
		if n := often[bench.name]; n > least {
			text += fmt.Sprintf(", %d of %s", n, bench.title)
		}
	}
	return text
}

func (all results) barRow(one bar) string {
	s := all.ratios(one)
	verdict := "missed"
	switch {
	case math.IsNaN(s.median):
		verdict = "not measured"
	case s.median <= one.aim:
		verdict = "aim reached"
	case s.median <= one.must:
		verdict = "met"
	}
	unit := " ×"
	if one.theirs == "" {
		unit = " " + one.unit
	}
	return fmt.Sprintf("| %s | ≤ %s%s | %s%s | %s%s | %s |\n", one.what, number(one.must), unit, number(one.aim), unit, s, unit, verdict)
}

// table is one benchmark's.
func (all results) table(bench benchmark) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n![%s](%s/%s.svg)\n\n", sentence(bench.title), bench.title, pictures, bench.name)
	columns := []struct{ title, of, role string }{{"CPU, all processes", "cpu", ""}}
	unit := "µs per " + perDelivery
	if bench.scenario == "echo" {
		unit = "µs per acknowledgement"
	}
	columns[0].title += ", " + unit
	switch bench.metric.of {
	case "memory":
		columns = []struct{ title, of, role string }{
			{"memory of all processes, bytes per client", "memory", ""}, {"of the gateway alone", "memory", gatewayRole}, {"CPU to connect, all, µs", "connect", ""},
		}
	case "back":
		columns = []struct{ title, of, role string }{{"99th percentile until back, ms", "back", ""}, {"CPU to connect, all, µs", "connect", ""}}
	default:
		columns = append(columns, struct{ title, of, role string }{"gateway alone", "cpu", gatewayRole},
			struct{ title, of, role string }{"p50, ms", "p50", ""}, struct{ title, of, role string }{"p99, ms", "p99", ""},
			struct{ title, of, role string }{"per second", "rate", ""})
		if bench.wire {
			columns = append(columns, struct{ title, of, role string }{"bytes per delivery", "bytes", ""})
		}
	}
	b.WriteString("| server |")
	for _, c := range columns {
		b.WriteString(" " + c.title + " |")
	}
	b.WriteString(" faults |\n|-|" + strings.Repeat("-|", len(columns)+1) + "\n")
	for _, name := range bench.systems {
		one, _ := find(name)
		if !all.measured(bench.name, name) {
			continue
		}
		fmt.Fprintf(&b, "| %s |", one.title)
		for _, c := range columns {
			if c.role == gatewayRole && !one.ours() {
				b.WriteString(" |")
				continue
			}
			fmt.Fprintf(&b, " %s |", all.figures(bench.name, name, c.of, c.role))
		}
		fmt.Fprintf(&b, " %s |\n", all.faults(bench.name, name))
	}
	return b.String()
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// faults says what the audits of all rounds found.
func (all results) faults(bench, system string) string {
	var lost, repeated, reordered, failures, closes, failed uint64
	for _, r := range all.Runs {
		if r.Bench != bench || r.System != system {
			continue
		}
		if r.Report == nil {
			failed++
			continue
		}
		a, t := r.Report.Audit, r.Report.Totals
		lost += a.Lost + a.LostAcks
		repeated, reordered, failures, closes = repeated+a.Repeated, reordered+a.Reordered, failures+t.Failures, closes+t.Closes
	}
	var words []string
	for _, f := range []struct {
		n    uint64
		what string
	}{{lost, "lost"}, {repeated, "repeated"}, {reordered, "reordered"}, {failures, "connections failed"}, {closes, "connections ended"}, {failed, "runs failed"}} {
		if f.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ", ")
}

// drawInto writes a plot for each benchmark.
func (all results) drawInto(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("make the directory of plots: %w", err)
	}
	for _, bench := range benchmarks() {
		if !all.measured(bench.name) {
			continue
		}
		chart := plot.Bars{Title: sentence(bench.title) + ": " + bench.metric.title, Y: bench.metric.unit}
		group := func(name string, role string, title string) {
			if s := all.figures(bench.name, name, bench.metric.of, role); !math.IsNaN(s.median) {
				chart.Groups = append(chart.Groups, plot.Group{Name: title, Bars: []plot.Bar{{Name: title, Value: s.median, Low: s.low, High: s.high}}})
			}
		}
		for _, name := range bench.systems {
			one, _ := find(name)
			if one.ours() && bench.metric.of != "back" {
				group(name, gatewayRole, "gateway alone")
			}
			group(name, bench.metric.role, one.title)
		}
		if err := os.WriteFile(filepath.Join(directory, bench.name+".svg"), []byte(chart.SVG()), 0o644); err != nil {
			return fmt.Errorf("write a plot: %w", err)
		}
	}
	return nil
}
