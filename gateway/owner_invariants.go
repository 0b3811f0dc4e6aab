//go:build invariants

package gateway

import (
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// owners knows the thread of each loop. With the invariants tag a loop keeps to one thread, so that
// its identity can be asked of the kernel.
var owners sync.Map // *loop → int

// claimOwnership makes the calling goroutine the loop's owner.
func (l *loop) claimOwnership() {
	runtime.LockOSThread()
	owners.Store(l, unix.Gettid())
}

// assertOwner panics when another goroutine touches what the loop owns.
func (l *loop) assertOwner() {
	if tid, ok := owners.Load(l); ok && tid != unix.Gettid() && !l.over {
		panic(fmt.Sprintf("gateway: loop %d touched by another goroutine", l.index))
	}
}
