package worker

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// A gateway says once that a socket has disconnected. If that is lost with a link to NATS, the worker would keep the socket for ever, and its
// disconnection handlers would never run. So after a loss the worker asks for each of its open sockets whether it is still connected.

const (
	// censusSize is how many sockets are asked about at a time.
	censusSize = 32
	// censusPace is the least time between two such questions: a worker asks for 1,000 sockets a second at most.
	censusPace = censusSize * time.Millisecond
	// censusEvery is the time between two questions about one socket. It is longer than a gateway keeps a socket that another takes over, 3.5 s:
	// the second question about one that moves finds it.
	censusEvery = 5 * time.Second
	// censusRounds is how often a socket is asked about of which nothing certain is heard.
	censusRounds = 12
)

// census is what is asked after a loss. Its goroutine, which there is only then, ends no socket itself: it hands verdicts to the reader, so that they
// have their place among what gateways say. Safe for concurrent use.
type census struct {
	app      *App
	verdicts chan verdict
	every    time.Duration // censusEvery

	mu      sync.Mutex
	running bool
	all     bool                // all sockets are to be asked about
	nodes   map[string]struct{} // or those on these gateways
}

// verdict is what became of a socket: it is gone, or another worker has it.
type verdict struct {
	socket    *Socket // and not another life of it
	elsewhere bool
}

func newCensus(a *App) *census {
	return &census{app: a, verdicts: make(chan verdict), every: censusEvery, nodes: map[string]struct{}{}}
}

// begin has the sockets on a gateway asked about that has lost its link, or all ("") when the worker has lost its own.
func (c *census) begin(node string) {
	if c.app.run.guest {
		return
	}
	c.mu.Lock()
	if node == "" {
		c.all = true
	} else {
		c.nodes[node] = struct{}{}
	}
	start := !c.running
	c.running = true
	c.mu.Unlock()
	if start {
		c.app.background(c.run)
	}
}

// run counts until there is nothing more to count. It begins late, and not at the same time as other workers: after a loss of NATS everybody has
// something to say, and gateways may still be on their way back.
func (c *census) run(ctx context.Context) {
	for pause(ctx, c.every/2+rand.N(c.every)) {
		if conn := c.app.conn.Load(); conn == nil || !conn.Connected() {
			continue
		}
		c.count(ctx, c.due())
		c.mu.Lock()
		c.running = c.all || len(c.nodes) > 0 // lost again meanwhile
		more := c.running
		c.mu.Unlock()
		if !more {
			return
		}
	}
}

// due are the sockets to be asked about. Those that are not open yet are not among them: see remindGateways.
func (c *census) due() []*Socket {
	c.mu.Lock()
	all, nodes := c.all, c.nodes
	c.all, c.nodes = false, map[string]struct{}{}
	c.mu.Unlock()
	return c.app.sockets.those(func(s *Socket) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		_, named := nodes[s.node]
		return s.state == stateOpen && (all || named)
	})
}

// count asks about sockets, and again about those of which it is not certain yet that they are there or gone.
func (c *census) count(ctx context.Context, list []*Socket) {
	missed := map[*Socket]struct{}{}
	for round := 0; len(list) > 0; round++ {
		if round == censusRounds {
			c.app.options.Log.Warn("after a loss of NATS nobody says for certain whether some sockets are still connected",
				zap.Int("sockets", len(list)))
			return
		}
		if round > 0 && !pause(ctx, c.every) {
			return
		}
		var again []*Socket
		for part := range slices.Chunk(list, censusSize) {
			again = append(again, c.look(ctx, part, missed)...)
			if !pause(ctx, censusPace) {
				return
			}
		}
		list = again
	}
}

// look asks about some sockets, and returns those that are to be asked about again. A socket is not gone because one question has not found it:
// its gateway may be a moment away from NATS, or the socket between two gateways. It must be missed twice, and the routers must not have it either.
func (c *census) look(ctx context.Context, part []*Socket, missed map[*Socket]struct{}) (again []*Socket) {
	a := c.app
	if a.run.leaving.Load() {
		return nil // its sockets go to others
	}
	part = slices.DeleteFunc(slices.Clone(part), func(s *Socket) bool { return a.sockets.get(s.id) != s })
	var absent []*Socket
	for i, r := range c.ask(ctx, part) {
		s := part[i]
		_, before := missed[s]
		switch {
		case r.Error == backplane.NoSocket && before:
			absent = append(absent, s)
		case r.Error == backplane.NoSocket:
			missed[s] = struct{}{}
			again = append(again, s)
		case r.Error != "" || r.Seen.Node == "": // it has not answered
			again = append(again, s)
		case r.Worker != "" && r.Worker != a.options.ID:
			c.tell(ctx, verdict{socket: s, elsewhere: true})
		}
	}
	return append(again, c.confirm(ctx, absent)...)
}

// confirm ends those of some sockets that routers do not have either, and returns the others.
func (c *census) confirm(ctx context.Context, absent []*Socket) (again []*Socket) {
	byNamespace := map[string][]*Socket{}
	for _, s := range absent {
		byNamespace[s.nsp.name] = append(byNamespace[s.nsp.name], s)
	}
	for nsp, list := range byNamespace {
		known, certain := c.known(ctx, nsp, list)
		for _, s := range list {
			if certain && !known[s.id] {
				c.tell(ctx, verdict{socket: s})
			} else {
				again = append(again, s)
			}
		}
	}
	return again
}

// ask asks whoever holds the sockets. An answer that does not come is empty.
func (c *census) ask(ctx context.Context, part []*Socket) []backplane.ControlReply {
	ids := make([]string, len(part))
	for i, s := range part {
		ids[i] = s.id
	}
	answers := make([]backplane.ControlReply, len(part))
	ctx, cancel := context.WithTimeout(ctx, c.app.options.RequestTimeout)
	defer cancel()
	// What has not come when this fails is asked again.
	_ = c.app.control(ctx, ids, backplane.Control{Op: backplane.OpInfo}, func() {}, func(i int, r *backplane.ControlReply) { answers[i] = *r })
	return answers
}

// known asks the routers which of some sockets any gateway has. It is not certain while they miss one. They are not asked to have seen what
// this worker has: a gateway that has died unheard is in that.
func (c *census) known(ctx context.Context, nsp string, list []*Socket) (known map[string]bool, certain bool) {
	q := backplane.Query{Op: backplane.QuerySockets, Namespace: nsp}
	for _, s := range list {
		q.Rooms = append(q.Rooms, s.id)
	}
	ctx, cancel := context.WithTimeout(ctx, c.app.options.RequestTimeout)
	defer cancel()
	known = map[string]bool{}
	for {
		answer, err := c.app.askRouter(ctx, q)
		if err != nil {
			return nil, false
		}
		for i := range answer.Sockets {
			known[answer.Sockets[i].ID] = true
		}
		if q.After = answer.Next; q.After == "" {
			return known, true
		}
	}
}

// tell hands a verdict to the reader.
func (c *census) tell(ctx context.Context, v verdict) {
	select {
	case c.verdicts <- v:
	case <-ctx.Done():
	}
}

// pause waits. It returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// judge carries a verdict out, unless what it is about has ended otherwise: if there is a socket of that id, its client is back.
func (r *reader) judge(v verdict) {
	a, id := r.app, v.socket.id
	switch {
	case a.sockets.get(id) != v.socket:
	case v.elsewhere:
		a.metrics.released.Inc()
		r.rehomed(id)
	default:
		a.metrics.ghosts.Inc()
		r.disconnect(id, "transport close", nil)
	}
}
