package cluster

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// leakTimeout is how long goroutines and descriptors may take to be gone after a stop.
const leakTimeout = 10 * time.Second

// CheckLeaks makes the test fail if, after its other cleanups, there are goroutines that were not there at the
// call, or more open descriptors. Call it first, and not in parallel tests.
func CheckLeaks(t testing.TB) {
	t.Helper()
	goroutines := goleak.IgnoreCurrent()
	before, err := descriptors()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), leakTimeout)
		defer cancel()
		if err := await(ctx, func() error { return goleak.Find(goroutines) }); err != nil {
			t.Error(err)
		}
		if err := await(ctx, func() error { return noMore(before) }); err != nil {
			t.Error(err)
		}
	})
}

func noMore(before []string) error {
	now, err := descriptors()
	if err != nil {
		return err
	}
	if len(now) > len(before) {
		return fmt.Errorf("%d descriptors are open, %d were before: now %q", len(now), len(before), now)
	}
	return nil
}

// descriptors lists what the open descriptors of this process are.
func descriptors() ([]string, error) {
	const directory = "/proc/self/fd"
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	var open []string
	for _, entry := range entries {
		// The descriptor of the directory itself is gone by now, and is left out.
		if target, err := os.Readlink(directory + "/" + entry.Name()); err == nil {
			open = append(open, target)
		}
	}
	return open, nil
}

// Start is Open for tests: it fails the test on an error, stops the cluster at the test's end, and checks
// that nothing of it is left then.
func Start(t testing.TB, shape Shape) *Cluster {
	t.Helper()
	CheckLeaks(t)
	c, err := Open(context.Background(), shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}
