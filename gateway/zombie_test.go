package gateway

import (
	"encoding/json"
	"testing"

	"patchbay/backplane"
)

// A node that hears that it was taken for dead lets its clients go, begins a new epoch, and ignores the second
// router's word of the old one.
func TestTakenForDead(t *testing.T) {
	r := newRig(t)
	lose := func(epoch uint64) {
		data, err := json.Marshal(backplane.Lost{Node: "g1", Epoch: epoch})
		if err != nil {
			t.Fatal(err)
		}
		r.app.publish(&backplane.Msg{Subject: r.app.conn.Lost(), Data: data})
	}
	was := r.gw.epoch.Load()
	c, id := r.join("")
	lose(was)
	r.app.expectLeave(id, reasonTakenForDead)
	c.ExpectClose(0)
	for _, l := range r.gw.loops { // each lets go in its own time
		r.onLoop(l, func() {})
	}
	if now := r.gw.epoch.Load(); now <= was {
		t.Errorf("epoch %d after %d", now, was)
	}
	again, _ := r.join("")
	lose(was)
	again.Alive(r.app)
	if n := value(r.gw.metrics.deaths); n != 1 {
		t.Errorf("%v deaths counted", n)
	}
}
