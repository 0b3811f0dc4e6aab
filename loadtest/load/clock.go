package load

import "time"

// Clock tells nanoseconds since the Unix epoch that never run backwards. Clocks of several processes of one machine
// agree as well as its system clock is steady. The zero value is not usable.
type Clock struct {
	start time.Time
	base  int64
}

// NewClock returns a clock. It is safe for concurrent use.
func NewClock() Clock {
	now := time.Now()
	return Clock{start: now, base: now.UnixNano()}
}

// Now is the time in nanoseconds.
func (c Clock) Now() int64 { return c.base + int64(time.Since(c.start)) }
