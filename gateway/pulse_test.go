package gateway

import (
	"testing"

	"patchbay/gateway/handoff"
)

// The former owner's inbox has fallen behind by more than the linger: it goes on being the owner's until what had come by
// then is handled, and forwarded.
func TestCutWaitsForTheInbox(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	app.onConnect(accept("a", "b"))
	c := nodes[0].newReader()
	s := &stream{app: app, socket: c.id}
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	c.back(nodes[1])
	owner := nodes[0].gw
	left := func(f func(o *leaving)) {
		for _, l := range owner.loops {
			nodes[0].onLoop(l, func() {
				for _, o := range l.leavings {
					f(o)
				}
			})
		}
	}
	n := 0
	left(func(o *leaving) { n++ })
	if n != 1 {
		t.Fatalf("%d handoffs", n)
	}
	stuck := &loop{} // to which nothing can be posted for now
	stuck.box.mu.Lock()
	if !owner.intake.cut(&cut{fetch: &fetching{id: "nobody's"}, from: stuck, to: stuck}) {
		t.Fatal("no cut")
	}
	eventually(t, "the linger is over", func() (over bool) {
		left(func(o *leaving) { over = o.pulsed != 0 })
		return over
	})
	left(func(o *leaving) {
		if o.Phase() != handoff.Lingering {
			t.Errorf("phase %d", o.Phase())
		}
	})
	for range 20 {
		s.next()
	}
	stuck.box.mu.Unlock()
	c.readTo(s.last)
	eventually(t, "the handoff ends", func() bool {
		n := 0
		left(func(*leaving) { n++ })
		return n == 0
	})
	c.Alive(app)
}
