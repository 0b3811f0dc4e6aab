package router

import (
	"context"
	"slices"
	"time"

	"patchbay/backplane"
)

// How much of each list an Overview has at most.
const (
	overviewNodes   = 500
	overviewWorkers = 500
	overviewGone    = 10 // nodes that are gone
	overviewNames   = 8  // namespaces that one worker serves
)

// Overview is what a router knows, in counts and in lists that are bounded whatever the cluster's size.
type Overview struct {
	Router   string   `json:"router"`
	Ready    bool     `json:"ready"` // it has had the chance to learn
	UpMS     int64    `json:"up_ms"` // since it was started
	Deaf     bool     `json:"deaf"`  // it has lost NATS, and hears nobody
	BeatMS   int64    `json:"beat_ms"`
	LeaseMS  int64    `json:"lease_ms"`
	Complete bool     `json:"complete"`
	Missing  []string `json:"missing,omitempty"` // nodes that are silent, or whose gaps are being mended

	Sizes   Sizes    `json:"sizes"`
	Nodes   []Node   `json:"nodes"` // by id
	Workers []Worker `json:"workers"`
	Gone    []Gone   `json:"gone"` // the latest first
	Top     Top      `json:"top"`
}

// Sizes are the sizes of what a router has.
type Sizes struct {
	Nodes      int `json:"nodes"`
	Workers    int `json:"workers"`
	Sockets    int `json:"sockets"`
	Namespaces int `json:"namespaces"`
	Rooms      int `json:"rooms"` // those of users among them
	Watches    int `json:"watches"`
	Held       int `json:"held"` // CONNECTs that wait for a worker
	Bytes      int `json:"bytes"`
}

// Node is a gateway with a lease.
type Node struct {
	backplane.NodeInfo
	Silent bool `json:"silent"` // it should have been heard by now
	// Status is its own word; nil if there was none, or nobody has asked yet.
	Status *backplane.NodeStatus `json:"status,omitempty"`
}

// Worker is a worker with a lease.
type Worker struct {
	backplane.WorkerInfo      // of its namespaces, the first
	Serves               int  `json:"serves"` // how many namespaces and patterns
	Absent               bool `json:"absent"` // nobody answered on its subjects; it gets no sockets until its next beat
	Silent               bool `json:"silent"`
}

// Gone is a node that was there.
type Gone struct {
	Node  string `json:"node"`
	Epoch uint64 `json:"epoch"`
	Left  bool   `json:"left"` // it stopped; else its lease has run out
	AgoMS int64  `json:"ago_ms"`
}

// look is something to be read from the loop's state, on the loop's goroutine. It must not take long.
type look struct {
	at   func(l *loop, now time.Time)
	done chan struct{} // closed when it is done
}

func (k *look) take(l *loop, now time.Time) {
	k.at(l, now)
	close(k.done)
}

// look has the loop do something between two turns, and waits for it. Its errors are ErrStopped and ctx's.
func (r *Router) look(ctx context.Context, at func(l *loop, now time.Time)) error {
	k := &look{at: at, done: make(chan struct{})}
	select {
	case r.looks <- k:
		<-k.done
		return nil
	case <-r.stop:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Overview says what the router knows. Its cost does not depend on how many sockets there are, and somewhat on how many nodes and
// workers. The largest rooms, users and namespaces are searched for while somebody asks, a part at a time.
func (r *Router) Overview(ctx context.Context) (o Overview, err error) {
	err = r.look(ctx, func(l *loop, now time.Time) { o = l.overview(now) })
	o.Deaf = !r.conn.Connected()
	return o, err
}

func (l *loop) overview(now time.Time) Overview {
	var a backplane.Answer
	l.queries.stamp(&a, &backplane.Query{}, now)
	l.queries.nodes(&a, now)
	x := l.table.index
	o := Overview{
		Router: l.o.ID, Ready: l.queries.warm, UpMS: now.Sub(l.clock.start).Milliseconds(),
		BeatMS: l.o.Beat.Milliseconds(), LeaseMS: l.o.Lease.Milliseconds(), Complete: a.Complete,
		Missing: a.Missing[:min(len(a.Missing), overviewNodes)],
		Sizes: Sizes{
			Nodes: len(a.Nodes), Workers: len(a.Workers), Sockets: x.sockets.len(), Namespaces: x.namespaces.len(), Rooms: x.rooms.len(),
			Watches: len(l.watches.byID), Held: len(l.admission.held), Bytes: x.bytes(),
		},
		Nodes: []Node{}, Workers: []Worker{}, Gone: l.table.latestGone(now), Top: l.queries.ranking.want(now),
	}
	silent := l.leases.silent().Milliseconds()
	for _, n := range a.Nodes[:min(len(a.Nodes), overviewNodes)] {
		o.Nodes = append(o.Nodes, Node{NodeInfo: n, Silent: n.AgeMS > silent})
	}
	for i, info := range a.Workers[:min(len(a.Workers), overviewWorkers)] {
		w := Worker{WorkerInfo: info, Serves: len(info.Namespaces), Absent: l.workers.list[i].absent, Silent: info.AgeMS > silent}
		w.Namespaces = slices.Clone(info.Namespaces[:min(len(info.Namespaces), overviewNames)])
		o.Workers = append(o.Workers, w)
	}
	return o
}

// latestGone are the nodes that are not there any more, the latest first.
func (t *table) latestGone(now time.Time) []Gone {
	list := []Gone{}
	for id, e := range t.gone {
		if t.nodes[id] == nil {
			list = append(list, Gone{Node: id, Epoch: e.epoch, Left: e.left, AgoMS: max(0, now.Sub(e.at).Milliseconds())})
		}
	}
	slices.SortFunc(list, func(a, b Gone) int { return int(a.AgoMS - b.AgoMS) })
	return list[:min(len(list), overviewGone)]
}
