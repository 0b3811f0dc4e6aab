package worker

import "sync"

// maxSpare is how many goroutines without work a crew keeps. A goroutine that has run a handler has the stack that
// handlers need; a new one grows it again, which costs as much as a small handler. One that waits costs its stack, some 4 KB.
const maxSpare = 256

// crew is the worker's goroutines: it starts them, counts those at work, and tells when none is. Safe for concurrent use.
type crew struct {
	mu     sync.Mutex
	all    int // goroutines, spare ones included
	closed bool
	spare  []*hand       // the last to have worked comes first
	idle   chan struct{} // closed when there is none and the crew is closed
}

// hand is one goroutine of a crew.
type hand struct {
	next chan func() // what to do next; closed to end it
}

func newCrew() *crew { return &crew{idle: make(chan struct{})} }

// run runs f on a goroutine of its own. It returns false, and does nothing, once the crew is closed.
func (c *crew) run(f func()) bool {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false
	}
	if last := len(c.spare) - 1; last >= 0 {
		h := c.spare[last]
		c.spare[last] = nil
		c.spare = c.spare[:last]
		c.mu.Unlock()
		h.next <- f
		return true
	}
	c.all++
	c.mu.Unlock()
	h := &hand{next: make(chan func(), 1)}
	//patchbay:goroutine counted by the crew, whose idle channel App.Stop waits for; handlers stop by their context, spare ones when the crew is closed
	go c.work(h, f)
	return true
}

// work does what is to be done, one after another, until the crew is closed or has enough to spare.
func (c *crew) work(h *hand, f func()) {
	defer c.left()
	for ok := true; ok; f, ok = <-h.next {
		f()
		if !c.waits(h) {
			return
		}
	}
}

// waits says that a goroutine has nothing to do, and reports whether it is to wait for more.
func (c *crew) waits(h *hand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || len(c.spare) == maxSpare {
		return false
	}
	c.spare = append(c.spare, h)
	return true
}

// left says that a goroutine ends.
func (c *crew) left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all--; c.all == 0 && c.closed {
		close(c.idle)
	}
}

// close takes no more work, and returns a channel that is closed once nobody works.
func (c *crew) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		for _, h := range c.spare {
			close(h.next)
		}
		c.spare = nil
		if c.all == 0 {
			close(c.idle)
		}
	}
	return c.idle
}
