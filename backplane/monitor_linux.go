package backplane

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// monitorSlack is the monitor's timer slack, in nanoseconds, and the most that another thread's may be. Linux's usual one is 50 µs.
const (
	monitorSlack = 500_000
	usualSlack   = 50_000
)

// The environment variables of QuietMonitor.
const (
	monitorSetting  = "PATCHBAY_MONITOR_SLACK"  // 0 turns it off
	monitorExecuted = "PATCHBAY_MONITOR_BEFORE" // the process id, and its slack before it executed itself
)

// QuietMonitor makes the monitor thread of Go's runtime sleep for half a millisecond at a time where it would sleep for 20 µs, by its timer slack
// (prctl(2), PR_SET_TIMERSLACK). A process that messages wake a thousand times a second spends a tenth of a processor on that thread otherwise. What the thread is for
// comes that much later: taking the processor from a goroutine that blocks in a system call, or that runs for long.
//
// A thread inherits its slack, and the monitor is there before main is. So the process executes its own program once more (execve), under the same process id, and then sets
// the slack of the other threads back. Call it first in main, before anything is open. It does nothing where that cannot work, where somebody has chosen a larger
// slack for the process, or if PATCHBAY_MONITOR_SLACK is 0 in the environment.
func QuietMonitor() {
	if os.Getenv(monitorSetting) == "0" {
		return
	}
	var pid, before int
	if n, _ := fmt.Sscan(os.Getenv(monitorExecuted), &pid, &before); n == 2 && pid == os.Getpid() {
		_ = os.Unsetenv(monitorExecuted) // it cannot fail for that name
		restoreSlack(before)
		return
	}
	slack, err := timerSlack()
	if err != nil || slack > usualSlack {
		return
	}
	program, ok := ownProgram()
	if !ok {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if setTimerSlack(monitorSlack) != nil {
		return
	}
	if set, err := timerSlack(); err == nil && set == monitorSlack { // a real-time process has none
		// It returns only if it fails, and then all is as it was.
		_ = syscall.Exec(program, os.Args, append(os.Environ(), fmt.Sprintf("%s=%d %d", monitorExecuted, os.Getpid(), slack)))
	}
	_ = setTimerSlack(slack)
}

// ownProgram is the path of this program, if it is still there.
func ownProgram() (path string, ok bool) {
	path, err := os.Executable()
	if err != nil {
		return "", false
	}
	there, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	running, err := os.Stat("/proc/self/exe")
	return path, err == nil && os.SameFile(there, running)
}

// restoreSlack gives a slack to all threads but the monitor, while they have nothing to do yet: as many goroutines as there are threads, and some more, each hold one.
// Threads that are made later inherit it from their makers. So one that the monitor makes, because of a goroutine that blocks in a system call, has the monitor's, as may one or two that nobody could hold: a
// timer that such a thread waits for comes that much later.
func restoreSlack(slack int) {
	_ = setTimerSlack(slack)
	// The first lock makes the thread that makes threads from then on. It is to inherit this one's slack.
	runtime.LockOSThread()
	runtime.UnlockOSThread()
	all := threads() + 8
	var arrived, done sync.WaitGroup
	arrived.Add(all)
	done.Add(all)
	for range all {
		// Timers, so that the thread that waits for those, in Go's poller, is among the held.
		time.AfterFunc(time.Millisecond, func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			defer done.Done()
			arrived.Done()
			arrived.Wait()
			_ = setTimerSlack(slack)
		})
	}
	done.Wait()
}

// threads is how many the process has: a directory has a link from each directory in it.
func threads() int {
	var tasks unix.Stat_t
	if err := unix.Stat("/proc/self/task", &tasks); err != nil {
		return 0
	}
	return int(tasks.Nlink)
}

// timerSlack is that of the thread that asks.
func timerSlack() (int, error) { return unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0) }

// setTimerSlack sets that of the thread that asks.
func setTimerSlack(ns int) error { return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0) }
