package worker

import (
	"sync"

	"patchbay/backplane"
)

// task is what waits for a socket: its CONNECT, events, and at last its disconnection.
type task struct {
	kind taskKind
	msg  *backplane.Msg // of a CONNECT or event
	text string         // why it disconnected
	// receipt is how the gateway knows an event.
	receipt backplane.Receipt
	// former is closed by the last task of a socket that has come back, and waited for by the CONNECT.
	former chan struct{}
}

type taskKind byte

const (
	taskConnect taskKind = iota
	taskOpen
	taskEvent
	taskFull // no more events are taken
	taskDisconnect
	taskEnded // nothing more to do, and another socket of the same id waits for that
)

// taskCost is what a waiting event counts for beside its bytes.
const taskCost = 256

func (t *task) size() int {
	if t.msg == nil {
		return 0
	}
	return len(t.msg.Data) + taskCost
}

// queue holds a socket's tasks in order. The reader adds; the socket's goroutine, which there is
// only while the queue is not empty, takes. Its mutex is held for nothing else.
type queue struct {
	mu      sync.Mutex
	tasks   []task
	first   [1]task // where tasks begins again: most sockets have one event at a time
	head    int
	bytes   int
	running bool
	full    bool // events are no longer taken: the socket is being disconnected
}

// added is what became of a task.
type added byte

const (
	addedBehind added = iota // a goroutine is at work and will come to it
	addedFirst               // the caller must start one
	addedNot                 // the queue is full, as of this task
	addedNever               // it was full before
)

// add adds a task. Limits hold for events alone.
func (q *queue) add(t task, limit, limitBytes int) added {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.kind == taskEvent {
		if q.full {
			return addedNever
		}
		waiting := len(q.tasks) - q.head
		if waiting > 0 && (waiting >= limit || q.bytes+t.size() > limitBytes) {
			q.full = true
			return addedNot
		}
	}
	q.tasks = append(q.tasks, t)
	q.bytes += t.size()
	if q.running {
		return addedBehind
	}
	q.running = true
	return addedFirst
}

// next takes the next task. ok is false when there is none: the goroutine must then end.
func (q *queue) next() (t task, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.head == len(q.tasks) {
		q.tasks, q.head, q.running = q.first[:0], 0, false
		return task{}, false
	}
	t = q.tasks[q.head]
	q.tasks[q.head] = task{}
	q.head++
	q.bytes -= t.size()
	// The room before the head is used again before the slice would grow.
	if q.head > 32 && q.head*2 > len(q.tasks) {
		n := copy(q.tasks, q.tasks[q.head:])
		clear(q.tasks[n:])
		q.tasks, q.head = q.tasks[:n], 0
	}
	return t, true
}
