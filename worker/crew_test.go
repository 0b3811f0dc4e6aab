package worker

import (
	"sync"
	"testing"
)

// A crew runs everything it took, whoever is spare or new, and none is left once it is closed.
func TestCrewRunsAll(t *testing.T) {
	c := newCrew()
	const rounds, width = 3, 2 * maxSpare
	var ran sync.WaitGroup
	for range rounds {
		gate := make(chan struct{})
		for range width {
			ran.Add(1)
			if !c.run(func() { <-gate; ran.Done() }) {
				t.Fatal("an open crew took no work")
			}
		}
		close(gate)
		ran.Wait()
	}
	c.mu.Lock()
	if c.all > rounds*width || len(c.spare) > maxSpare {
		t.Errorf("%d goroutines, %d spare", c.all, len(c.spare))
	}
	c.mu.Unlock()
	<-c.close()
	if c.run(func() { t.Error("a closed crew worked") }) {
		t.Error("a closed crew took work")
	}
}

// A goroutine that works when its crew is closed ends its work first.
func TestCrewWaitsForWork(t *testing.T) {
	c := newCrew()
	gate := make(chan struct{})
	c.run(func() { <-gate })
	idle := c.close()
	select {
	case <-idle:
		t.Fatal("the crew was idle while one of it worked")
	default:
	}
	close(gate)
	<-idle
}
