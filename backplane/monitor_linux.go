package backplane

import (
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Timer slacks, in nanoseconds. The monitor's is odd, so that it is told from one that somebody has chosen.
const (
	monitorSlack = 1_000_001
	usualSlack   = 50_000
)

// QuietMonitor makes the monitor thread of Go's runtime sleep for about a millisecond at a time where it would sleep for 20 µs, by its timer slack
// (prctl(2), PR_SET_TIMERSLACK). A process that messages wake a thousand times a second spends a tenth of a processor on that thread otherwise. What the thread is for
// comes a millisecond later then: taking the processor from a goroutine that blocks in a system call, or that runs for long.
//
// A thread inherits its slack, and the monitor is there before main is. So the process executes its own program once more (execve), under the same process id, and then sets
// the slack of all other threads back. Call it first in main, before anything is open. It does nothing where that cannot work, where somebody has chosen another
// slack for the process, or if PATCHBAY_MONITOR_SLACK is 0 in the environment.
func QuietMonitor() {
	if os.Getenv("PATCHBAY_MONITOR_SLACK") == "0" {
		return
	}
	slack, err := timerSlack()
	switch {
	case err != nil || slack > usualSlack && slack != monitorSlack:
		return
	case slack == monitorSlack:
		restoreSlack()
		return
	}
	program, err := os.Executable()
	if err != nil {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if setTimerSlack(monitorSlack) == nil {
		// It returns only if it fails, and then all is as it was.
		_ = syscall.Exec(program, os.Args, os.Environ())
		_ = setTimerSlack(slack)
	}
}

// restoreSlack sets the slack of all threads but the monitor back while they have nothing to do yet: as many goroutines as there are threads, and some more, each hold one.
// Threads that are made later inherit it from their makers. With cgo two or three that no goroutine can have keep the monitor's.
func restoreSlack() {
	_ = setTimerSlack(0) // the main thread's own, from before; all others have inherited the monitor's
	slack, err := timerSlack()
	if err != nil || slack > usualSlack {
		slack = usualSlack
		_ = setTimerSlack(slack)
	}
	// The first lock makes the thread that makes threads from then on. It is to inherit this one's slack.
	runtime.LockOSThread()
	runtime.UnlockOSThread()
	all := threads() + 2*runtime.GOMAXPROCS(0) + 8
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

// setTimerSlack sets that of the thread that asks; 0 is what it was when the thread was made.
func setTimerSlack(ns int) error { return unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(ns), 0, 0, 0) }
