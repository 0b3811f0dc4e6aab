package gateway

import (
	"sync"
	"testing"
)

// numbered is a task that is told apart.
type numbered struct{ poster, n int }

func (numbered) run(*loop) {}

func TestMailbox(t *testing.T) {
	var m mailbox
	if !m.sleep() {
		t.Error("an empty mailbox keeps its loop awake")
	}
	if wake, ok := m.post(numbered{0, 1}); !wake || !ok {
		t.Error("the first post to a sleeper does not wake it")
	}
	if wake, ok := m.post(numbered{0, 2}); wake || !ok {
		t.Error("the second wakes again")
	}
	if m.sleep() {
		t.Error("may sleep with tasks")
	}
	tasks := m.take(nil)
	if len(tasks) != 2 || tasks[0] != (numbered{0, 1}) || tasks[1] != (numbered{0, 2}) {
		t.Errorf("%v", tasks)
	}
	if wake, _ := m.post(numbered{0, 3}); wake {
		t.Error("wakes a loop that is awake")
	}
	again := m.take(tasks)
	if len(again) != 1 || tasks[0] != nil {
		t.Errorf("%v, spent %v", again, tasks)
	}
	m.post(numbered{0, 4})
	if left := m.close(); len(left) != 1 {
		t.Errorf("%v", left)
	}
	if wake, ok := m.post(numbered{0, 5}); wake || ok {
		t.Error("takes tasks when closed")
	}
}

// Nothing is lost, and each poster's tasks come in order, while a loop takes and sleeps.
func TestMailboxOrder(t *testing.T) {
	var m mailbox
	const posters, each = 4, 5000
	wakes := make(chan struct{}, posters*each)
	var running sync.WaitGroup
	for p := range posters {
		running.Go(func() {
			for n := range each {
				if wake, _ := m.post(numbered{p, n}); wake {
					wakes <- struct{}{}
				}
			}
		})
	}
	var next [posters]int
	var tasks []task
	for got := 0; got < posters*each; {
		if m.sleep() {
			<-wakes
		}
		tasks = m.take(tasks)
		for _, task := range tasks {
			n, ok := task.(numbered)
			if !ok || n.n != next[n.poster] {
				t.Fatalf("%+v when it was %d's turn", task, next[n.poster])
			}
			next[n.poster]++
			got++
		}
	}
	running.Wait()
}
