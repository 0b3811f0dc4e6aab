package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"patchbay/backplane"
	"patchbay/internal/ops"
	"patchbay/worker"
)

// Of TestEmbeddedCluster: how many events each side sends, at what pace, and after how many of them a gateway is stopped.
const (
	said     = 2000
	sayPace  = time.Millisecond
	stopFrom = said / 4
)

// member is a client that comes back to its socket, on another gateway, when its connection ends. It hears numbers. It is of one
// goroutine at a time.
type member struct {
	urls   []string
	conn   net.Conn
	read   *bufio.Reader
	sid    string
	pid    string
	offset string
	next   int // the number that is due
}

// connect joins "/" at the first gateway, or comes back there, and returns once the worker has said that it is ready.
func (m *member) connect() error {
	conn, buffered, _, err := ws.Dial(context.Background(), "ws://"+m.urls[0]+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return err
	}
	if m.conn, m.read = conn, buffered; buffered == nil {
		m.read = bufio.NewReader(conn)
	}
	hello := "40"
	if m.pid != "" {
		hello += fmt.Sprintf(`{"pid":%q,"offset":%q}`, m.pid, m.offset)
	}
	if err := wsutil.WriteClientText(conn, []byte(hello)); err != nil {
		return err
	}
	for {
		text, err := m.packet()
		if err != nil {
			return err
		}
		if strings.HasPrefix(text, `42["ready"`) {
			return nil
		}
		if err := m.take(text); err != nil {
			return err
		}
	}
}

// take takes a packet: the answer to CONNECT, before which what has been missed may come, or a number.
func (m *member) take(text string) error {
	if answer, ok := strings.CutPrefix(text, "40"); ok {
		var joined struct{ Sid, Pid string }
		if err := json.Unmarshal([]byte(answer), &joined); err != nil {
			return err
		}
		if m.sid != "" && m.sid != joined.Sid {
			return fmt.Errorf("%s came back as %s", m.sid, joined.Sid)
		}
		m.sid, m.pid = joined.Sid, joined.Pid
	}
	if !strings.HasPrefix(text, `42["n",`) {
		return nil
	}
	var event []any
	if err := json.Unmarshal([]byte(text[2:]), &event); err != nil {
		return err
	}
	if n := int(event[1].(float64)); n != m.next {
		return fmt.Errorf("%d came, want %d", n, m.next)
	}
	m.offset = event[2].(string)
	m.next++
	return nil
}

// packet reads the next one that is no ping, and answers those. It ends with the connection.
func (m *member) packet() (string, error) {
	for {
		text, err := wsutil.ReadServerText(struct {
			io.Reader
			io.Writer
		}{m.read, m.conn})
		if err != nil || string(text) != "2" {
			return string(text), err
		}
		if err := wsutil.WriteClientText(m.conn, []byte("3")); err != nil {
			return "", err
		}
	}
}

// listen hears numbers up to the last, and leaves.
func (m *member) listen() error {
	for m.next < said {
		text, err := m.packet()
		if err == nil {
			err = m.take(text)
		} else {
			_ = m.conn.Close()
			m.urls = append(m.urls[1:], m.urls[0])
			err = m.connect()
		}
		if err != nil {
			return err
		}
	}
	return m.leave()
}

func (m *member) leave() error {
	err := wsutil.WriteClientText(m.conn, []byte("41"))
	return errors.Join(err, m.conn.Close())
}

// join connects a member to the first of several gateways.
func join(t *testing.T, urls ...string) *member {
	t.Helper()
	m := &member{urls: urls}
	if err := m.connect(); err != nil {
		t.Fatal(err)
	}
	return m
}

// talk sends events, in place of listen, that ask for acknowledgements, and hears all of those in order. One that is said again is ignored, as by stock clients.
func (m *member) talk(halfway func()) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		pace := time.NewTicker(sayPace)
		defer pace.Stop()
		for i := range said {
			<-pace.C
			if i == stopFrom {
				halfway()
			}
			// An error shows in the acknowledgement that does not come.
			_ = wsutil.WriteClientText(m.conn, fmt.Appendf(nil, `42%d["say",%d]`, i, i))
		}
	})
	for due := 0; due < said; {
		text, err := m.packet()
		if err != nil {
			return fmt.Errorf("after %d acknowledgements: %w", due, err)
		}
		var id, n int
		if !strings.HasPrefix(text, "43") {
			continue
		}
		if _, err := fmt.Sscanf(text, "43%d[%d]", &id, &n); err != nil || id != n || id > due {
			return fmt.Errorf("%s came, want %d: %w", text, due, err)
		}
		if id == due {
			due++
		}
	}
	return m.leave()
}

