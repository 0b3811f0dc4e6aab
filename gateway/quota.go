package gateway

import (
	"sync/atomic"

	"golang.org/x/time/rate"
)

// quota bounds how many sessions are opened: per second, and from one address. Safe for concurrent use.
type quota struct {
	pace     atomic.Pointer[rate.Limiter] // nil: as many as come
	sessions headcount
}

func newQuota(o *RateOptions) *quota {
	q := &quota{}
	q.set(o)
	return q
}

// set changes the limits. Sessions that were let in while none was set are not counted.
func (q *quota) set(o *RateOptions) {
	q.sessions.limit.Store(int64(o.PerAddress))
	switch now := q.pace.Load(); {
	case o.Handshakes == 0:
		q.pace.Store(nil)
	case now == nil || now.Burst() != o.Handshakes:
		q.pace.Store(rate.NewLimiter(rate.Limit(o.Handshakes), o.Handshakes)) // which is full
	}
}

// enter lets a session from an address be opened, or says what refuses it. Its place is to be given back at its end.
func (q *quota) enter(address string) (place, refused string) {
	place, ok := q.sessions.take(address)
	if !ok {
		return "", "address"
	}
	if pace := q.pace.Load(); pace != nil && !pace.Allow() {
		q.sessions.give(place)
		return "", "rate"
	}
	return place, ""
}

// enter asks whether a session may be opened, and counts a refusal.
func (gw *Gateway) enter(address string) (place string, ok bool) {
	place, refused := gw.quota.enter(address)
	if refused != "" {
		gw.metrics.refusedSessions.WithLabelValues(refused).Inc()
		return "", false
	}
	return place, true
}

// entered notes a session's place, until it ends.
func (s *session) entered(place string) {
	l := s.loop
	if place == "" {
		return
	}
	if l.places == nil {
		l.places = map[*session]string{}
	}
	l.places[s] = place
}

// left gives a session's place back.
func (s *session) left() {
	if place, ok := s.loop.places[s]; ok {
		delete(s.loop.places, s)
		s.loop.gw.quota.sessions.give(place)
	}
}
