package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"patchbay/loadtest/cluster"
	"patchbay/loadtest/cost"
	"patchbay/loadtest/report"
	"patchbay/loadtest/scenario"
)

// Every scenario has a subcommand, whose defaults make a plan.
func TestLoadCommands(t *testing.T) {
	cleanEnvironment(t)
	c := mustParse(t, "load", "fanout", "--url", "http://127.0.0.1:1,http://127.0.0.1:2", "--pid", "gateway=1,nats=2")
	if got := c.Load.Run; len(got.Options.Server.URLs) != 2 || len(got.PID) != 2 {
		t.Errorf("lists: got %q and %q", got.Options.Server.URLs, got.PID)
	}
	if got := mustParse(t, "load", "run", "echo", "--in-flight", "7", "-n", "8").Load.Run; got.Options.Traffic.InFlight != 7 || got.Options.Clients != 8 {
		t.Errorf("flags do not beat the scenario's defaults: %+v", got.Options)
	}
	t.Setenv("PATCHBAY_CLIENTS", "9")
	if got := mustParse(t, "load", "echo").Load.Run; got.Options.Clients != 9 || got.Options.Traffic.InFlight != 200 {
		t.Errorf("the environment does not beat the scenario's defaults: %+v", got.Options)
	}
	for _, name := range scenario.Scenarios() {
		c := mustParse(t, "load", name)
		o := c.Load.Run.Options
		plan, err := scenario.NewPlan(name, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		silent := slices.Contains([]string{"idle", "connect", "avalanche"}, name)
		if (plan.Traffic() == "silence") != silent {
			t.Errorf("%s: its traffic is %s", name, plan.Traffic())
		}
		if recovers := name == "jitter" || name == "drain"; o.Trouble.Recover != recovers {
			t.Errorf("%s: recovery is %v", name, o.Trouble.Recover)
		}
	}
}

// A whole run through the command line: reports are written, objectives set the exit code.
func TestLoadRun(t *testing.T) {
	cleanEnvironment(t)
	c := cluster.Start(t, cluster.Shape{App: cluster.Contract})
	directory := t.TempDir()
	line := func(objectives string) []string {
		return []string{
			"load", "fanout", "--url", c.URL(0), "-n", "5", "--in-flight", "2", "-d", "100ms", "--warm-up", "0s", "-q", "--pid", fmt.Sprintf("all=%d", os.Getpid()),
			"--json", filepath.Join(directory, "report.json"), "--html", filepath.Join(directory, "report.html"), "--slo", objectives,
		}
	}
	if err := run(context.Background(), line("lost=0,repeated=0,reordered=0,p99<10m,cpu>0")); err != nil {
		t.Errorf("objectives that are easily met: %v", err)
	}
	err := run(context.Background(), line("lost=0,p50<1us"))
	if !errors.Is(err, report.ErrMissed) || exitCode(err) != 3 || !strings.Contains(err.Error(), "p50<1us") || strings.Contains(err.Error(), "lost") {
		t.Errorf("an objective out of reach: got %v, exit code %d", err, exitCode(err))
	}
	if err := run(context.Background(), line("p99<")); !errors.Is(err, report.ErrObjective) || exitCode(err) != 1 {
		t.Errorf("no objective: got %v", err)
	}
	page, err := os.ReadFile(filepath.Join(directory, "report.html"))
	if err != nil || !strings.Contains(string(page), "</html>") {
		t.Errorf("the page: %v", err)
	}
	text := filepath.Join(directory, "report.json")
	if err := run(context.Background(), []string{"load", "compare", text, text, "--html", filepath.Join(directory, "both.html")}); err != nil {
		t.Errorf("compare: %v", err)
	}
	if r, err := report.Read(text); err != nil || r.Audit.Expected == 0 || r.Head.Scenario != "fanout" {
		t.Errorf("the report: %+v, %v", r, err)
	}
}

// A process that does not exist is noticed before the load, and a page without metrics is no cost of 0.
func TestLoadCosts(t *testing.T) {
	cleanEnvironment(t)
	err := run(context.Background(), []string{"load", "fanout", "--url", "http://127.0.0.1:1", "-q", "--pid", "x=1073741824", "--slo", "cpu<1"})
	if !errors.Is(err, cost.ErrEnded) || exitCode(err) != 1 {
		t.Errorf("no such process: got %v, exit code %d", err, exitCode(err))
	}
	c := cluster.Start(t, cluster.Shape{App: cluster.Contract})
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	err = run(context.Background(), []string{
		"load", "fanout", "--url", c.URL(0), "-n", "5", "--in-flight", "2", "-d", "100ms", "--warm-up", "0s", "-q", "--server-metrics", "x=" + page.URL, "--slo", "lost=0,cpu<1,memory<1,connect_cpu<1",
	})
	if !errors.Is(err, report.ErrMissed) || exitCode(err) != 3 || strings.Count(err.Error(), "x: read x: cost: no process metrics") != 3 {
		t.Errorf("a page without metrics: got %v, exit code %d", err, exitCode(err))
	}
}
