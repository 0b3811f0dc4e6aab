//go:build !invariants

package gateway

// claimOwnership and assertOwner check, under the invariants tag, that only a loop's own
// goroutine touches what it owns. Without the tag they are nothing.
func (l *loop) claimOwnership() {}

func (l *loop) assertOwner() {}
