package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/loadtest/report"
	"patchbay/loadtest/scenario"
)

// sample is a comparison of three rounds in which the machine gets slower and slower, and Patchbay always uses half of what Node does.
func sample() results {
	all := results{Rounds: 3, Command: "compare"}
	for round := range 3 {
		slow := float64(1 + round)
		for system, cpu := range map[string]float64{patchbayOne: 5, nodeOne: 10, bareLoop: 4} {
			r := &report.Report{Seconds: 1, Counts: scenario.Counters{Delivered: 100}, Costs: []report.Cost{{Name: "server", PerUnit: cpu * slow}}}
			if system == patchbayOne {
				r.Costs = []report.Cost{{Name: gatewayRole, PerUnit: 3 * slow}, {Name: "nats", PerUnit: 2 * slow}, {Name: report.Sum, PerUnit: 5 * slow}}
				r.Audit.Lost = uint64(round)
			}
			all.Runs = append(all.Runs, result{Bench: "fanout4", System: system, Round: round, Report: r})
		}
	}
	all.Runs = append(all.Runs, result{Bench: "fanout4", System: nodeOne, Round: 3, Error: "it did not start"})
	return all
}

func TestRatiosAreOfOneRound(t *testing.T) {
	all := sample()
	b := bar{bench: "fanout4", ours: patchbayOne, theirs: nodeOne, of: "cpu"}
	if got := all.ratios(b); got != (spread{0.5, 0.5, 0.5}) {
		t.Errorf("all processes against Node: got %v, want 0.5 in every round", got)
	}
	b.role, b.theirs = gatewayRole, bareLoop
	if got := all.ratios(b); got != (spread{0.75, 0.75, 0.75}) {
		t.Errorf("the gateway against the loop: got %v, want 0.75 in every round", got)
	}
	if got := all.figures("fanout4", nodeOne, "cpu", ""); got != (spread{20, 10, 30}) {
		t.Errorf("Node's figures: got %v, want 20 between 10 and 30", got)
	}
	if got := all.ratios(bar{bench: "idle", ours: patchbayOne, of: "memory"}); !math.IsNaN(got.median) {
		t.Errorf("not measured: got %v", got)
	}
}

// What was measured more often than the rest is named.
func TestRounds(t *testing.T) {
	all := results{Rounds: 5}
	for round := range 5 {
		all.Runs = append(all.Runs, result{Bench: "echo1000", System: patchbayOne, Round: round})
		if round < 3 {
			all.Runs = append(all.Runs, result{Bench: "fanout4", System: patchbayOne, Round: round})
		}
	}
	if got, want := all.roundsOf(), "3 rounds, 5 of echo, 1,000 a second"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	all.Runs, all.Rounds = all.Runs[:2], 1
	if got := all.roundsOf(); got != "1 round" {
		t.Errorf("got %q", got)
	}
}

func TestPage(t *testing.T) {
	all := sample()
	directory := t.TempDir()
	page := filepath.Join(directory, "benchmarks.md")
	if err := writeSection(page, "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no page: %v", err)
	}
	write(t, page, "before\nafter\n")
	if err := writeSection(page, "x"); !errors.Is(err, ErrMarks) {
		t.Errorf("no marks: %v", err)
	}
	write(t, page, "before\n"+sectionBegin+"\nold\n"+sectionEnd+"\nafter\n")
	for range 2 { // the second time over its own section
		if err := writeSection(page, all.markdown()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	text := string(got)
	if !strings.HasPrefix(text, "before\n") || !strings.HasSuffix(text, "\nafter\n") || strings.Contains(text, "old") {
		t.Errorf("what is around the section has changed: %s", text)
	}
	for _, want := range []string{
		"all processes, against socket.io on Node | ≤ 0.333 × | 0.125 × | 0.5 × | missed |",
		"gateway CPU per delivery, against the bare loop | ≤ 0.9 × | 0.3 × | 0.75 × | met |",
		"| socket.io on Node | 20 (10–30) |", "1 runs failed", "3 lost", "benchmarks/fanout4.svg",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if err := all.drawInto(filepath.Join(directory, pictures)); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(filepath.Join(directory, pictures, "fanout4.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(svg, new(struct{})); err != nil && !errors.Is(err, io.EOF) {
		t.Errorf("the plot is no XML: %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Raw results survive their file, and every bar and every benchmark names systems that exist.
func TestDefinitions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "results.json")
	all := sample()
	if err := all.save(path); err != nil {
		t.Fatal(err)
	}
	again, err := read(path)
	if err != nil || len(again.Runs) != len(all.Runs) || again.Runs[0].Report.Costs[0].PerUnit == 0 {
		t.Errorf("got %+v, %v", again, err)
	}
	systemsOf := map[string][]string{}
	for _, b := range benchmarks() {
		systemsOf[b.name] = b.systems
		o := options([]string{"http://127.0.0.1:1"}, 1)
		b.change(&o)
		if _, err := scenario.NewPlan(b.scenario, o); err != nil {
			t.Errorf("%s: %v", b.name, err)
		}
		for _, name := range b.systems {
			if _, ok := find(name); !ok {
				t.Errorf("%s: no system %s", b.name, name)
			}
		}
	}
	for _, b := range bars() {
		for _, name := range []string{b.ours, b.theirs} {
			found := name == ""
			for _, s := range systemsOf[b.bench] {
				found = found || s == name
			}
			if !found {
				t.Errorf("%s: %q is not measured in %s", b.what, name, b.bench)
			}
		}
	}
}
