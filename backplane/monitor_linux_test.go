package backplane

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// quiet is what a process that has quieted its monitor says of itself.
type quiet struct {
	PID     int
	Name    string
	Args    []string
	Slacks  []int // of the threads of goroutines
	Threads []int // of all threads, if that may be known
}

// childVariable makes this program, run by its own test, that process.
const childVariable = "PATCHBAY_TEST_MONITOR"

func TestQuietMonitor(t *testing.T) {
	if os.Getenv(childVariable) != "" {
		QuietMonitor()
		if err := json.NewEncoder(os.Stderr).Encode(lookAtThreads()); err != nil {
			t.Fatal(err)
		}
		return
	}
	name := filepath.Base(os.Args[0])
	name = name[:min(len(name), 15)] // as much as the kernel keeps
	for _, test := range []struct {
		setting string
		quiet   bool
	}{{"", true}, {"PATCHBAY_MONITOR_SLACK=0", false}} {
		child := exec.Command(os.Args[0], "-test.run=^TestQuietMonitor$")
		child.Env = append(os.Environ(), childVariable+"=1", test.setting)
		var said strings.Builder
		child.Stderr = &said
		if err := child.Run(); err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
		var q quiet
		if err := json.Unmarshal([]byte(said.String()), &q); err != nil {
			t.Fatalf("%v: %s", err, said.String())
		}
		if q.PID != child.Process.Pid || q.Name != name || len(q.Args) != 2 {
			t.Errorf("after all it is %+v; want process %d and the name %s", q, child.Process.Pid, name)
		}
		if n := monitors(q.Slacks); n > len(q.Slacks)/2 {
			t.Errorf("%q: %d of %d goroutines' threads have the monitor's slack", test.setting, n, len(q.Slacks))
		}
		if os.Geteuid() != 0 {
			continue // threads' slacks are the administrator's to see
		}
		if n := monitors(q.Threads); test.quiet != (n > 0) || n > len(q.Threads)/2 || len(q.Threads) < 10 {
			t.Errorf("%q: %d of %d threads have the monitor's slack", test.setting, n, len(q.Threads))
		}
	}
}

// monitors counts those that have the monitor's slack.
func monitors(slacks []int) int {
	n := 0
	for _, slack := range slacks {
		if slack == monitorSlack {
			n++
		}
	}
	return n
}

// lookAtThreads holds ten threads, and asks each for its slack.
func lookAtThreads() quiet {
	const held = 10
	q := quiet{PID: os.Getpid(), Args: os.Args}
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		panic(err)
	}
	q.Name = strings.TrimSpace(string(name))
	var arrived, done sync.WaitGroup
	var mu sync.Mutex
	arrived.Add(held)
	for range held {
		done.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			arrived.Done()
			arrived.Wait()
			slack, err := timerSlack()
			if err != nil {
				panic(err)
			}
			mu.Lock()
			defer mu.Unlock()
			q.Slacks = append(q.Slacks, slack)
		})
	}
	done.Wait()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic(err)
	}
	for _, task := range tasks {
		// A thread's file is not under its process's task directory, and not everybody's to read.
		text, err := os.ReadFile(fmt.Sprintf("/proc/%s/timerslack_ns", task.Name()))
		if slack, wrong := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && wrong == nil {
			q.Threads = append(q.Threads, slack)
		}
	}
	return q
}
