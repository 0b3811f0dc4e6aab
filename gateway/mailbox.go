package gateway

import "sync"

// task is work for a loop, posted by anyone and run on the loop's goroutine.
type task interface{ run(l *loop) }

// mailbox is a loop's queue of tasks: any goroutine posts, the loop takes all that is
// there at once. It has no bound of its own: each poster is bounded (HTTP requests by connections, emits by the
// backplane's inbox), and posting must never block a loop that posts to another.
type mailbox struct {
	mu     sync.Mutex
	tasks  []task
	asleep bool // the loop waits in its poller or pauses, or is about to
	closed bool
}

// post adds a task. wake is true when the loop must be woken to see it; ok is false when the
// loop has ended and the task will not run.
func (m *mailbox) post(t task) (wake, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return false, false
	}
	m.tasks = append(m.tasks, t)
	wake, m.asleep = m.asleep, false
	return wake, true
}

// take returns what was posted, in order, and gives a spent slice to post into next.
func (m *mailbox) take(spent []task) []task {
	clear(spent)
	m.mu.Lock()
	defer m.mu.Unlock()
	tasks := m.tasks
	m.tasks = spent[:0]
	m.asleep = false
	return tasks
}

// sleep reports whether the loop may wait: nothing is posted, and the next post will wake it.
func (m *mailbox) sleep() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asleep = len(m.tasks) == 0
	return m.asleep
}

// close refuses further tasks and returns those not run.
func (m *mailbox) close() []task {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return m.tasks
}
