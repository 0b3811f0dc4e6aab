package abuse_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// pace is the pause between two things that an honest client says.
const pace = 10 * time.Millisecond

// honest are clients that keep to the rules: two on WebSockets, two that poll without affinity, and one after the other that comes,
// says a word, and goes. All but the last are in one room, where each says numbers in turn, and hears all numbers of all.
type honest struct {
	people []*person
	quit   chan struct{}
	done   sync.WaitGroup
	said   atomic.Int64 // acknowledged
	comers atomic.Int64
}

// person is one of them.
type person struct {
	name  string
	link  link
	quit  <-chan struct{}
	acks  chan string
	heard map[string]int // the last number of each; of the goroutine that hears
	said  *atomic.Int64
	gone  atomic.Bool   // it has left by itself
	done  chan struct{} // closed when nothing more is heard
	fails chan error    // the first fault
}

// link is how packets come and go.
type link interface {
	send(packet string) error
	receive() (packets []string, err error)
	close()
}

func startHonest(t *testing.T, hosts []string) *honest {
	t.Helper()
	h := &honest{quit: make(chan struct{})}
	for i, open := range []func() (link, error){
		func() (link, error) { return openSocket(hosts[0]) }, func() (link, error) { return openSocket(hosts[1]) },
		func() (link, error) { return openPolling(hosts) }, func() (link, error) { return openPolling(hosts) },
	} {
		l, err := open()
		if err != nil {
			t.Fatal(err)
		}
		p := newPerson(fmt.Sprintf("honest%d", i), l, h.quit, &h.said)
		h.people = append(h.people, p)
		h.done.Go(p.hear)
		if err := p.enter(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range h.people {
		h.done.Go(p.talk)
	}
	h.done.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-h.quit:
				return
			case <-time.After(pace):
			}
			if err := come(hosts[i%len(hosts)]); err != nil {
				t.Errorf("a client that comes: %v", err)
				return
			}
			h.comers.Add(1)
		}
	})
	return h
}

func newPerson(name string, l link, quit <-chan struct{}, said *atomic.Int64) *person {
	return &person{
		name: name, link: l, quit: quit, said: said,
		acks: make(chan string, 16), heard: map[string]int{}, done: make(chan struct{}), fails: make(chan error, 1),
	}
}

// check fails the test if anything has gone wrong so far.
func (h *honest) check(t *testing.T) {
	t.Helper()
	for _, p := range h.people {
		select {
		case err := <-p.fails:
			t.Errorf("%s: %v", p.name, err)
		default:
		}
	}
}

// stop lets them go.
func (h *honest) stop(t *testing.T) {
	t.Helper()
	close(h.quit)
	for _, p := range h.people {
		<-p.done
	}
	h.done.Wait()
	for _, p := range h.people {
		p.link.close() // what was still in use is idle now
	}
	h.check(t)
	t.Logf("honest clients said %d things, each heard by four, and %d came anew", h.said.Load(), h.comers.Load())
	if h.said.Load() == 0 || h.comers.Load() == 0 {
		t.Error("honest clients did nothing")
	}
}

func (p *person) fail(err error) {
	select {
	case p.fails <- err:
	default:
	}
}

// enter joins the namespace and the room.
func (p *person) enter() error {
	if err := p.link.send(connectPacket("")); err != nil {
		return err
	}
	if err := p.await("40"); err != nil {
		return err
	}
	if err := p.link.send(`421["join","honest"]`); err != nil {
		return err
	}
	return p.await("431[")
}

// await waits for a packet that answers what was sent.
func (p *person) await(begins string) error {
	select {
	case got := <-p.acks:
		if !strings.HasPrefix(got, begins) {
			return fmt.Errorf("got %.200q, want %q", got, begins)
		}
		return nil
	case <-p.done:
		return fmt.Errorf("the connection is gone, want %q", begins)
	case <-time.After(patience):
		return fmt.Errorf("nothing came, want %q", begins)
	}
}

// talk says number after number, each once the one before is acknowledged.
func (p *person) talk() {
	defer p.link.close()
	for n := 1; ; n++ {
		select {
		case <-p.quit:
			if err := p.part(n); err != nil {
				p.fail(err)
			}
			p.gone.Store(true)
			return
		case <-time.After(pace):
		}
		if err := p.say(n); err != nil {
			p.fail(fmt.Errorf("number %d: %w", n, err))
			return
		}
		p.said.Add(1)
	}
}

func (p *person) say(n int) error {
	if err := p.link.send(fmt.Sprintf(`42%d["in-room","honest","number","%s",%d]`, n, p.name, n)); err != nil {
		return err
	}
	if err := p.await(fmt.Sprintf("43%d[", n)); err != nil {
		return err
	}
	if err := p.link.send(fmt.Sprintf(`42%d["message-with-ack",%d]`, n, n)); err != nil {
		return err
	}
	return p.await(fmt.Sprintf("43%d[%d]", n, n))
}

