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
	"syscall"
	"testing"

	"patchbay/internal/ops"
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

// What cannot be written is noticed before the load, and what fails at the end does not take the rest with it.
func TestLoadFiles(t *testing.T) {
	cleanEnvironment(t)
	directory := t.TempDir()
	inside := func(name string) string { return filepath.Join(directory, name) }
	if err := os.WriteFile(inside("old.json"), []byte("an earlier report"), 0o600); err != nil {
		t.Fatal(err)
	}
	dead := []string{"load", "fanout", "--url", "http://127.0.0.1:1", "-q", "--connect-timeout", "10ms"}
	for _, wrong := range [][]string{
		{"--json", inside("none/report.json"), "--html", inside("report.html")}, {"--json", inside("report.json"), "--html", directory},
		{"--json", inside("old.json"), "--html", inside("none/report.html")},
	} {
		err := run(context.Background(), append(slices.Clone(dead), wrong...))
		if err == nil || errors.Is(err, scenario.ErrNotConnected) || !strings.Contains(err.Error(), "open for the report") {
			t.Errorf("%q: got %v, want it before the load", wrong, err)
		}
	}
	if err := run(context.Background(), append(slices.Clone(dead), "--json", inside("old.json"), "--html", inside("report.html"))); !errors.Is(err, scenario.ErrNotConnected) {
		t.Errorf("got %v, want the run to fail", err)
	}
	if text, err := os.ReadFile(inside("old.json")); err != nil || string(text) != "an earlier report" {
		t.Errorf("a run that failed has left %q of an earlier report: %v", text, err)
	}
	if files, err := os.ReadDir(directory); err != nil || len(files) != 1 {
		t.Errorf("files of runs that failed: %v, %v", files, err)
	}
	c := cluster.Start(t, cluster.Shape{App: cluster.Contract})
	err := run(context.Background(), []string{
		"load", "fanout", "--url", c.URL(0), "-n", "5", "--in-flight", "2", "-d", "100ms", "--warm-up", "0s", "-q", "--json", "/dev/full", "--html", inside("report.html"),
	})
	if !errors.Is(err, syscall.ENOSPC) || exitCode(err) != 1 {
		t.Errorf("a full disk: got %v", err)
	}
	if page, err := os.ReadFile(inside("report.html")); err != nil || !strings.Contains(string(page), "</html>") {
		t.Errorf("the page was lost with the JSON: %v", err)
	}
	err = run(context.Background(), []string{
		"load", "fanout", "--url", c.URL(0), "-n", "5", "--in-flight", "2", "-d", "100ms", "--warm-up", "0s", "-q", "--json", inside("old.json"),
	})
	if _, unread := report.Read(inside("old.json")); err != nil || unread != nil {
		t.Errorf("over an earlier report: %v, %v", err, unread)
	}
}

// SIGINT in the measured time: what there is is reported, marked as interrupted, and objectives are not judged.
func TestLoadInterrupted(t *testing.T) {
	cleanEnvironment(t)
	c := cluster.Start(t, cluster.Shape{App: cluster.Contract})
	text, page := filepath.Join(t.TempDir(), "report.json"), filepath.Join(t.TempDir(), "report.html")
	ctx, stop := ops.Interruptible(context.Background())
	defer stop()
	err := run(ctx, []string{
		"load", "drain", "--url", c.URL(0), "-n", "5", "-d", "1h", "--warm-up", "0s", "-q", "--restart", fmt.Sprintf("kill -INT %d", os.Getpid()), "--slo", "p99<1ns", "--json", text, "--html", page,
	})
	if !errors.Is(err, scenario.ErrInterrupted) || errors.Is(err, report.ErrMissed) || exitCode(err) != 1 {
		t.Errorf("got %v, exit code %d", err, exitCode(err))
	}
	if r, err := report.Read(text); err != nil || !r.End.Interrupted || r.Seconds == 0 {
		t.Errorf("the report: %+v, %v", r, err)
	}
	if b, err := os.ReadFile(page); err != nil || !strings.Contains(string(b), "Interrupted") {
		t.Errorf("the page: %v", err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	err = run(cancelled, []string{"load", "idle", "--url", c.URL(0), "-n", "5", "-q"})
	if !errors.Is(err, scenario.ErrInterrupted) || !strings.Contains(err.Error(), "nothing is reported") || exitCode(err) != 1 {
		t.Errorf("before the load: got %v, exit code %d", err, exitCode(err))
	}
}

// compare refuses what is no report, by its name, before it writes anything.
func TestLoadCompareRefuses(t *testing.T) {
	cleanEnvironment(t)
	directory := t.TempDir()
	wrong, page := filepath.Join(directory, "package.json"), filepath.Join(directory, "both.html")
	if err := os.WriteFile(wrong, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := run(context.Background(), []string{"load", "compare", wrong, wrong, "--html", page})
	if !errors.Is(err, report.ErrReport) || exitCode(err) != 1 || !strings.Contains(err.Error(), wrong) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(page); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the page: %v", err)
	}
}
