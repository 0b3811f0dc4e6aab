package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"patchbay/loadtest/cost"
	"patchbay/loadtest/report"
	"patchbay/loadtest/scenario"
)

// loadCommand is the load tester.
type loadCommand struct {
	Run     loadScenario   `cmd:"" default:"withargs" help:"Run a scenario; the word run may be left out. See docs/load.md."`
	Compare compareCommand `cmd:"" help:"Compare reports that --json has written."`
	Squad   squadCommand   `cmd:"" hidden:"" help:"Serve the clients of one process of a larger run."`
}

// loadVariables are what the flags' tags refer to.
func loadVariables() kong.Vars {
	return kong.Vars{
		"measures":  strings.Join(report.Measures(), ", "),
		"scenarios": strings.Join(scenario.Scenarios(), ","),
	}
}

// resolveLoad gives the load tester's flags the defaults of its scenario, where they differ from the general ones.
func resolveLoad(parsed *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, path := range parsed.Path {
		if path.Positional == nil || path.Positional.Name != "scenario" {
			continue
		}
		if setInEnvironment(flag) {
			return nil, nil
		}
		name := parsed.Value(path).String()
		if value, ok := loadDefaults(name)[flag.Name]; ok {
			return value, nil
		}
	}
	return nil, nil
}

// loadDefaults are a scenario's own.
func loadDefaults(name string) map[string]string {
	return map[string]map[string]string{
		"idle":      {"warm-up": "0s"},
		"connect":   {"connect-rate": "500", "duration": "1s", "warm-up": "0s"},
		"fanout":    {"clients": "2000", "publishers": "1", "in-flight": "4"},
		"rooms":     {"clients": "2000", "publishers": "1", "room-size": "10", "rate": "2000"},
		"echo":      {"clients": "200", "in-flight": "200"},
		"avalanche": {"away": "0s", "duration": "60s"},
		"jitter":    {"publishers": "1", "rate": "20", "share": "0.2", "recover": "true", "duration": "20s"},
		"drain":     {"publishers": "1", "rate": "20", "recover": "true", "duration": "20s"},
		"slow":      {"publishers": "1", "rate": "50", "share": "0.01", "duration": "20s"},
	}[name]
}

// loadScenario runs one scenario.
type loadScenario struct {
	Scenario string `arg:"" enum:"${scenarios}" help:"One of ${enum}."`

	Options scenario.Options `embed:""`

	PID        []string `name:"pid" placeholder:"NAME=PID" help:"A process of this machine whose CPU time and memory are the server's; several by comma. Those of one name count together."`
	ServerCost []string `name:"server-metrics" placeholder:"NAME=URL" help:"A Prometheus page with the same of a server anywhere."`
	Label      string   `name:"label" help:"What the server is called in reports."`
	JSON       string   `name:"json" type:"path" placeholder:"FILE" help:"Write the report as JSON; - for standard output, in place of the table."`
	HTML       string   `name:"html" type:"path" placeholder:"FILE" help:"Write the report as a page with plots, one file."`
	SLO        string   `name:"slo" placeholder:"p99<50ms,lost=0" help:"Objectives; if one is missed the exit code is 3. They imply away=0, and those about latency or losses skipped=0 and unsent=0. Measures: ${measures}."`
	Quiet      bool     `name:"quiet" short:"q" help:"Show no progress."`
}

// Run runs the scenario, reports, and fails if an objective is missed. kong calls it.
func (c *loadScenario) Run(ctx context.Context) error {
	objectives, err := report.ParseObjectives(c.SLO)
	if err != nil {
		return err
	}
	plan, err := scenario.NewPlan(c.Scenario, c.Options)
	if err != nil {
		return err
	}
	runner := scenario.Runner{}
	names, err := c.sources(&runner)
	if err != nil {
		return err
	}
	files, err := c.open()
	if err != nil {
		return err
	}
	outcome, err := c.load(ctx, runner, plan)
	if outcome == nil {
		return errors.Join(err, files.close())
	}
	r := report.New(outcome, names, c.Label, "patchbay "+strings.Join(os.Args[1:], " "))
	err = errors.Join(err, files.write(r), files.close())
	if outcome.Interrupted {
		return err // objectives are about a whole run
	}
	return errors.Join(err, r.Judge(objectives))
}

// load runs the plan, and shows its progress.
func (c *loadScenario) load(ctx context.Context, runner scenario.Runner, plan *scenario.Plan) (*scenario.Outcome, error) {
	if !c.Quiet {
		p := newLoadProgress(plan)
		runner.Progress = p.show
		defer p.finish()
	}
	return runner.Run(ctx, plan)
}

// sources names to the runner whose costs are read. A process that is not there is a fault of the command line.
func (c *loadScenario) sources(runner *scenario.Runner) (names []string, err error) {
	for _, text := range slices.Concat(c.PID, c.ServerCost) {
		source, err := cost.ParseSource(text)
		if err != nil {
			return nil, err
		}
		if err := source.Check(); err != nil {
			return nil, err
		}
		runner.Sources = append(runner.Sources, source)
		names = append(names, source.Name)
	}
	return names, nil
}

// reportFiles are where a report goes, beside the table.
type reportFiles struct {
	table      bool
	json, html *output
}

// open opens what the report is to be written to, before there is one.
func (c *loadScenario) open() (*reportFiles, error) {
	text, err := openOutput(c.JSON)
	if err != nil {
		return nil, err
	}
	page, err := openOutput(c.HTML)
	if err != nil {
		return nil, errors.Join(err, text.close())
	}
	return &reportFiles{c.JSON != "-", text, page}, nil
}

func (f *reportFiles) close() error { return errors.Join(f.json.close(), f.html.close()) }

// write writes the report wherever it is wanted. A fault of one does not keep it from the others.
func (f *reportFiles) write(r *report.Report) error {
	var failed error
	if f.table {
		if err := r.WriteText(os.Stdout); err != nil {
			failed = fmt.Errorf("write the table: %w", err)
		}
	}
	if f.json.wanted() {
		text, err := json.MarshalIndent(r, "", "  ")
		if err == nil {
			err = f.json.write(append(text, '\n'))
		}
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, writePage(f.html, r))
}

func writePage(to *output, reports ...*report.Report) error {
	if !to.wanted() {
		return nil
	}
	var b bytes.Buffer
	if err := report.WriteHTML(&b, reports...); err != nil {
		return err
	}
	return to.write(b.Bytes())
}

// compareCommand compares reports.
type compareCommand struct {
	Files []string `arg:"" type:"existingfile" name:"report" help:"Reports in JSON; the others are measured against the first."`
	HTML  string   `name:"html" type:"path" placeholder:"FILE" help:"Write the comparison as a page with plots as well."`
}

// Run compares. kong calls it.
func (c *compareCommand) Run() error {
	var reports []*report.Report
	for _, path := range c.Files {
		r, err := report.Read(path)
		if err != nil {
			return err
		}
		reports = append(reports, r)
	}
	page, err := openOutput(c.HTML)
	if err != nil {
		return err
	}
	return errors.Join(report.WriteComparison(os.Stdout, reports...), writePage(page, reports...), page.close())
}

// squadCommand serves the clients of one process of a run that another process leads.
type squadCommand struct{}

// Run serves until standard input ends. kong calls it.
func (squadCommand) Run(ctx context.Context) error {
	return scenario.ServeSquad(ctx, os.Stdin, os.Stdout)
}
