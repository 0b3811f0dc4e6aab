package gateway

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// sixBits is how much of an IPv6 address counts: whoever has one, has all addresses of such a network.
const sixBits = 64

// whole is what counts as one address: an IPv4 address, or a network of IPv6.
func whole(address string) string {
	parsed, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if parsed = parsed.Unmap(); parsed.Is4() {
		return parsed.String()
	}
	network, err := parsed.WithZone("").Prefix(sixBits)
	if err != nil {
		return address
	}
	return network.String()
}

// headcount counts what there is from each address, up to a limit. Safe for concurrent use.
type headcount struct {
	limit atomic.Int64 // 0: as many as come, and nothing is counted

	mu   sync.Mutex
	from map[string]int
}

// take counts one more from an address. place is to be given back at its end; it is empty if nothing was counted.
func (h *headcount) take(address string) (place string, ok bool) {
	limit := int(h.limit.Load())
	if limit == 0 || address == "" {
		return "", true
	}
	address = whole(address)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.from[address] >= limit {
		return "", false
	}
	h.add(address)
	return address, true
}

// force counts one more, whatever the limit.
func (h *headcount) force(address string) (place string) {
	if h.limit.Load() == 0 || address == "" {
		return ""
	}
	address = whole(address)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add(address)
	return address
}

// add needs the lock.
func (h *headcount) add(address string) {
	if h.from == nil {
		h.from = map[string]int{}
	}
	h.from[address]++
}

// give takes a place back.
func (h *headcount) give(place string) {
	if place == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.from[place]--; h.from[place] <= 0 {
		delete(h.from, place)
	}
}

// taken is how many there are from an address.
func (h *headcount) taken(address string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.from[whole(address)]
}

// seat counts a connection by its address, and a refusal too. Trusted proxies have as many as they like: they speak for others.
func (ln *listener) seat(from string) (place string, ok bool) {
	if ln.seats.limit.Load() == 0 {
		return "", true
	}
	if parsed, err := netip.ParseAddr(from); err == nil && ln.trusts(parsed) {
		return "", true
	}
	if place, ok = ln.seats.take(from); !ok {
		ln.many()
	}
	return place, ok
}

// sit notes the place of a conn among those of its address, until it is closed or handed on.
func (l *loop) sit(c *conn, place string) {
	if place == "" {
		return
	}
	if l.seats == nil {
		l.seats = map[*conn]string{}
	}
	l.seats[c] = place
}

// rise forgets the place of a conn, for whoever gives it back.
func (l *loop) rise(c *conn) (place string) {
	place = l.seats[c]
	delete(l.seats, c)
	return place
}
