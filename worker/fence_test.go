package worker

import (
	"context"
	"testing"
	"time"
)

// Without a proof for three beats events wait for the next, and go on after it.
func TestFence(t *testing.T) {
	f := newFence(time.Hour)
	at := func(d time.Duration) time.Time { return f.start.Add(d) }
	if !f.pass(at(3*time.Hour-1)) || f.pass(at(3*time.Hour)) {
		t.Error("not closed after three beats")
	}
	f.proof(2 * time.Hour)
	if !f.pass(at(5*time.Hour-1)) || f.pass(at(5*time.Hour)) {
		t.Error("not closed three beats after the last proof was sent")
	}
	f.start = time.Now().Add(-10 * time.Hour)
	ctx, cancel := context.WithCancel(context.Background())
	passed := make(chan bool)
	go func() { passed <- f.wait(ctx) }()
	f.proof(3 * time.Hour) // an old one
	select {
	case <-passed:
		t.Error("an old proof opened it")
	default:
	}
	f.proof(10 * time.Hour)
	if !<-passed {
		t.Error("closed after a proof")
	}
	f.start = time.Now().Add(-20 * time.Hour)
	go func() { passed <- f.wait(ctx) }()
	cancel()
	if <-passed {
		t.Error("open without a proof")
	}
}