// TestEmbeddedCluster: three gateways are the NATS cluster themselves. One of them stops, to whose server the worker talks: its client
// goes on at another gateway, the worker at another server, and every event, acknowledgement and emit comes once and in order.
func TestEmbeddedCluster(t *testing.T) {
	public, clients, routes := addresses(t, 3), addresses(t, 3), addresses(t, 3)
	all := "nats://" + strings.Join(routes, ",nats://")
	gateways := make([]*running, 3)
	for i := range gateways {
		gateways[i] = begin(t, "", "gateway", "--listen", public[i], "--secret", "of the test", "--node", fmt.Sprint("g", i),
			"--embed-nats", "--embed-listen", clients[i], "--embed-cluster", routes[i], "--embed-routes", all)
	}
	for _, g := range gateways {
		g.awaitReady()
		g.await("it is linked to both others", func() bool { return g.measures("patchbay_nats_routes 2") })
	}
	r := start(t, "", "router", "--nats", "nats://"+strings.Join(clients, ",nats://"))
	w := speaker(t, "nats://"+clients[2])
	r.await("the worker is there", func() bool { return w.Ready() == nil })

	speaking := join(t, public[0])
	var running sync.WaitGroup
	defer running.Wait()
	halfway := make(chan struct{})
	works := []func() error{func() error { return speaking.talk(func() { close(halfway) }) }}
	for i := range gateways {
		works = append(works, join(t, public[i], public[(i+1)%3]).listen)
	}
	for _, work := range works {
		running.Go(func() {
			if err := work(); err != nil {
				t.Error(err)
			}
		})
	}
	running.Go(func() {
		pace := time.NewTicker(sayPace)
		defer pace.Stop()
		for i := range said {
			<-pace.C
			if err := w.Namespace("/").To("room").Emit("n", i); err != nil {
				t.Error(err)
			}
		}
	})
	<-halfway
	gateways[2].stop()
	if gateways[2].logs.FilterMessage("drained").Len() != 1 {
		t.Error("it has not drained")
	}
	running.Wait()
}

// speaker is a worker whose sockets join a room, and that answers what they say.
func speaker(t *testing.T, url string) *worker.App {
	t.Helper()
	w, err := worker.New(worker.Options{Backplane: backplane.Options{URL: url}})
	if err != nil {
		t.Fatal(err)
	}
	w.Namespace("/").OnConnect(func(ctx context.Context, s *worker.Socket) error {
		if err := s.Join(ctx, "room"); err != nil {
			return err
		}
		return s.Emit("ready")
	})
	worker.OnAck(w.Namespace("/"), "say", func(_ context.Context, _ *worker.Socket, n int) (int, error) { return n, nil })
	if err := w.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func addresses(t *testing.T, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = freeAddress(t)
	}
	return list
}

// measures reports whether the metrics have a line.
func (r *running) measures(line string) bool {
	_, text := r.ask(http.MethodGet, "/metrics")
	return strings.Contains(text, "\n"+line+"\n")
}

// A gateway whose own NATS server ends, ends with it, and does not try to drain.
func TestEmbeddedServerEnds(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	c := &gatewayCommand{}
	c.Gateway.Listen, c.Embed.On = "127.0.0.1:0", true
	c.Embed.Server.Listen = "127.0.0.1:0"
	err := underServer(t.Context(), func(ctx context.Context, ended func()) error {
		return ops.Run(ctx, c.Ops, zap.New(core), func(ctx context.Context, p ops.Process) (ops.Part, error) {
			part, err := c.open(ctx, p, nil, ended)
			if err == nil {
				part.(embedded).server.server.Stop()
			}
			return part, err
		})
	})
	if !errors.Is(err, errServerEnded) {
		t.Errorf("it ends with %v", err)
	}
	if logs.FilterMessage("draining").Len() != 0 {
		t.Error("it has tried to drain")
	}
}

// What would be open to others is refused, and the servers' password is asked for.
func TestEmbeddedRefuses(t *testing.T) {
	for _, c := range []struct {
		args string
		want error
	}{
		{"--embed-listen 0.0.0.0:0", backplane.ErrServerOpen},
		{"--embed-listen 127.0.0.1:0 --embed-cluster 127.0.0.1:0", errRouteSecret},
		{"--embed-listen 127.0.0.1:0 --embed-cluster-password a --embed-cluster-password-file b", errPasswords},
	} {
		cleanEnvironment(t)
		command, err := (&cli{}).parse(strings.Fields("gateway --internal= --listen 127.0.0.1:0 --embed-nats " + c.args))
		if err != nil {
			t.Fatal(err)
		}
		if err := command(t.Context(), zap.NewNop(), &again{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.args, err, c.want)
		}
	}
}

// TestEmbeddedUsers: a gateway's server takes the users of deploy/nats, and the gateway is one of them.
func TestEmbeddedUsers(t *testing.T) {
	cleanEnvironment(t)
	for _, role := range []string{"GATEWAY", "ROUTER", "WORKER", "EMITTER", "ADMIN", "OPERATOR"} {
		t.Setenv("PATCHBAY_NATS_"+role+"_PASSWORD", "of-"+role)
	}
	nats, internal := freeAddress(t), freeAddress(t)
	command, err := (&cli{}).parse(strings.Fields("gateway --listen 127.0.0.1:0 --internal " + internal + " --nats-user gateway --nats-password of-GATEWAY" +
		" --embed-nats --embed-server-config ../../deploy/nats/server.conf --embed-listen " + nats))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- command(ctx, zap.NewNop(), &again{}) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	(&running{TB: t, internal: internal}).awaitReady()
	o := backplane.Options{URL: "nats://" + nats}
	if c, err := backplane.Open(ctx, o); err == nil {
		c.Close()
		t.Error("somebody without a name is let in")
	}
	o.Login = backplane.Login{User: "worker", Password: "of-WORKER"}
	c, err := backplane.Open(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
