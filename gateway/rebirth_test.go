package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"patchbay/backplane"
)

// stopped stops a node as it should be.
func (r *rig) stopped() {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := r.gw.Stop(ctx); err != nil {
		r.Fatal(err)
	}
}

// A node is started again under its id. It does not hear what is for a socket that was born at its first start and lives
// elsewhere, and so cannot answer in its place; it can take it, and it can give it away again.
func TestRestartUnderTheSameID(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	app.onConnect(accept("a", "b"))
	c := nodes[0].newReader()
	s := &stream{app: app, socket: c.id}
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	c.back(nodes[1])
	nodes[0].stopped()
	again := *nodes[0]
	again.gw = nodes[0].open("g1", clustered)
	asks := func(where *rig) {
		t.Helper()
		for range 20 { // an answer of the wrong node would be the first one sooner or later
			if reply := app.control(c.id, backplane.Control{Op: backplane.OpInfo}); reply.Error != "" || reply.Seen.Node != where.gw.ID() {
				t.Fatalf("%+v", reply)
			}
		}
		for range 4 {
			s.next()
		}
		c.readTo(s.last)
	}
	asks(nodes[1])
	for _, at := range []*rig{&again, nodes[1], &again} {
		c.net.Close()
		app.expectLeave(c.id, reasonTransportClose)
		s.next()
		c.back(at)
		asks(at)
	}
	// What is not anywhere any more has nobody who answers, which is known at once.
	c.Send("41")
	app.expectLeave(c.id, reasonClientLeft)
	eventually(t, "no responders", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := app.conn.Request(ctx, &backplane.Msg{Subject: app.conn.SocketControl(c.id), Data: []byte(`{"op":"info"}`)})
		return errors.Is(err, backplane.ErrNoResponders)
	})
}
