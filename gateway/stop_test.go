package gateway

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"patchbay/backplane"
)

// descriptors counts the process's open descriptors.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Stop leaves neither goroutine nor descriptor, whatever clients are in the middle of.
func TestStop(t *testing.T) {
	before := goleak.IgnoreCurrent()
	var closed, open int
	t.Run("life", func(t *testing.T) {
		nats, err := backplane.StartServer(backplane.ServerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer nats.Stop()
		a := newApp(t, nats)
		a.serve(a.conn.ConnectAll())
		open = descriptors(t)
		r := &rig{TB: t, nats: nats, app: a}
		gw := r.open("g1")
		r.gw = gw
		joined, id := r.join("")
		p, pid := r.pollJoin()
		got := p.GetSoon(t.Context())
		p.polls()
		upgrading, uid := r.pollJoin()
		probe := upgrading.probe()
		half := r.raw()
		half.Raw([]byte("GET /socket.io/?EIO=4&transport=webso"))
		stuck := r.raw() // a POST whose body does not come
		stuck.Raw([]byte("POST /socket.io/?" + p.query() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n42["))
		eventually(t, "the POST", func() bool {
			open := false
			gw.web.posting.Range(func(any, any) bool { open = true; return false })
			return open
		})
		if err := gw.Ready(); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // the stuck POST is cut off
		defer cancel()
		stopped := make(chan struct{})
		go func() { // a second call waits for the first
			defer close(stopped)
			_ = gw.Stop(ctx)
		}()
		_ = gw.Stop(ctx)
		<-stopped
		if err := gw.Ready(); err == nil {
			t.Error("ready after Stop")
		}
		joined.ExpectClose(0)
		probe.drain()
		half.drain()
		stuck.drain()
		if a := next(t, got); a.status != 200 || a.body != "1" {
			t.Errorf("the open GET: %+v", a)
		}
		left := map[string]string{}
		for range 3 {
			l := next(t, a.leaves)
			left[l.socket] = l.reason
		}
		for _, id := range []string{id, pid, uid} {
			if left[id] != reasonServerShutdown {
				t.Errorf("%s left with %q", id, left[id])
			}
		}
		p.http.CloseIdleConnections()
		upgrading.http.CloseIdleConnections()
		eventually(t, "no descriptor left", func() bool { closed = descriptors(t); return closed <= open })
	})
	goleak.VerifyNone(t, before)
}

// Clients come and go while the gateway stops.
func TestStopUnderLoad(t *testing.T) {
	r := newRig(t)
	stop, done := make(chan struct{}), make(chan struct{})
	for i := range 4 {
		go func() {
			defer func() { done <- struct{}{} }()
			p := r.browser()
			for {
				select {
				case <-stop:
					return
				default:
				}
				a, err := p.try(t.Context(), "GET", r.url("http", "EIO=4&transport=polling"), "")
				if err != nil || a.status != 200 {
					return
				}
				if _, err := p.try(t.Context(), "POST", r.url("http", "EIO=4&transport=polling&sid="+a.body[9:9+39]), fmt.Sprintf("40/n%d,", i)); err != nil {
					return
				}
			}
		}()
	}
	for range 50 {
		next(t, r.app.connects)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.gw.Stop(ctx); err != nil {
		t.Error(err)
	}
	close(stop)
	for range 4 {
		<-done
	}
	for _, l := range r.gw.loops {
		if len(l.sessions)+len(l.sockets)+len(l.namespaces) != 0 {
			t.Errorf("loop %d: %d sessions, %d sockets, %d namespaces left", l.index, len(l.sessions), len(l.sockets), len(l.namespaces))
		}
	}
	if n := value(r.gw.metrics.sockets); n != 0 {
		t.Errorf("%v sockets counted", n)
	}
}

// A start that fails leaves nothing behind.
func TestOpenFails(t *testing.T) {
	r := newRig(t)
	before := descriptors(t)
	for name, options := range map[string]Options{
		"address in use": {ID: "g2", Listen: r.gw.Addr().String()},
		"bad address":    {ID: "g2", Listen: "nowhere:x"},
		"bad id":         {ID: "G 2", Listen: "127.0.0.1:0"},
		"too many loops": {ID: "g2", Listen: "127.0.0.1:0", LoopOptions: LoopOptions{Loops: 65}},
		"bad path":       {ID: "g2", Listen: "127.0.0.1:0", HTTP: HTTPOptions{Path: "socket.io"}},
		"payload":        {ID: "g2", Listen: "127.0.0.1:0", Engine: EngineOptions{MaxPayload: 100 << 20}},
	} {
		options.Backplane = backplane.Options{Server: r.nats}
		if gw, err := Open(t.Context(), options); err == nil {
			t.Errorf("%s: opened", name)
			_ = gw.Stop(t.Context())
		}
	}
	eventually(t, "no descriptor left", func() bool { return descriptors(t) <= before })
	eventually(t, "no client left", func() bool { return r.nats.Clients() == 2 })
}
