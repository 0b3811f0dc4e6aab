package worker

import "sync"

// crew starts the worker's goroutines, counts them, and tells when none is left. Safe for concurrent use.
type crew struct {
	mu      sync.Mutex
	working int
	closed  bool
	idle    chan struct{} // closed when nobody works and the crew is closed
}

func newCrew() *crew { return &crew{idle: make(chan struct{})} }

// run runs f on a goroutine. It returns false, and does nothing, once the crew is closed.
func (c *crew) run(f func()) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	c.working++
	c.mu.Unlock()
	//patchbay:goroutine counted by the crew, whose idle channel App.Stop waits for; handlers stop by their context
	go func() {
		defer c.done()
		f()
	}()
	return true
}

func (c *crew) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.working--; c.working == 0 && c.closed {
		close(c.idle)
	}
}

// close takes no more work, and returns a channel that is closed once nobody works.
func (c *crew) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		if c.working == 0 {
			close(c.idle)
		}
	}
	return c.idle
}
