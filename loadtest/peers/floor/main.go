// Command floor is the least that a server can do to fan a message out: one thread that writes the same bytes to each member's socket
// with one bare send(2), nothing merged, nothing queued. It speaks just enough of Socket.IO over WebSocket for patchbay load to drive it, and is
// what the others' CPU per delivery is measured against.
//
// It trusts its clients: packets in unfragmented, masked frames, at most a buffer's worth at a time; no heartbeats.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "IPv4 address")
	flag.Parse()
	// The one goroutine keeps its thread: nothing of Go's scheduler stands between two sends.
	runtime.LockOSThread()
	if err := serve(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}
