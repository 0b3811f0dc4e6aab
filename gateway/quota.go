package gateway

import (
	"sync"

	"golang.org/x/time/rate"
)

// quota bounds how many sessions are opened: per second, and from one address. Safe for concurrent use.
type quota struct {
	pace  *rate.Limiter // nil: as many as come
	limit int           // from one address; 0: as many as come

	mu   sync.Mutex
	from map[string]int
}

func newQuota(o *RateOptions) *quota {
	c := &quota{limit: o.PerAddress, from: map[string]int{}}
	if o.Handshakes > 0 {
		c.pace = rate.NewLimiter(rate.Limit(o.Handshakes), o.Handshakes)
	}
	return c
}

// enter reports whether a session from an address may be opened, and if not why. If so, leave must be called at its end.
func (c *quota) enter(address string) (refused string, ok bool) {
	if c.limit > 0 {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.from[address] >= c.limit {
			return "address", false
		}
	}
	if c.pace != nil && !c.pace.Allow() {
		return "rate", false
	}
	if c.limit > 0 {
		c.from[address]++
	}
	return "", true
}

// enter asks whether a session may be opened, and counts a refusal.
func (gw *Gateway) enter(address string) bool {
	refused, ok := gw.quota.enter(address)
	if !ok {
		gw.metrics.refusedSessions.WithLabelValues(refused).Inc()
	}
	return ok
}

// entered notes where a session comes from, until it ends.
func (s *session) entered(address string) {
	l := s.loop
	if l.gw.quota.limit == 0 {
		return
	}
	if l.addresses == nil {
		l.addresses = map[*session]string{}
	}
	l.addresses[s] = address
}

// left gives a session's place back.
func (s *session) left() {
	if address, ok := s.loop.addresses[s]; ok {
		delete(s.loop.addresses, s)
		s.loop.gw.quota.leave(address)
	}
}

// join counts a session that comes from another node, and has been let in there.
func (c *quota) join(address string) {
	if c.limit == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.from[address]++
}

// leave counts a session's end.
func (c *quota) leave(address string) {
	if c.limit == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.from[address]--; c.from[address] <= 0 {
		delete(c.from, address)
	}
}
