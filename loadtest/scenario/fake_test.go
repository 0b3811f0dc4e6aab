package scenario_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// fake is a Socket.IO server with the three load events, over WebSocket alone, that can be told to misbehave. Every delivery of a message passes through deliver,
// with its number among all deliveries; it returns the texts to send in its place.
type fake struct {
	*httptest.Server
	deliver func(n int, text string) []string
	ack     func(n int, text string) []string
	strange bool             // knows none of the load events
	hold    func(n int) bool // leaves the nth connection without an answer

	mu    sync.Mutex
	rooms map[string][]net.Conn
	count int
	calls int
	acks  int
	all   map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// startFake starts one; without a function it behaves.
func startFake(t *testing.T, deliver, ack func(n int, text string) []string) *fake {
	t.Helper()
	same := func(_ int, text string) []string { return []string{text} }
	if deliver == nil {
		deliver = same
	}
	if ack == nil {
		ack = same
	}
	f := &fake{deliver: deliver, ack: ack, hold: func(int) bool { return false }, rooms: map[string][]net.Conn{}, all: map[net.Conn]struct{}{}}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.Close()
		f.mu.Lock()
		for c := range f.all {
			c.Close()
		}
		f.mu.Unlock()
		f.wg.Wait()
	})
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls++
	held := f.hold(f.calls)
	f.mu.Unlock()
	if held {
		<-r.Context().Done()
		return
	}
	c, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return
	}
	f.mu.Lock()
	f.all[c] = struct{}{}
	f.mu.Unlock()
	f.wg.Go(func() {
		defer c.Close()
		f.talk(c)
		f.forget(c)
	})
}

// set changes what the server does from now on.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) forget(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.all, c)
	for name, members := range f.rooms {
		for i, m := range members {
			if m == c {
				f.rooms[name] = append(members[:i:i], members[i+1:]...)
				break
			}
		}
	}
}

func (f *fake) talk(c net.Conn) {
	send(c, `0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`)
	buffered := struct {
		*bufio.Reader
		net.Conn
	}{bufio.NewReader(c), c}
	for {
		text, err := wsutil.ReadClientText(readWriter{buffered.Reader, c})
		if err != nil {
			return
		}
		f.packet(c, string(text))
	}
}

type readWriter struct {
	*bufio.Reader
	net.Conn
}

func (rw readWriter) Read(p []byte) (int, error) { return rw.Reader.Read(p) }

func (f *fake) packet(c net.Conn, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(text) > 1 && text[:2] == "40" {
		sendEach(c, []string{`40{"sid":"x"}`, `42["auth",{}]`})
		return
	}
	var id int
	var rest string
	start := 2
	for start < len(text) && text[start] != '[' {
		start++
	}
	if start > 2 {
		fmt.Sscan(text[2:start], &id)
	}
	rest = text[start:]
	var args []string
	if json.Unmarshal([]byte(rest), &args) != nil || f.strange {
		return
	}
	switch args[0] {
	case "join":
		f.rooms[args[1]] = append(f.rooms[args[1]], c)
		send(c, fmt.Sprintf(`43%d[["%s"]]`, id, args[1]))
	case "publish":
		for _, m := range f.rooms[args[1]] {
			f.count++
			sendEach(m, f.deliver(f.count, fmt.Sprintf(`42["msg","%s"]`, args[2])))
		}
	case "echo":
		f.acks++
		sendEach(c, f.ack(f.acks, fmt.Sprintf(`43%d["%s"]`, id, args[1])))
	}
}

// broadcast sends a text to the members of all rooms.
func (f *fake) broadcast(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, members := range f.rooms {
		for _, m := range members {
			send(m, text)
		}
	}
}

func send(c net.Conn, text string) { _ = wsutil.WriteServerText(c, []byte(text)) }

func sendEach(c net.Conn, texts []string) {
	for _, text := range texts {
		send(c, text)
	}
}
