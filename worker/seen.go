package worker

import (
	"context"
	"sync"

	"patchbay/backplane"
)

// seen is how far each gateway's membership has come, as this worker knows it. Queries pass it
// on, so that their answers include what this worker has done. Safe for concurrent use.
type seen struct {
	mu    sync.Mutex
	nodes map[string]*seenNode
}

// seenNode is one gateway's.
type seenNode struct {
	last backplane.Seen
	// ask is a socket that came to the gateway or left it since last: the gateway's word on
	// that did not tell the version, and a question about the socket will.
	ask string
}

func newSeen() *seen { return &seen{nodes: map[string]*seenNode{}} }

func (s *seen) nodeLocked(id string) *seenNode {
	n := s.nodes[id]
	if n == nil {
		n = &seenNode{}
		s.nodes[id] = n
	}
	return n
}

// note takes a version that a gateway told.
func (s *seen) note(v backplane.Seen) {
	if v.Node == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodeLocked(v.Node)
	if v.Epoch > n.last.Epoch || v.Epoch == n.last.Epoch && v.Version > n.last.Version {
		n.last = v
	}
}

// changed notes that a socket came or left.
func (s *seen) changed(node, socket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nodeLocked(node).ask = socket
}

// lost forgets a gateway that is dead.
func (s *seen) lost(node string, epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.nodes[node]; n != nil && n.last.Epoch <= epoch {
		delete(s.nodes, node)
	}
}

// forget drops a gateway, and reports whether it was known.
func (s *seen) forget(node string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.nodes[node]
	delete(s.nodes, node)
	return ok
}

// unknown returns, once, the sockets to ask about.
func (s *seen) unknown() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if n.ask != "" {
			ids = append(ids, n.ask)
			n.ask = ""
		}
	}
	return ids
}

func (s *seen) list() (list []backplane.Seen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if n.last.Node != "" {
			list = append(list, n.last)
		}
	}
	return list
}

// versions returns what queries must see, having asked the gateways where that is not known. A gateway that does
// not answer is left out: the router will say that it is silent.
func (a *App) versions(ctx context.Context) []backplane.Seen {
	if ids := a.seen.unknown(); len(ids) > 0 {
		_ = a.control(ctx, ids, backplane.Control{Op: backplane.OpInfo}, nil, func(int, *backplane.ControlReply) {})
	}
	return a.seen.list()
}
