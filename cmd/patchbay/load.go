package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"patchbay/loadtest/cost"
	"patchbay/loadtest/report"
	"patchbay/loadtest/scenario"
)

// loadCommand is the load tester: a subcommand for each scenario, with defaults of its own.
type loadCommand struct {
	Idle      loadScenario `kong:"cmd,help='Clients that connect and then do nothing: memory of a connection.',set='clients=1000',set='warmup=0s'"`
	Connect   loadScenario `kong:"cmd,help='Clients that connect at a rate: the cost of a connection.',set='clients=1000',set='connectrate=500',set='duration=1s',set='warmup=0s'"`
	Fanout    loadScenario `kong:"cmd,help='One room; every message goes to all members.',set='clients=2000',set='publishers=1',set='inflight=4'"`
	Rooms     loadScenario `kong:"cmd,help='Many small rooms.',set='clients=2000',set='roomsize=10',set='publishers=1',set='rate=2000'"`
	Echo      loadScenario `kong:"cmd,help='Events that the server acknowledges.',set='clients=200',set='inflight=200'"`
	Avalanche loadScenario `kong:"cmd,help='All clients are cut at once, and all come back at once.',set='clients=1000',set='duration=60s',set='away=0s'"`
	Jitter    loadScenario `kong:"cmd,help='Some members of a room are cut again and again, and come back with recovery.',set='clients=1000',set='publishers=1',set='rate=20',set='share=0.2',set='recover=true',set='duration=20s'"`
	Drain     loadScenario `kong:"cmd,help='One room, while nodes are restarted one after the other (--restart).',set='clients=1000',set='publishers=1',set='rate=20',set='recover=true',set='duration=20s'"`
	Slow      loadScenario `kong:"cmd,help='Some members of a room never read.',set='clients=1000',set='publishers=1',set='rate=50',set='share=0.01',set='duration=20s'"`

	Compare compareCommand `cmd:"" help:"Compare reports that --json has written."`
	Squad   squadCommand   `cmd:"" hidden:"" help:"Serve the clients of one process of a larger run."`
}

// loadVariables are the defaults of scenarios that say nothing else.
func loadVariables() kong.Vars {
	return kong.Vars{
		"clients": "1000", "roomsize": "0", "publishers": "0", "rate": "0", "inflight": "0", "duration": "10s", "warmup": "2s",
		"measures":    strings.Join(report.Measures(), ", "),
		"connectrate": "0", "share": "0", "away": "2s", "recover": "false",
	}
}

// loadScenario runs one scenario.
type loadScenario struct {
	Options scenario.Options `embed:""`

	PID        []string `name:"pid" placeholder:"NAME=PID" help:"A process of this machine whose CPU time and memory are the server's; several by comma. Those of one name count together."`
	ServerCost []string `name:"server-metrics" placeholder:"NAME=URL" help:"A Prometheus page with the same of a server anywhere."`
	Label      string   `name:"label" help:"What the server is called in reports."`
	JSON       string   `name:"json" type:"path" placeholder:"FILE" help:"Write the report as JSON; - for standard output, in place of the table."`
	HTML       string   `name:"html" type:"path" placeholder:"FILE" help:"Write the report as a page with plots, one file."`
	SLO        string   `name:"slo" placeholder:"p99<50ms,lost=0" help:"Objectives; if one is missed the exit code is 3. Measures: ${measures}."`
	Quiet      bool     `name:"quiet" short:"q" help:"Show no progress."`
}

// Run runs the scenario, reports, and fails if an objective is missed. kong calls it.
func (c *loadScenario) Run(ctx context.Context, k *kong.Context) error {
	objectives, err := report.ParseObjectives(c.SLO)
	if err != nil {
		return err
	}
	plan, err := scenario.NewPlan(k.Selected().Name, c.Options)
	if err != nil {
		return err
	}
	runner := scenario.Runner{}
	var names []string
	for _, text := range append(c.PID, c.ServerCost...) {
		source, err := cost.ParseSource(text)
		if err != nil {
			return err
		}
		runner.Sources = append(runner.Sources, source)
		names = append(names, source.Name)
	}
	if !c.Quiet {
		p := newLoadProgress(plan)
		runner.Progress = p.show
		defer p.finish()
	}
	outcome, err := runner.Run(ctx, plan)
	if err != nil {
		return err
	}
	r := report.New(outcome, names, c.Label, "patchbay "+strings.Join(os.Args[1:], " "))
	return errors.Join(c.write(r), r.Judge(objectives))
}

// write writes the report wherever it is wanted.
func (c *loadScenario) write(r *report.Report) error {
	if c.JSON != "-" {
		if err := r.WriteText(os.Stdout); err != nil {
			return fmt.Errorf("write the table: %w", err)
		}
	}
	if c.JSON != "" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return fmt.Errorf("encode the report: %w", err)
		}
		if err := writeTo(c.JSON, append(text, '\n')); err != nil {
			return err
		}
	}
	if c.HTML != "" {
		return writePage(c.HTML, r)
	}
	return nil
}

func writePage(path string, reports ...*report.Report) error {
	var b bytes.Buffer
	if err := report.WriteHTML(&b, reports...); err != nil {
		return err
	}
	return writeTo(path, b.Bytes())
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
	if c.HTML != "" {
		if err := writePage(c.HTML, reports...); err != nil {
			return err
		}
	}
	return report.WriteComparison(os.Stdout, reports...)
}

// writeTo writes a file, or standard output for "-".
func writeTo(path string, text []byte) error {
	if path == "-" {
		_, err := os.Stdout.Write(text)
		return err
	}
	return os.WriteFile(path, text, 0o644)
}

// squadCommand serves the clients of one process of a run that another process leads.
type squadCommand struct{}

// Run serves until standard input ends. kong calls it.
func (squadCommand) Run(ctx context.Context) error {
	return scenario.ServeSquad(ctx, os.Stdin, os.Stdout)
}
