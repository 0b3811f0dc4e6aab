package ops_test

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"patchbay/internal/ops"
)

// part is a Part that says when it is stopped, and can be slow at it.
type part struct {
	stopped chan struct{}
	slow    bool
}

func (p *part) Ready() error { return nil }

func (p *part) Stop(ctx context.Context) error {
	close(p.stopped)
	if p.slow {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func TestRunStops(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{stopped: make(chan struct{})}
	err := ops.Run(ctx, ops.Options{Internal: "127.0.0.1:0"}, zap.NewNop(), func(context.Context, ops.Process) (ops.Part, error) {
		cancel()
		return p, nil
	})
	if err != nil {
		t.Error(err)
	}
	<-p.stopped
}

func TestRunBoundsTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		p := &part{stopped: make(chan struct{}), slow: true}
		err := ops.Run(ctx, ops.Options{StopTimeout: time.Minute}, zap.NewNop(), func(context.Context, ops.Process) (ops.Part, error) {
			cancel()
			return p, nil
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline of the stop", err)
		}
	})
}

func TestRunOpenErrors(t *testing.T) {
	broken := errors.New("broken")
	fail := func(context.Context, ops.Process) (ops.Part, error) { return nil, broken }
	if err := ops.Run(context.Background(), ops.Options{}, zap.NewNop(), fail); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := ops.Run(ctx, ops.Options{}, zap.NewNop(), fail); err != nil {
		t.Errorf("a start that was called off: got %v, want nil", err)
	}
}

// drainer is a Part that drains until it is told to hurry.
type drainer struct {
	part
	drains chan struct{}
}

func (d *drainer) Drain(ctx context.Context) {
	close(d.drains)
	<-ctx.Done()
}

// A part drains before it stops; a signal meanwhile ends that, and not the process.
func TestRunDrains(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &drainer{part: part{stopped: make(chan struct{})}, drains: make(chan struct{})}
	ended := make(chan error)
	go func() {
		ended <- ops.Run(ctx, ops.Options{}, zap.NewNop(), func(context.Context, ops.Process) (ops.Part, error) {
			return d, nil
		})
	}()
	cancel()
	<-d.drains
	select {
	case <-d.stopped:
		t.Error("stopped while it drained")
	default:
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-d.stopped
}
