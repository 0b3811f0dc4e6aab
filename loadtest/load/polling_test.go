package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// pollServer is a Socket.IO server that has polling alone, and says what its handshake says.
type pollServer struct {
	*httptest.Server
	maxPayload int
	say        chan string   // for the open GET
	got        chan string   // packets of POSTs
	polls      chan struct{} // one for each GET with a session
	refused    chan string   // requests that a client must not make
}

func startPollServer(t *testing.T, maxPayload int) *pollServer {
	t.Helper()
	s := &pollServer{
		maxPayload: maxPayload, say: make(chan string, 1), got: make(chan string, 1000), polls: make(chan struct{}, 1000), refused: make(chan string, 1000),
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *pollServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Query().Get("transport") != "polling":
		s.refused <- r.URL.String()
		http.Error(w, "transport unknown", http.StatusBadRequest)
	case r.Method == http.MethodPost:
		body, _ := io.ReadAll(r.Body)
		if len(body) > s.maxPayload {
			s.refused <- fmt.Sprintf("%d bytes", len(body))
			http.Error(w, "", http.StatusRequestEntityTooLarge)
			return
		}
		for packet := range strings.SplitSeq(string(body), "\x1e") {
			if packet == "40" {
				s.say <- `40{"sid":"x"}`
			} else {
				s.got <- packet
			}
		}
		fmt.Fprint(w, "ok")
	case r.URL.Query().Get("sid") == "":
		fmt.Fprintf(w, `0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":%d}`, s.maxPayload)
	default:
		s.polls <- struct{}{}
		select {
		case text := <-s.say:
			fmt.Fprint(w, text)
		case <-r.Context().Done():
		}
	}
}

// hearer is a handler made of functions and channels.
type hearer struct {
	connected func()
	once      sync.Once
	there     chan struct{}
	events    chan string
	closed    chan error
}

func (h *hearer) Connected(bool) {
	if h.connected != nil {
		h.connected()
	}
	h.once.Do(func() { close(h.there) })
}
func (h *hearer) Event(payload []byte, _ bool) { h.events <- string(payload) }
func (h *hearer) Ack(uint64, []byte)           {}
func (h *hearer) Closed(cause error)           { h.closed <- cause }

// pollingClient connects one client. connected is called on its loop with the client.
func pollingClient(t *testing.T, s *pollServer, transport Transport, connected func(*Client)) (*Client, *hearer) {
	t.Helper()
	l, err := NewLoop(NewClock())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	target, err := NewTarget(context.Background(), s.URL, "", false)
	if err != nil {
		t.Fatal(err)
	}
	h := &hearer{there: make(chan struct{}), events: make(chan string, 10), closed: make(chan error, 10)}
	c := NewClient(l, &Settings{Transport: transport}, h)
	h.connected = func() { connected(c) }
	l.Post(func() { c.Connect(target) })
	receive(t, "the connection", h.there, h)
	return c, h
}

// receive waits for a value, and fails if the client's connection ends before.
func receive[T any](t *testing.T, what string, from <-chan T, h *hearer) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case err := <-h.closed:
		t.Fatalf("waiting for %s: %v", what, err)
	case <-time.After(30 * time.Second):
		t.Fatalf("%s: it did not come", what)
	}
	return v
}

// A POST is no larger than the server's handshake allows, as long as it has several packets.
func TestPollingSplitsPosts(t *testing.T) {
	const count, bound = 40, 1000
	s := startPollServer(t, bound)
	_, h := pollingClient(t, s, Polling, func(c *Client) {
		for i := range count {
			c.Emit(fmt.Appendf(nil, `["publish",%d,"%s"]`, i, strings.Repeat("x", 100*(i%10))))
		}
	})
	for i := range count {
		if text := receive(t, "a packet", s.got, h); !strings.HasPrefix(text, fmt.Sprintf(`42["publish",%d,`, i)) {
			t.Fatalf("got %.30q in place %d", text, i)
		}
	}
	if len(s.refused) > 0 {
		t.Errorf("a POST of %s, %d are allowed", <-s.refused, bound)
	}
}

// Where the packets are cut, and what a server that names no bound gets.
func TestPollingWritable(t *testing.T) {
	for _, c := range []struct {
		waiting    string
		bound      int
		body, rest string
	}{
		{"aaa\x1ebbb", 0, "aaa\x1ebbb", ""},
		{"aaa\x1ebbb", 7, "aaa\x1ebbb", ""},
		{"aaa\x1ebbb", 6, "aaa", "bbb"},
		{"aaa\x1ebbb", 3, "aaa", "bbb"},
		{"aaa\x1ebbb", 2, "aaa", "bbb"},
		{"aaaa", 2, "aaaa", ""},
	} {
		p := polling{client: &Client{session: session{maxPayload: c.bound}}, waiting: []byte(c.waiting)}
		if body, rest := p.writable(); string(body) != c.body || string(rest) != c.rest {
			t.Errorf("%q with a bound of %d: got %q and %q", c.waiting, c.bound, body, rest)
		}
	}
}

// Where the server offers no upgrade, a client stays on polling.
func TestUpgradeNotOffered(t *testing.T) {
	s := startPollServer(t, 1000)
	_, h := pollingClient(t, s, PollingThen, func(*Client) {})
	s.say <- `42["msg"]`
	receive(t, "an event", h.events, h)
	if len(s.refused) > 0 {
		t.Errorf("the client asked for %s", <-s.refused)
	}
}

// A client that does not read does not poll either, until it reads again.
func TestPollingDeaf(t *testing.T) {
	s := startPollServer(t, 1000)
	c, h := pollingClient(t, s, Polling, func(c *Client) { c.SetReading(false) })
	s.say <- `42["msg"]`
	asked := make(chan bool)
	c.Loop().Post(func() { asked <- c.polling.get.busy })
	if receive(t, "the loop", asked, h) {
		t.Error("a client that does not read polls")
	}
	c.Loop().Post(func() { c.SetReading(true) })
	receive(t, "an event", h.events, h)
	if n := len(s.polls); n != 2 && n != 3 {
		t.Errorf("%d polls: want one for the namespace, one for the event, and the next", n)
	}
}
