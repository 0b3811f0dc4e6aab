package worker_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"patchbay/backplane"
	"patchbay/worker"
)

// custody is what a worker tells gateways of events.
type custody struct {
	confirmed chan confirmed
	standings chan backplane.Standing
}

// confirmed is one line of a confirmation.
type confirmed struct {
	socket string
	number uint64
}

// keep takes such a message.
func (g *fakeGateway) keep(m *backplane.Msg, verb string) bool {
	switch verb {
	case backplane.VerbConfirm:
		socket, number, rest, ok := backplane.NextConfirmation(m.Data)
		for ; ok; socket, number, rest, ok = backplane.NextConfirmation(rest) {
			g.confirmed <- confirmed{string(socket), number}
		}
		if len(rest) != 0 {
			g.Errorf("confirmation %q", m.Data)
		}
	case "alive":
		g.standings <- backplane.ParseStanding(m.Data)
	default:
		return false
	}
	return true
}

// said is what a worker says of one socket's events.
type said struct {
	receipts chan backplane.Receipt
	again    chan uint64 // from which number on it has had none
}

func newSaid() said { return said{make(chan backplane.Receipt, 1000), make(chan uint64, 100)} }

// heard takes that.
func (s *said) heard(verb, arg string) {
	if number, err := strconv.ParseUint(arg, 10, 64); verb == "missing" && err == nil {
		s.again <- number
	} else if r, ok := backplane.ParseReceipt(verb, arg); ok && r.Number > 0 {
		s.receipts <- r
	}
}

// numbered sends an event with its number, of a client that does not wait for an acknowledgement.
func (c *client) numbered(n uint64, payload string) {
	c.counted(backplane.Receipt{Number: n}, payload, false)
}

// counted sends an event as gateways do.
func (c *client) counted(r backplane.Receipt, payload string, redelivered bool) {
	m := backplane.EncodePayload(c.g.conn.Worker(c.worker, "event", c.id), string(c.g.conn.AppendReceipt(nil, c.id, r)),
		backplane.Payload{JSON: []byte(payload)})
	if redelivered {
		backplane.SetRedelivered(m)
	}
	if err := c.g.conn.PublishMsg(m); err != nil {
		c.g.Error(err)
	}
}

// expectConfirmed waits until a socket's events up to a number are confirmed, and no more.
func (c *client) expectConfirmed(number uint64) {
	c.g.Helper()
	for last := uint64(0); last < number; {
		got := receive(c.g, c.g.confirmed, fmt.Sprintf("a confirmation of event %d", number))
		if got.socket != c.id {
			continue
		}
		if last = got.number; last > number {
			c.g.Fatalf("event %d is confirmed, want up to %d", last, number)
		}
	}
}

// What handlers have finished with is confirmed, behind what they have emitted; what was acknowledged is confirmed by that.
func TestConfirmations(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		worker.On(io, "plain", func(_ ctxt, s socket, n int) error { return s.Emit("back", n) })
		worker.OnAck(io, "ask", func(_ ctxt, _ socket, n int) (int, error) { return n, nil })
		worker.OnAck(io, "fails", func(ctxt, socket, int) (int, error) { return 0, context.Canceled })
	})
	c := g.dial(app, "/")
	c.numbered(1, `["plain",1]`)
	c.expectConfirmed(1)
	if got := receive(t, c.got, "the emit before it"); string(got.JSON) != `["back",1]` {
		t.Errorf("%s", got.JSON)
	}
	c.counted(backplane.Receipt{Number: 2, WantsAck: true, AckID: 7}, `["ask",2]`, false)
	if p := receive(t, c.acks, "an acknowledgement"); string(p.JSON) != `[2]` {
		t.Errorf("%s", p.JSON)
	}
	if got := receive(t, c.receipts, "its receipt"); got != (backplane.Receipt{Number: 2, WantsAck: true, AckID: 7}) {
		t.Errorf("%+v", got)
	}
	// Without an acknowledgement it is confirmed like another, and so is one that nobody handles or that makes no sense.
	c.counted(backplane.Receipt{Number: 3, WantsAck: true}, `["fails",1]`, false)
	c.expectConfirmed(3)
	c.numbered(4, `["unknown"]`)
	c.expectConfirmed(4)
	c.numbered(5, `{}`)
	c.expectConfirmed(5)
	if len(g.confirmed) != 0 {
		t.Error("one too many")
	}
	// Many at once need few messages.
	for n := uint64(6); n < 2000; n++ {
		c.numbered(n, fmt.Sprintf(`["plain",%d]`, n))
	}
	c.expectConfirmed(1999)
}

