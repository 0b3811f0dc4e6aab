package gateway

import "time"

// How long a node remembers, at least, that a session was upgraded to another node, and how many of them in each of two halves. One that is
// forgotten is unknown.
const (
	upgradedMemory = time.Minute
	maxUpgraded    = 8192
)

// upgraded are sessions that live on other nodes, where their WebSockets are: a GET or POST that comes late is told that it does not fit the
// session, not that there is none. Owned by its loop.
type upgraded struct {
	now, before map[sessionKey]struct{}
	turned      time.Duration
}

// add remembers a session.
func (u *upgraded) add(key sessionKey, now time.Duration) {
	if u.now == nil || len(u.now) >= maxUpgraded || now-u.turned >= upgradedMemory {
		u.before, u.now, u.turned = u.now, map[sessionKey]struct{}{}, now
	}
	u.now[key] = struct{}{}
}

// has reports whether a session is remembered.
func (u *upgraded) has(key sessionKey) bool {
	_, now := u.now[key]
	_, before := u.before[key]
	return now || before
}
