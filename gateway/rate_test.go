package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A bucket lets through what its rates say, over any time, and a burst of a second's worth.
func TestBucket(t *testing.T) {
	o := &RateOptions{Events: 10, Bytes: 1000}
	for _, c := range []struct {
		name string
		size int
		want int // of 10 s, with the first burst
	}{
		{"small packets", 1, 110},
		{"packets of a hundred bytes", 100, 110},
		{"packets of two hundred bytes", 200, 55},
		{"packets larger than a second's worth", 5000, 3},
	} {
		b := newBucket(o, 0)
		passed := 0
		for now := time.Duration(0); now < 10*time.Second; now += time.Millisecond {
			for b.fill(o, now); b.allows(o); passed++ {
				b.spend(c.size)
			}
			if debt := b.debt(o); debt <= 0 || debt > 10*time.Second {
				t.Fatalf("%s: a debt of %v", c.name, debt)
			}
		}
		if passed < c.want-1 || passed > c.want+1 {
			t.Errorf("%s: %d passed, want %d", c.name, passed, c.want)
		}
	}
	b := newBucket(&RateOptions{Events: 1}, 0)
	b.spend(1 << 30)
	b.fill(&RateOptions{Events: 1}, time.Second)
	if !b.allows(&RateOptions{Events: 1}) {
		t.Error("bytes count that are not limited")
	}
}

// rated is a change of options by which sessions have rates.
func rated(over string, events int) func(*Options) {
	return func(o *Options) { o.Rate.Over, o.Rate.Events = over, events }
}

// A client that waits loses nothing, and others are not held up.
func TestOverRateWaits(t *testing.T) {
	r := newRig(t, rated(overWait, 20))
	c, _ := r.join("")
	other, _ := r.join("/other")
	for n := range 30 { // 19 at once, with the CONNECT
		c.Send(fmt.Sprintf(`42["n",%d]`, n))
	}
	for n := range 30 {
		r.app.expectEvent(fmt.Sprintf(`["n",%d]`, n))
	}
	other.Send(`42/other,["here"]`)
	r.app.expectEvent(`["here"]`)
	if got := value(r.gw.metrics.overRate.WithLabelValues(overWait)); got == 0 {
		t.Error("nothing waited")
	}
	r.app.emitAll("/", `["down"]`) // the other way goes on, resting or not
	c.Expect(`42["down"]`)
	c.Raw([]byte{0x88, 0x80, 0, 0, 0, 0})
	c.ExpectClose(0)
}

// A client whose pong is not read, because it has to wait, is not taken for silent.
func TestOverRateWaitsForPongs(t *testing.T) {
	r := newRig(t, rated(overWait, 50), func(o *Options) {
		o.Engine.PingInterval, o.Engine.PingTimeout = 50*time.Millisecond, 100*time.Millisecond
	})
	c, _ := r.join("")
	for n := range 75 { // half a second's worth too many
		c.Send(fmt.Sprintf(`42["n",%d]`, n))
	}
	c.Send("3", `42["n",75]`)
	for n := range 76 {
		r.app.expectEvent(fmt.Sprintf(`["n",%d]`, n))
	}
}

func TestOverRateDrops(t *testing.T) {
	r := newRig(t, rated(overDrop, 3))
	c, _ := r.join("")
	for n := range 10 {
		c.Send(fmt.Sprintf(`451-["n",%d,{"_placeholder":true,"num":0}]`, n))
		c.SendBinary("x")
	}
	for n := range 2 {
		r.app.expectEvent(fmt.Sprintf(`["n",%d,{"_placeholder":true,"num":0}]`, n), "x")
	}
	eventually(t, "the rest was dropped", func() bool { return value(r.gw.metrics.overRate.WithLabelValues(overDrop)) >= 7 })
	c.Send("41") // is never dropped
	next(t, r.app.leaves)
}

func TestOverRateCloses(t *testing.T) {
	r := newRig(t, rated(overClose, 3))
	c, id := r.join("")
	for range 4 {
		c.Send(`42["x"]`)
	}
	c.ExpectClose(0)
	r.app.expectLeave(id, reasonTooFast)
}

