package scenario

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// spareDescriptors is what a process needs beside its connections.
const spareDescriptors = 50

// ErrDescriptors reports a limit on open files that does not allow the connections of a plan.
var ErrDescriptors = errors.New("load: too few file descriptors")

// checkDescriptors refuses a plan whose processes would run out of descriptors. Polling takes two each while it lasts.
func checkDescriptors(plan *Plan) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit on open files: %w", err)
	}
	each := uint64(1)
	switch plan.Options.Server.Transport {
	case "polling":
		each = 2
	case "upgrade":
		each = 3
	}
	most := min(uint64(plan.Options.Shape.PerProcess), uint64(plan.Total()))
	// An upgrade's three last only for a moment.
	if each == 3 {
		most, each = most+3*uint64(min(plan.Options.Timing.Connecting, plan.Total())), 1
	}
	if need := most*each + spareDescriptors; need > limit.Cur {
		return fmt.Errorf("%w: a process needs %d, the limit is %d (ulimit -n); lower --per-process", ErrDescriptors, need, limit.Cur)
	}
	return nil
}
