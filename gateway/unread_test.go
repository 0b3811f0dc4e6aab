package gateway

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A client that does not read its response cannot keep the gateway from stopping.
func TestStopWithUnreadResponse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "socket.io.js"), make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *Options) { o.HTTP.ClientDir = dir })
	c := r.raw()
	c.Raw([]byte("GET /socket.io/socket.io.js HTTP/1.1\r\nHost: x\r\n\r\n"))
	one := make([]byte, 1)
	if _, err := c.net.Read(one); err != nil { // the response has begun, and fills the socket
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.gw.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}
