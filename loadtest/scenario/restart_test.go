package scenario_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"patchbay/loadtest/scenario"
)

// drained runs the drain scenario with commands against a server that no command concerns.
func drained(t *testing.T, name string, d time.Duration, commands ...string) (*scenario.Outcome, error) {
	t.Helper()
	o := options(startFake(t, nil, nil).URL)
	o.Clients, o.Traffic.Rate, o.Timing.Duration, o.Trouble.Restart = 3, 100, d, commands
	plan, err := scenario.NewPlan(name, o)
	if err != nil {
		return nil, err
	}
	return (&scenario.Runner{}).Run(context.Background(), plan)
}

// A restart that takes longer than the run is waited for, and not busily: no more points are taken than there is something to say.
func TestRestartOutlastsRun(t *testing.T) {
	out, err := drained(t, "drain", 20*time.Millisecond, "sleep 0.5")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out.Points); n > 40 {
		t.Errorf("%d points, want some 20 of the measured time and hardly any beyond", n)
	}
}

// What a command leaves running in the background, as restarts do, is not waited for.
func TestRestartInBackground(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	if _, err := drained(t, "drain", 20*time.Millisecond, "sleep 60 & echo $! > "+file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the run has waited for what was in the background: %v", err)
	}
}

// A command that fails fails the run, with what it said, and the next is not run.
func TestRestartFails(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "second")
	_, err := drained(t, "drain", time.Hour, "echo no such node >&2; exit 7", "touch "+marker)
	if !errors.Is(err, scenario.ErrRestart) || !strings.Contains(err.Error(), "no such node") || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("got %v, want the failure of the first command", err)
	}
	if _, err := os.Stat(marker); err == nil {
		t.Error("the second command has run")
	}
}

// Without a command drain says what it lacks; commands that no other scenario would run are refused.
func TestRestartMissing(t *testing.T) {
	out, err := drained(t, "drain", 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Notes) != 1 || !strings.Contains(out.Notes[0], "--restart") {
		t.Errorf("notes: %q, want one of the missing --restart", out.Notes)
	}
	if _, err := drained(t, "fanout", 20*time.Millisecond, "true"); !errors.Is(err, scenario.ErrOptions) {
		t.Errorf("fanout with --restart: got %v, want %v", err, scenario.ErrOptions)
	}
}
