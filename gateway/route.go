package gateway

import (
	"sync"
	"sync/atomic"

	"patchbay/backplane"
)

// routes are the sockets that live on another loop than the one they were born on. A socket's id
// names its birth loop; only those that moved are here. Intake writes, and reads; loops delete what ends.
type routes struct {
	moved sync.Map // socket id → *loop
	count atomic.Int64
}

// route notes that a socket lives on a loop from now on. On intake.
func (gw *Gateway) route(id string, l *loop) {
	if _, shard, _ := backplane.SplitSocketID(id); shard == l.index {
		gw.unroute(id, nil)
		return
	}
	if _, was := gw.routes.moved.Swap(id, l); !was {
		gw.routes.count.Add(1)
	}
}

// unroute forgets where a socket moved to: it has ended on that loop, or is back where it was born.
func (gw *Gateway) unroute(id string, from *loop) {
	if gw.routes.count.Load() == 0 {
		return
	}
	if from != nil {
		if gw.routes.moved.CompareAndDelete(id, from) {
			gw.routes.count.Add(-1)
		}
		return
	}
	if _, was := gw.routes.moved.LoadAndDelete(id); was {
		gw.routes.count.Add(-1)
	}
}

// loopOf is the loop on which a socket of this node lives, or would; nil for other nodes' sockets.
func (gw *Gateway) loopOf(id string) *loop {
	node, shard, ok := backplane.SplitSocketID(id)
	if !ok || node != gw.options.ID || shard >= len(gw.loops) {
		return nil
	}
	if gw.routes.count.Load() > 0 {
		if l, ok := gw.routes.moved.Load(id); ok {
			if l, ok := l.(*loop); ok {
				return l
			}
		}
	}
	return gw.loops[shard]
}
