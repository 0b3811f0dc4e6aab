package status

import (
	"context"
	"sync"
	"time"

	"patchbay/backplane"
	"patchbay/router"
)

// How gateways are asked for their numbers.
const (
	// keepFor is how long an overview is good for: however many look, gateways are asked twice a second at most.
	keepFor = 500 * time.Millisecond
	// answerTimeout is how long a gateway has to answer; one that is late is shown without its numbers.
	answerTimeout = 400 * time.Millisecond
	// askedAtOnce is how many gateways are asked at the same time.
	askedAtOnce = 32
)

// Source is the router that a page shows. router.Router is one.
type Source interface {
	Overview(ctx context.Context) (router.Overview, error)
	Find(ctx context.Context, name string) (router.Found, error)
	Query(ctx context.Context, q *backplane.Query) (backplane.Answer, error)
	Gateways
}

// Gateways is what a router can ask and tell gateways. router.Router does.
type Gateways interface {
	NodeStatus(ctx context.Context, node string) (backplane.NodeStatus, error)
	SocketStatus(ctx context.Context, id string) (backplane.ControlReply, error)
	Disconnect(ctx context.Context, id string, end bool) error
}

// board keeps the latest overview, for all who look at the same time.
type board struct {
	source Source

	mu     sync.Mutex // held while the overview is made, so that it is made once for all who wait
	latest overview
	at     time.Time
}

// overview is what the page polls.
type overview struct {
	router.Overview
	NowMS    int64 `json:"now_ms"` // Unix, when it was made
	ReadOnly bool  `json:"read_only"`
}

// overview returns one that is at most keepFor old.
func (b *board) overview(ctx context.Context) (overview, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if !b.at.IsZero() && now.Sub(b.at) < keepFor {
		return b.latest, nil
	}
	ctx = context.WithoutCancel(ctx) // others may be waiting for it
	o, err := b.source.Overview(ctx)
	if err != nil {
		return overview{}, err
	}
	b.ask(ctx, o.Nodes)
	b.latest, b.at = overview{Overview: o, NowMS: now.UnixMilli()}, now
	return b.latest, nil
}

// ask fills in what the nodes say of themselves. Silent ones are not asked: their leases will tell.
func (b *board) ask(ctx context.Context, nodes []router.Node) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var running sync.WaitGroup
	places := make(chan struct{}, askedAtOnce)
	for i := range nodes {
		n := &nodes[i]
		if n.Silent {
			continue
		}
		running.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			s, err := b.source.NodeStatus(ctx, n.ID)
			if err == nil && s.Epoch == n.Epoch {
				n.Status = &s
			}
		})
	}
	running.Wait()
}
