package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"patchbay/loadtest/report"
	"patchbay/loadtest/scenario"
)

// results are the raw results of a comparison.
type results struct {
	Started  time.Time      `json:"started"`
	Machine  report.Machine `json:"machine"`
	Command  string         `json:"command"`
	Versions []string       `json:"versions"`
	Missing  []string       `json:"missing,omitempty"` // servers that could not be run on that machine
	Rounds   int            `json:"rounds"`
	Runs     []result       `json:"runs"`
}

// result is one run: a benchmark against a system.
type result struct {
	Bench  string         `json:"bench"`
	System string         `json:"system"`
	Round  int            `json:"round"`
	Report *report.Report `json:"report,omitempty"` // nil if the run failed
	Error  string         `json:"error,omitempty"`
}

// read reads raw results.
func read(path string) (results, error) {
	var all results
	text, err := os.ReadFile(path)
	if err != nil {
		return all, fmt.Errorf("read results: %w", err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return all, fmt.Errorf("read results %s: %w", path, err)
	}
	return all, nil
}

// measure adds rounds.
func (all *results) measure(ctx context.Context, s settings) error {
	if len(all.Runs) == 0 {
		all.Started, all.Machine, all.Versions = time.Now().UTC(), report.ThisMachine(), versions(ctx, s)
		all.Command = fmt.Sprintf("go run ./loadtest/compare -duration %v", s.duration)
	}
	chosen, err := choose(s.only)
	if err != nil {
		return err
	}
	lack := all.lacking(s)
	for range s.rounds {
		round := all.Rounds
		all.Rounds++
		for _, b := range benchmarks() {
			if !slices.Contains(chosen, b.name) {
				continue
			}
			for i := range b.systems {
				name := b.systems[(i+round)%len(b.systems)] // each has its turn to be first
				if lack[name] {
					continue
				}
				r, err := b.run(ctx, s, name)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil { // of a peer that cannot take the load, say: that is a result as well
					all.Runs = append(all.Runs, result{Bench: b.name, System: name, Round: round, Error: err.Error()})
					fmt.Fprintf(os.Stderr, "round %d  %-10s %-10s failed: %v\n", round+1, b.name, name, err)
					continue
				}
				all.Runs = append(all.Runs, result{Bench: b.name, System: name, Round: round, Report: r})
				fmt.Fprintf(os.Stderr, "round %d  %-10s %-10s %s\n", round+1, b.name, name, b.line(r))
			}
		}
	}
	return nil
}

// choose lists the benchmarks that a list by comma names; all of them if it is empty.
func choose(list string) ([]string, error) {
	var all []string
	for _, b := range benchmarks() {
		all = append(all, b.name)
	}
	if list == "" {
		return all, nil
	}
	chosen := strings.Split(list, ",")
	for _, name := range chosen {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("no benchmark is called %q; there are %s", name, strings.Join(all, ", "))
		}
	}
	return chosen, nil
}

// runTimeout bounds one run, so that a server that hangs costs no more than that.
const runTimeout = 5 * time.Minute

// run starts a system, runs the benchmark against it, and stops it.
func (b benchmark) run(ctx context.Context, s settings, name string) (*report.Report, error) {
	one, ok := find(name)
	if !ok {
		return nil, fmt.Errorf("no server is called %q", name)
	}
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	up, err := one.start(ctx, s)
	if err != nil {
		return nil, err
	}
	defer up.stop()
	o := options(up.urls, s.duration)
	b.change(&o)
	o.Server.Deflate = one.squash
	plan, err := scenario.NewPlan(b.scenario, o)
	if err != nil {
		return nil, err
	}
	runner := scenario.Runner{Sources: up.sources}
	outcome, err := runner.Run(ctx, plan)
	if err != nil {
		return nil, err
	}
	var roles []string
	for _, source := range up.sources {
		roles = append(roles, source.Name)
	}
	r := report.New(outcome, roles, one.title, "")
	// The sums are kept, not every second, and the machine once for all.
	r.Timeline, r.Latency, r.Head.Machine = nil, scenario.Histogram{}, report.Machine{}
	return r, nil
}

// line says in a few words what a run gave.
func (b benchmark) line(r *report.Report) string {
	text := fmt.Sprintf("%s %s", b.metric.title, number(figure(r, b.metric.of, b.metric.role)))
	if lost := r.Audit.Lost + r.Audit.LostAcks + r.Audit.Repeated + r.Audit.Reordered; lost > 0 {
		text += fmt.Sprintf("; %d lost, %d repeated, %d reordered", r.Audit.Lost+r.Audit.LostAcks, r.Audit.Repeated, r.Audit.Reordered)
	}
	if r.Load.Bottle != "" {
		text += "; " + r.Load.Bottle
	}
	return text
}

// figure is what a run has of a metric; NaN if it has none. Costs are those of a role's processes, or of all.
func figure(r *report.Report, of, role string) float64 {
	switch of {
	case "p99":
		return r.Times.Latency.P99
	case "p50":
		return r.Times.Latency.P50
	case "back":
		return r.Times.Back.P99
	case "bytes":
		if r.Counts.Bytes == 0 {
			return math.NaN()
		}
		return r.BytesPerUnit()
	case "rate":
		return float64(r.Units()) / r.Seconds
	}
	if len(r.Costs) == 0 {
		return math.NaN()
	}
	c := r.Costs[len(r.Costs)-1] // the only one, or the sum
	for _, one := range r.Costs {
		if one.Name == role {
			c = one
		}
	}
	switch {
	case c.Unread != "":
		return math.NaN()
	case of == "cpu":
		return c.PerUnit
	case of == "memory":
		return c.PerClient
	case of == "connect":
		return c.PerConnect
	}
	return math.NaN()
}

// spread is a median and its extremes.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN()}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}

// figures are a metric's values over the rounds.
func (all results) figures(bench, system, of, role string) spread {
	var values []float64
	for _, r := range all.Runs {
		if r.Bench == bench && r.System == system && r.Report != nil {
			values = append(values, figure(r.Report, of, role))
		}
	}
	return spreadOf(values)
}

// ratios are those of two systems' figures, each of one round.
func (all results) ratios(b bar) spread {
	ours, theirs := map[int]float64{}, map[int]float64{}
	for _, r := range all.Runs {
		if r.Bench != b.bench || r.Report == nil {
			continue
		}
		if r.System == b.ours {
			ours[r.Round] = figure(r.Report, b.of, b.role)
		}
		if r.System == b.theirs {
			theirs[r.Round] = figure(r.Report, b.of, "")
		}
	}
	var values []float64
	for round, v := range ours {
		if b.theirs == "" {
			values = append(values, v)
		} else if w := theirs[round]; w > 0 {
			values = append(values, v/w)
		}
	}
	return spreadOf(values)
}

// save writes the raw results, one run a line.
func (all results) save(path string) error {
	runs := all.Runs
	all.Runs = nil
	head, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	text := append(bytes.TrimSuffix(head, []byte("null}")), "[\n"...) // runs is the last key
	for i, r := range runs {
		line, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encode results: %w", err)
		}
		if i > 0 {
			text = append(text, ",\n"...)
		}
		text = append(text, line...)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("save results: %w", err)
	}
	return os.WriteFile(path, append(text, "\n]}\n"...), 0o644)
}
