package gateway

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// Whatever becomes of connections, their places come back, and beyond the limit there is none.
func TestConnsPerAddress(t *testing.T) {
	cert, key, roots := certify(t, t.TempDir(), "one")
	const header = "PROXY TCP4 198.51.100.7 127.0.0.1 12345 443\r\n"
	for name, c := range map[string]struct {
		change  func(*Options)
		address string
		open    func(r *rig) io.Closer // a connection that stays
	}{
		"nothing said": {func(*Options) {}, "127.0.0.1", func(r *rig) io.Closer { return r.raw().net }},
		"WebSocket":    {func(*Options) {}, "127.0.0.1", func(r *rig) io.Closer { return r.ws().net }},
		"keep-alive": {func(*Options) {}, "127.0.0.1", func(r *rig) io.Closer {
			c := r.raw()
			c.Raw([]byte("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"))
			c.response()
			return c.net
		}},
		"upgraded on a keep-alive connection": {func(*Options) {}, "127.0.0.1", func(r *rig) io.Closer {
			c := r.raw()
			c.Raw([]byte("GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n"))
			c.response()
			c.Raw([]byte(handshake("EIO=4&transport=websocket")))
			c.response()
			c.Expect(`0{"sid":"*`)
			return c.net
		}},
		"TLS": {func(o *Options) { o.HTTP.TLSCert, o.HTTP.TLSKey = cert, key }, "127.0.0.1", func(r *rig) io.Closer { return r.wss(roots).net }},
		"behind a proxy": {func(o *Options) { o.HTTP.ProxyProtocol, o.HTTP.TrustedProxies = true, "127.0.0.1" }, "198.51.100.7", func(r *rig) io.Closer {
			c := r.raw()
			c.Raw([]byte(header + handshake("EIO=4&transport=websocket")))
			return c.net
		}},
		"behind a proxy, TLS": {func(o *Options) {
			o.HTTP.ProxyProtocol, o.HTTP.TrustedProxies, o.HTTP.TLSCert, o.HTTP.TLSKey = true, "127.0.0.1", cert, key
		}, "198.51.100.7", func(r *rig) io.Closer {
			c := r.raw()
			c.Raw([]byte(header))
			conn := tls.Client(c.net, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"})
			// Beyond the limit it fails, which the test sees in what it can read.
			_, _ = conn.Write([]byte(handshake("EIO=4&transport=websocket")))
			return conn
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.change, func(o *Options) { o.Limits.ConnsPerAddress = 3 })
			seats := &r.gw.listener.seats
			var open []io.Closer
			for range 3 {
				open = append(open, c.open(r))
			}
			eventually(t, "three places are taken", func() bool { return seats.taken(c.address) == 3 })
			refused := func() float64 { return value(r.gw.metrics.refusedOfAddress) }
			if n := refused(); n != 0 {
				t.Errorf("%v refused", n)
			}
			beyond := r.raw()
			if c.address != "127.0.0.1" {
				beyond.Raw([]byte(header))
			}
			if r.gw.listener.tls != nil && c.address != "127.0.0.1" {
				_ = tls.Client(beyond.net, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}).Handshake()
			}
			eventually(t, "the fourth is refused", func() bool { return refused() == 1 })
			if _, err := io.ReadAll(beyond.net); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the fourth is not closed: %v", err)
			}
			for _, one := range open {
				one.Close()
			}
			eventually(t, "all places are free, and no connection is left", func() bool { return seats.taken(c.address) == 0 && r.gw.listener.open.Load() == 0 })
			c.open(r).Close()
		})
	}
}

// A session that one limit refuses does not take a place under the other.
func TestQuotaGivesBack(t *testing.T) {
	q := newQuota(&RateOptions{Handshakes: 1, PerAddress: 5})
	places := 0
	for range 5 {
		if _, refused := q.enter("a"); refused == "" {
			places++
		}
	}
	if got := q.sessions.taken("a"); got != places {
		t.Errorf("%d places are taken by %d sessions", got, places)
	}
	q.set(&RateOptions{})
	if place, refused := q.enter("a"); place != "" || refused != "" {
		t.Errorf("without limits: %q, refused for %q", place, refused)
	}
}

// A client that does not read cannot hold on to the goroutine that would write to it.
func TestPassToNobody(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	from, to := net.Pipe()
	defer to.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pass(here, from, time.Millisecond) // nobody reads from there
	}()
	if _, err := to.Write([]byte("word")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("it waits for ever")
	}
}

// Whoever has a network of IPv6 has one address, as far as limits go.
func TestHeadcountOfNetworks(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2::3": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::": "2001:db8:1:2::/64",
		"2001:db8:1:3::3": "2001:db8:1:3::/64", "fe80::1%eth0": "fe80::/64", "nowhere": "nowhere",
	} {
		if got := whole(address); got != want {
			t.Errorf("%s counts as %s, want %s", address, got, want)
		}
	}
	var h headcount
	h.limit.Store(2)
	one, _ := h.take("2001:db8::1")
	if _, ok := h.take("2001:db8::2"); !ok {
		t.Error("two are too many")
	}
	if _, ok := h.take("2001:db8::3"); ok {
		t.Error("a third address of the network is let in")
	}
	h.give(one)
	if place := h.force("2001:db8::4"); place != one || h.taken("2001:db8::5") != 2 {
		t.Errorf("%q, %d taken", place, h.taken("2001:db8::5"))
	}
}
