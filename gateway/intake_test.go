package gateway

import (
	"fmt"
	"testing"
)

func TestRecent(t *testing.T) {
	var r recent
	for i := range recentSize {
		if r.add(fmt.Sprint(i)) {
			t.Fatalf("%d was there", i)
		}
	}
	for i := range recentSize {
		if !r.add(fmt.Sprint(i)) {
			t.Fatalf("%d is forgotten", i)
		}
	}
	// Each newcomer takes the place of the oldest, and of nothing else.
	for i := range 3 * recentSize {
		if r.add(fmt.Sprint("new", i)) {
			t.Fatalf("new %d was there", i)
		}
		if len(r.set) != recentSize {
			t.Fatalf("%d ids are kept", len(r.set))
		}
	}
	if r.add("0") || !r.add(fmt.Sprint("new", 3*recentSize-1)) {
		t.Error("the wrong one was dropped")
	}
}
