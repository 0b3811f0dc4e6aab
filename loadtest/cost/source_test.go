package cost_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"patchbay/loadtest/cost"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]cost.Source{
		"gateway=4711":                      {Name: "gateway", PID: 4711},
		"nats=http://127.0.0.1:1/metrics":   {Name: "nats", URL: "http://127.0.0.1:1/metrics"},
		"w=https://127.0.0.1/metrics?a=b=c": {Name: "w", URL: "https://127.0.0.1/metrics?a=b=c"},
	} {
		if got, err := cost.ParseSource(text); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "gateway", "=1", "gateway=", "gateway=x", "gateway=-1", "gateway=0"} {
		if _, err := cost.ParseSource(text); !errors.Is(err, cost.ErrSource) {
			t.Errorf("%q: got %v, want ErrSource", text, err)
		}
	}
}

func TestRead(t *testing.T) {
	u, err := cost.Source{Name: "self", PID: os.Getpid()}.Read(context.Background())
	if err != nil || u.Resident < 1e6 {
		t.Errorf("this process: got %+v, %v", u, err)
	}
	page := "# HELP x\nprocess_cpu_seconds_total 1.5\nother{a=\"b\"} 3\nprocess_resident_memory_bytes 2.5e+07\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer s.Close()
	source := cost.Source{Name: "there", URL: s.URL}
	if u, err = source.Read(context.Background()); err != nil || u.CPU != 1500*time.Millisecond || u.Resident != 25e6 {
		t.Errorf("a page: got %+v, %v", u, err)
	}
	for _, page = range []string{"", "process_cpu_seconds_total 1\n", "process_cpu_seconds_total x\nprocess_resident_memory_bytes 1\n"} {
		if _, err := source.Read(context.Background()); !errors.Is(err, cost.ErrMetric) {
			t.Errorf("%q: got %v, want ErrMetric", page, err)
		}
	}
}

// A process that is not there, and one that has ended but was not waited for yet, are not read as having used nothing.
func TestEnded(t *testing.T) {
	gone := cost.Source{Name: "gone", PID: 1 << 30}
	if _, err := gone.Read(context.Background()); !errors.Is(err, cost.ErrEnded) || !errors.Is(gone.Check(), cost.ErrEnded) {
		t.Errorf("a process that is not there: got %v", err)
	}
	if err := (cost.Source{Name: "page", URL: "http://127.0.0.1:1"}).Check(); err != nil {
		t.Errorf("a page, which may come later: got %v", err)
	}
	command := exec.Command("cat")
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	cat := cost.Source{Name: "cat", PID: command.Process.Pid}
	if err := cat.Check(); err != nil {
		t.Errorf("a process that runs: got %v", err)
	}
	input.Close()
	if _, err := io.ReadAll(output); err != nil {
		t.Fatal(err)
	}
	for cat.Check() == nil { // its output ends a little before it does
		runtime.Gosched()
	}
	if _, err := cat.Read(context.Background()); !errors.Is(err, cost.ErrEnded) {
		t.Errorf("a process that has ended: got %v, want ErrEnded", err)
	}
	if err := command.Wait(); err != nil {
		t.Fatal(err)
	}
}