// A polling client waits for the answers to its POSTs.
func TestOverRatePolling(t *testing.T) {
	r := newRig(t, rated(overWait, 10))
	sid := r.openPoll()
	for round := range 3 {
		body := "40"
		if round > 0 {
			body = strings.Repeat("42[\"x\"]\x1e", 9) + `42["x"]`
		}
		response, err := http.Post(r.url("http", "EIO=4&transport=polling&sid="+sid), "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(text) != "ok" {
			t.Fatalf("%s, %v", text, err)
		}
		if round == 0 {
			next(t, r.app.connects)
			eventually(t, "joined", func() bool { return value(r.gw.metrics.sockets) == 1 })
		}
	}
	for range 20 {
		r.app.expectEvent(`["x"]`)
	}
	if got := value(r.gw.metrics.overRate.WithLabelValues(overWait)); got == 0 {
		t.Error("nothing waited")
	}
}

// openPoll opens a session by polling and returns its id.
func (r *rig) openPoll() string {
	r.Helper()
	response, err := http.Get(r.url("http", "EIO=4&transport=polling"))
	if err != nil {
		r.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		r.Fatalf("handshake: %s %s %v", response.Status, text, err)
	}
	_, rest, _ := strings.Cut(string(text), `"sid":"`)
	sid, _, _ := strings.Cut(rest, `"`)
	return sid
}

// What is let in is counted, what is refused is told so, and places come back.
func TestQuota(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Rate.PerAddress = 2 })
	refused := func() {
		t.Helper()
		response, err := http.Get(r.url("http", "EIO=4&transport=polling"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
			t.Errorf("a third session: %s", response.Status)
		}
		c := r.handshake("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		if !strings.HasPrefix(c, "HTTP/1.1 503 ") {
			t.Errorf("a third WebSocket: %q", c)
		}
	}
	r.openPoll()
	c := r.ws()
	refused()
	c.net.Close()
	eventually(t, "a place is free", func() bool {
		return r.gw.quota.sessions.taken("127.0.0.1") == 1
	})
	r.ws()
	refused()
}

// handshake sends a request as it is and returns the first line of the answer.
func (r *rig) handshake(request string) string {
	r.Helper()
	c := r.raw()
	c.Raw([]byte(request))
	line, err := c.r.ReadString('\n')
	if err != nil {
		r.Fatal(err)
	}
	return line
}

func TestHandshakeRate(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Rate.Handshakes = 1 })
	refused := false
	for i := range 20 {
		response, err := http.Get(r.url("http", "EIO=4&transport=polling"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if i == 0 && response.StatusCode != http.StatusOK {
			t.Errorf("the first one: %s", response.Status)
		}
		refused = refused || response.StatusCode == http.StatusServiceUnavailable
	}
	if !refused {
		t.Error("20 sessions at once are let in at a rate of one per second")
	}
}

// Where pages of others may not connect from, neither polling nor WebSocket lets them.
func TestOriginsAtTheDoor(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.HTTP.Origins, o.HTTP.TrustedProxies = "https://good.example", "127.0.0.1"
	})
	for from, want := range map[string]string{"https://good.example": "101", "https://evil.example": "403"} {
		line := r.handshake("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: " + from + "\r\n\r\n")
		if !strings.HasPrefix(line, "HTTP/1.1 "+want) {
			t.Errorf("a WebSocket from %s: %q", from, line)
		}
		request, err := http.NewRequest(http.MethodGet, r.url("http", "EIO=4&transport=polling"), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Origin", from)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || (response.StatusCode == http.StatusOK) != (want == "101") ||
			want == "403" && string(text) != `{"code":4,"message":"Forbidden"}` {
			t.Errorf("polling from %s: %s %s", from, response.Status, text)
		}
	}
	c := r.wsWith("", http.Header{"X-Forwarded-For": {"198.51.100.7"}, "X-Forwarded-Proto": {"https"}})
	c.join("")
	if request := next(t, r.app.connects); !strings.Contains(string(request.Handshake), `"address":"198.51.100.7"`) ||
		!strings.Contains(string(request.Handshake), `"secure":true`) {
		t.Errorf("the proxy is not believed: %s", request.Handshake)
	}
}