// part says a last word, which comes after all others.
func (p *person) part(n int) error {
	if err := p.link.send(fmt.Sprintf(`42%d["message-with-ack","last"]`, n)); err != nil {
		return err
	}
	if err := p.await(fmt.Sprintf(`43%d["last"]`, n)); err != nil {
		return fmt.Errorf("at the end: %w", err)
	}
	return nil
}

// hear takes what comes.
func (p *person) hear() {
	defer close(p.done)
	for {
		packets, err := p.link.receive()
		if err != nil {
			if !p.gone.Load() {
				p.fail(fmt.Errorf("hear: %w", err))
			}
			return
		}
		for _, packet := range packets {
			if err := p.take(packet); err != nil {
				p.fail(err)
				return
			}
		}
	}
}

func (p *person) take(packet string) error {
	switch {
	case packet == "2":
		return p.link.send("3")
	case packet == "6" || strings.HasPrefix(packet, "0{"):
	case strings.HasPrefix(packet, "40") || strings.HasPrefix(packet, "43"):
		p.acks <- packet
	case strings.HasPrefix(packet, `42["number",`):
		var event []any
		if err := json.Unmarshal([]byte(packet[2:]), &event); err != nil || len(event) < 3 {
			return fmt.Errorf("an event %.200q: %w", packet, err)
		}
		who, n := fmt.Sprint(event[1]), int(event[2].(float64))
		if last, known := p.heard[who]; known && n != last+1 {
			return fmt.Errorf("heard %d of %s after %d", n, who, last)
		}
		p.heard[who] = n
	case strings.HasPrefix(packet, `42["auth"`):
	default:
		return fmt.Errorf("unexpected: %.200q", packet)
	}
	return nil
}

// come connects, says something, and goes.
func come(host string) error {
	l, err := openSocket(host)
	if err != nil {
		return err
	}
	defer l.close()
	if err := l.send(connectPacket("")); err != nil {
		return err
	}
	if err := l.wait("40{"); err != nil {
		return err
	}
	if err := l.send(`421["message-with-ack","here"]`); err != nil {
		return err
	}
	if err := l.wait(`431["here"]`); err != nil {
		return err
	}
	return l.send("41")
}

// socketLink is a WebSocket.
type socketLink struct {
	conn net.Conn
	mu   sync.Mutex // of writing
}

func openSocket(host string) (*socketLink, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, read, _, err := ws.Dial(ctx, "ws://"+host+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return nil, err
	}
	if read != nil {
		conn = &bufferedConn{conn, io.MultiReader(io.LimitReader(read, int64(read.Buffered())), conn)}
	}
	return &socketLink{conn: conn}, nil
}

// bufferedConn reads first what came with the handshake.
type bufferedConn struct {
	net.Conn
	read io.Reader
}

// Read implements net.Conn.
func (c *bufferedConn) Read(p []byte) (int, error) { return c.read.Read(p) }

func (l *socketLink) send(packet string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return wsutil.WriteClientText(l.conn, []byte(packet))
}

func (l *socketLink) receive() ([]string, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	text, err := wsutil.ReadServerText(l.conn)
	return []string{string(text)}, err
}

// wait reads until a packet comes that begins so.
func (l *socketLink) wait(begins string) error {
	for {
		packets, err := l.receive()
		if err != nil {
			return fmt.Errorf("%w, want %q", err, begins)
		}
		if strings.HasPrefix(packets[0], begins) {
			return nil
		}
	}
}

func (l *socketLink) close() { _ = l.conn.Close() }

// pollingLink sends each request to the next gateway.
type pollingLink struct {
	hosts  []string
	next   atomic.Int64
	sid    string
	client http.Client
	mu     sync.Mutex // of POSTs: one at a time
}

func openPolling(hosts []string) (*pollingLink, error) {
	l := &pollingLink{hosts: hosts, client: http.Client{Timeout: patience, Transport: &http.Transport{}}}
	packets, err := l.receive()
	if err != nil {
		return nil, err
	}
	var open struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(packets[0], "0")), &open); err != nil {
		return nil, fmt.Errorf("handshake %q: %w", packets, err)
	}
	l.sid = "&sid=" + open.SID
	return l, nil
}

func (l *pollingLink) do(method string, body io.Reader) (string, error) {
	host := l.hosts[int(l.next.Add(1))%len(l.hosts)]
	r, err := http.NewRequest(method, "http://"+host+"/socket.io/?EIO=4&transport=polling"+l.sid, body)
	if err != nil {
		return "", err
	}
	response, err := l.client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text)
	}
	return string(text), err
}

func (l *pollingLink) send(packet string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.do(http.MethodPost, strings.NewReader(packet))
	return err
}

func (l *pollingLink) receive() ([]string, error) {
	text, err := l.do(http.MethodGet, nil)
	return strings.Split(text, "\x1e"), err
}

func (l *pollingLink) close() {
	// It says goodbye, which ends the open GET.
	_ = l.send("1")
	l.client.CloseIdleConnections()
}