// Events that have come are not handled again; what is missing before one is asked for, and all comes in order.
func TestEventsRepeatedAndMissing(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	handled := make(chan uint64, 100)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		worker.On0(app.Namespace("/"), "e", func(ctx ctxt, _ socket) error {
			handled <- worker.EventFrom(ctx).Number
			return nil
		})
	})
	c := g.dial(app, "/")
	for _, n := range []uint64{1, 2, 2, 1, 5, 6, 4} {
		c.numbered(n, `["e"]`)
	}
	if n := receive(t, c.again, "a question for what is missing"); n != 3 {
		t.Errorf("asked from %d on", n)
	}
	for n := uint64(3); n <= 6; n++ {
		c.numbered(n, `["e"]`)
	}
	c.expectConfirmed(6)
	for n := uint64(1); n <= 6; n++ {
		if got := receive(t, handled, "an event"); got != n {
			t.Errorf("event %d, want %d", got, n)
		}
	}
	if len(handled) != 0 || len(c.again) != 0 {
		t.Errorf("%d more handled, %d more questions", len(handled), len(c.again))
	}
	// A gateway that wonders is told.
	reply := g.conn.Node(g.node, "alive", "0."+app.ID()+"."+c.id+".6")
	g.publish(g.conn.Worker(app.ID(), "alive", c.id), reply, nil)
	if s := receive(t, g.standings, "a standing"); s != (backplane.Standing{Received: 6, Done: 6, Counts: true}) {
		t.Errorf("%+v", s)
	}
}

// An application sees that an event may have been handled before, by the event and by the context.
func TestRedelivered(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	type seen struct {
		number      uint64
		redelivered bool
		wants       bool
	}
	handled := make(chan seen, 10)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		app.Namespace("/").OnEvent("e", func(ctx context.Context, _ *worker.Socket, e *worker.Event) error {
			under, cancel := context.WithCancel(ctx)
			defer cancel()
			if worker.EventFrom(under) != e || worker.EventFrom(context.Background()) != nil {
				t.Error("another event by the context")
			}
			handled <- seen{e.Number, e.Redelivered, e.WantsAck()}
			return nil
		})
	})
	c := g.dial(app, "/")
	c.counted(backplane.Receipt{Number: 7, Again: 1}, `["e"]`, true)
	c.counted(backplane.Receipt{Number: 8, WantsAck: true}, `["e"]`, false)
	for _, want := range []seen{{7, true, false}, {8, false, true}} {
		if got := receive(t, handled, "an event"); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// Events that wait in a worker which is not their socket's home any more are not handled there, and the socket does not disconnect.
func TestEventsOfAnother(t *testing.T) {
	for name, lose := range map[string]func(g *fakeGateway, app *worker.App, c *client){
		"a socket has another home": func(g *fakeGateway, app *worker.App, c *client) {
			g.publish(g.conn.Worker(app.ID(), "rehomed", c.id), "", nil)
		},
		"the worker was taken for dead": func(g *fakeGateway, app *worker.App, _ *client) {
			beat := receive(g, g.beats, "a beat")
			g.publish(g.conn.Lost(), "", g.encode(backplane.Lost{Worker: app.ID(), Epoch: beat.Epoch}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t)
			g := newGateway(t, server, "g1")
			began, goOn := make(chan uint64, 10), make(chan struct{})
			left := make(chan string, 10)
			app := start(t, server, worker.Options{}, func(app *worker.App) {
				io := app.Namespace("/")
				worker.On0(io, "e", func(ctx ctxt, _ socket) error {
					began <- worker.EventFrom(ctx).Number
					<-goOn
					return nil
				})
				io.OnDisconnect(func(_ ctxt, _ socket, reason string) { left <- reason })
			})
			c := g.dial(app, "/")
			for n := uint64(1); n <= 3; n++ {
				c.numbered(n, `["e"]`)
			}
			receive(t, began, "the first event")
			lose(g, app, c)
			g.publish(g.conn.Worker(app.ID(), "alive", c.id), g.conn.Node(g.node, "alive", "0."+app.ID()+"."+c.id+".3"), nil)
			if s := receive(t, g.standings, "word that it is gone"); s.Counts {
				t.Errorf("%+v", s)
			}
			close(goOn)
			// What was being handled is done with; the gateway may know it.
			c.expectConfirmed(1)
			other := g.dial(app, "/")
			other.numbered(1, `["e"]`)
			receive(t, began, "another socket's event")
			other.expectConfirmed(1)
			if len(began) != 0 || len(left) != 0 {
				t.Errorf("%d events of another, %d disconnections", len(began), len(left))
			}
		})
	}
}

// number is a JSON number in a payload.
func number(i int) string { return strconv.Itoa(i) }
