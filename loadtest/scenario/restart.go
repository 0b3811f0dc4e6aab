package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// ErrRestart reports a command of the drain scenario that failed.
var ErrRestart = errors.New("load: a restart command failed")

// maxWords bounds what is reported of a failed command's output.
const maxWords = 500

// noRestart is noted of a drain scenario without commands.
const noRestart = "drain without --restart: unless somebody else restarted a node, this measures an undisturbed room"

// overtime is the least time between two points while a run waits only for its restarts.
const overtime = time.Second

// restarts are the commands of the drain scenario under way.
type restarts struct {
	done <-chan error // brings the error of the first that fails, and closes after the last; nil once that was seen
}

// restart runs the commands, one after the other, up to the first that fails.
func (r *run) restart(ctx context.Context) *restarts {
	if r.plan.Scenario == "drain" && len(r.plan.Options.Trouble.Restart) == 0 {
		r.note(errors.New(noRestart))
	}
	done := make(chan error, 1)
	//patchbay:goroutine runs the commands, which end with ctx; measure waits for done, or for ctx as well
	go func() {
		defer close(done)
		for _, command := range r.plan.Options.Trouble.Restart {
			if err := shell(ctx, command); err != nil {
				done <- err
				return
			}
		}
	}()
	return &restarts{done}
}

func (s *restarts) over() bool { return s.done == nil }

// pause waits until the next point is due: at the end of the measured time exactly, so that the last interval may be shorter, and beyond it when
// the last command has ended. It returns early if one fails.
func (s *restarts) pause(ctx context.Context, interval, left time.Duration) error {
	beyond, wait := left <= 0, min(interval, left)
	if beyond {
		wait = max(interval, overtime)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case err := <-s.done:
			s.done = nil
			if err != nil || beyond {
				return err
			}
		}
	}
}

// shell runs a command until its shell ends. What it leaves running in the background is not waited for: the output goes to a file, where a pipe
// would stay open as long as anybody holds it.
func shell(ctx context.Context, command string) error {
	output, err := os.CreateTemp("", "patchbay-restart")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRestart, err)
	}
	defer output.Close()
	defer os.Remove(output.Name())
	c := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	c.Stdout, c.Stderr = output, output
	if err := c.Run(); err != nil {
		words := make([]byte, maxWords)
		n, _ := output.ReadAt(words, 0) // short is usual
		return fmt.Errorf("%w: %s: %w, and it said %q", ErrRestart, command, err, bytes.TrimSpace(words[:n]))
	}
	return nil
}
