package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"patchbay/backplane"
	"patchbay/gateway/handoff"
)

// cluster is some gateways on one backplane, with one application: a rig for each.
func cluster(t *testing.T, n int, change ...func(*Options)) []*rig {
	t.Helper()
	change = append([]func(*Options){clustered}, change...)
	first := newRig(t, change...)
	nodes := []*rig{first}
	for i := 1; i < n; i++ {
		r := *first
		r.gw = first.open("g"+strconv.Itoa(i+1), change...)
		nodes = append(nodes, &r)
	}
	return nodes
}

// clustered are the options of a gateway of a cluster.
func clustered(o *Options) {
	o.Secret, o.Engine.Recovery = "the same", Window(time.Minute)
	o.Handoff = handoff.Options{Retry: 50 * time.Millisecond, Linger: 300 * time.Millisecond, Trail: 300 * time.Millisecond}
}

// stream publishes numbered emits for one socket, in turns to its room, its namespace, itself, two rooms at once, and a room
// of all namespaces that match a pattern.
type stream struct {
	*app
	socket string
	last   int
}

func (s *stream) next() {
	s.Helper()
	s.last++
	e := &backplane.Emit{
		Payload: payload(fmt.Sprintf(`["n",%d]`, s.last)),
		ID:      handoff.Mark{Publisher: "p1", Sequence: uint64(s.last)}.String(),
	}
	switch s.last % 5 {
	case 0:
		s.publish(e.Encode(s.conn.Address(e, "/", "a"), ""))
	case 1:
		s.publish(e.Encode(s.conn.Namespace("/"), ""))
	case 2:
		s.publish(e.Encode(s.conn.SocketEmit(s.socket), ""))
	case 3:
		e.Rooms = []string{"a", "b"}
		for _, room := range e.Rooms {
			s.publish(e.Encode(s.conn.Room("/", room), ""))
		}
	case 4:
		e.Match, e.Rooms = `^(?:/|/other)$`, []string{"a"}
		s.publish(e.Encode(s.conn.Matching(), ""))
	}
}

// run publishes until it is stopped.
func (s *stream) run(t *testing.T, every time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.next()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

// reader is what a client knows: its socket, and the numbers that it has had.
type reader struct {
	*wsClient
	id, pid, offset string
	had             int
	events          int  // since the last CONNECT packet
	closed          bool // by the node
}

// read takes one frame, and reports whether it is a CONNECT packet.
func (c *reader) read() (connected bool) {
	c.Helper()
	f, err := c.frame()
	if err != nil {
		c.Fatalf("after %d: %v", c.had, err)
	}
	text := string(f.Payload)
	switch {
	case f.Header.OpCode == ws.OpText && text == "2":
		c.Send("3")
	case strings.HasPrefix(text, `42["n",`):
		var event []any
		if err := json.Unmarshal(f.Payload[2:], &event); err != nil {
			c.Fatal(err)
		}
		if n := int(event[1].(float64)); n != c.had+1 {
			c.Fatalf("%d after %d", n, c.had)
		}
		c.had++
		c.events++
		c.offset = event[2].(string)
	case strings.HasPrefix(text, `40{"sid"`):
		var open struct{ SID, PID string }
		if err := json.Unmarshal(f.Payload[2:], &open); err != nil {
			c.Fatal(err)
		}
		c.id, c.pid, c.events = open.SID, open.PID, 0
		return true
	case f.Header.OpCode == ws.OpClose:
		c.closed = true
	case strings.HasPrefix(text, "0{"):
	default:
		c.Fatalf("unexpected %s", text)
	}
	return false
}

// readTo reads until a number has come.
func (c *reader) readTo(n int) {
	c.Helper()
	for c.had < n {
		c.read()
	}
}

// outcomes are the values of a counter by its last label.
func outcomes(v *prometheus.CounterVec) map[string]float64 {
	all := map[string]float64{}
	ch := make(chan prometheus.Metric, 100)
	v.Collect(ch)
	close(ch)
	for m := range ch {
		var out dto.Metric
		if err := m.Write(&out); err != nil {
			panic(err)
		}
		all[out.Label[len(out.Label)-1].GetValue()] = out.Counter.GetValue()
	}
	return all
}

// back comes back to a node, with what it has had, and must get its socket.
func (c *reader) back(r *rig) {
	c.Helper()
	id := c.id
	c.wsClient = r.ws()
	c.Send(fmt.Sprintf(`40{"pid":%q,"offset":%q}`, c.pid, c.offset))
	for !c.read() {
	}
	if c.id != id {
		c.Fatalf("a new socket %s instead of %s on %s: recoveries %v, handoffs %v", c.id, id, r.gw.ID(),
			outcomes(r.gw.metrics.recoveries), outcomes(r.gw.metrics.handoffs))
	}
}

// A socket goes round the nodes, with its connection ended or just left behind, while numbered emits flow: none is
// lost, repeated or out of order.
func TestRecoveryElsewhere(t *testing.T) {
	for _, leave := range []string{"closed", "half-open"} {
		t.Run(leave, func(t *testing.T) {
			nodes := cluster(t, 3)
			app := nodes[0].app
			app.onConnect(func(c backplane.Connect) *backplane.Connected {
				if c.Recovered {
					return &backplane.Connected{Worker: "w1"}
				}
				return &backplane.Connected{Worker: "w1", Rooms: []string{"a", "b"}, Data: json.RawMessage(`{"x":1}`)}
			})
			c := &reader{wsClient: nodes[0].ws()}
			c.Send("40")
			for !c.read() {
			}
			born := c.id
			next(t, app.opens)
			s := &stream{app: app, socket: c.id}
			stop := s.run(t, 500*time.Microsecond)
			c.readTo(50)
			for _, at := range []int{1, 2, 0, 2, 2, 1, 0, 0, 1, 2} {
				old := c.net
				if leave == "closed" {
					old.Close()
				}
				c.back(nodes[at])
				c.readTo(c.had + 100)
				old.Close()
			}
			stop()
			c.readTo(s.last)
			if c.id != born {
				t.Errorf("it is %s now", c.id)
			}
			reply := app.control(c.id, backplane.Control{Op: backplane.OpInfo})
			if reply.Error != "" || len(reply.Rooms) != 3 || reply.Seen.Node != nodes[2].gw.ID() {
				t.Errorf("%+v", reply)
			}
			c.Alive(app)
			s.next()
			c.readTo(s.last)
		})
	}
}

// What is for the sockets of one node alone reaches one that has just come there, although its former node has it not.
func TestLocalEmitAfterMove(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	next(t, app.opens)
	s := &stream{app: app, socket: c.id}
	s.next() // the client must have something to come back with
	c.readTo(1)
	c.net.Close()
	c.back(nodes[1])
	for n := 2; n <= 40; n += 2 {
		for i, subject := range []string{app.conn.Node(nodes[1].gw.ID(), "emit", ""), app.conn.Namespace("/")} {
			e := &backplane.Emit{
				Payload: payload(fmt.Sprintf(`["n",%d]`, n+i)),
				ID:      handoff.Mark{Publisher: "p1", Sequence: uint64(n + i)}.String(),
			}
			if i == 0 {
				e.Namespace = "/"
			}
			app.publish(e.Encode(subject, ""))
		}
		c.readTo(n + 1)
	}
}

// When all machines have retired nothing of them is left, and a socket that ends elsewhere leaves no tombstone.
func TestNothingLeftOfHandoffs(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	app.onConnect(accept("a"))
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	next(t, app.opens)
	s := &stream{app: app, socket: c.id}
	s.next()
	c.readTo(1)
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	s.next()
	c.back(nodes[1])
	if c.had != 2 {
		t.Errorf("had %d", c.had)
	}
	if at, ok := nodes[0].gw.routes.place(c.id); !ok || at.node != nodes[1].gw.ID() {
		t.Errorf("%+v", at)
	}
	if reply := app.control(c.id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"late"}}); reply.Error != "" {
		t.Error(reply.Error)
	}
	for _, r := range nodes {
		for _, l := range r.gw.loops {
			eventually(t, "machines retire", func() (gone bool) {
				r.onLoop(l, func() { gone = len(l.takings)+len(l.leavings) == 0 })
				return gone
			})
		}
	}
	s.next()
	c.readTo(3)
	c.Send("41")
	app.expectLeave(c.id, reasonClientLeft)
	eventually(t, "no tombstone", func() bool {
		_, ok := nodes[0].gw.routes.place(c.id)
		return !ok
	})
	if reply := app.control(c.id, backplane.Control{Op: backplane.OpInfo}); reply.Error != backplane.NoSocket {
		t.Errorf("%+v", reply)
	}
	c.net.Close()
	for _, r := range nodes {
		for _, l := range r.gw.loops {
			r.onLoop(l, func() {
				if len(l.sockets) != 0 || l.gone.count != 0 {
					t.Errorf("%d sockets, %d detached", len(l.sockets), l.gone.count)
				}
			})
		}
	}
}

// The owner is gone: the client gets a new socket, at once if nobody listens there.
func TestRecoveryFromDeadNode(t *testing.T) {
	nodes := cluster(t, 2)
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	id := c.id
	nodes[0].gw.conn.Close()
	c.wsClient = nodes[1].ws()
	c.Send(fmt.Sprintf(`40{"pid":%q,"offset":""}`, c.pid))
	for !c.read() {
	}
	if c.id == id {
		t.Error("a socket from a dead node")
	}
	c.Alive(nodes[1].app)
}

// The taker dies with the state in its hand: the owner restores the socket, and the client can still come back.
func TestTakerDies(t *testing.T) {
	nodes := cluster(t, 2, func(o *Options) { o.Handoff.Frozen = time.Minute })
	app := nodes[0].app
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	s := &stream{app: app, socket: c.id}
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	// A taker that asks and says no more.
	app.serve(app.conn.Node("gx", verbHandoff, ""))
	give := &note{Kind: noteGive, From: "gx", Token: "gx.0.t", Unit: wanted{Socket: c.id, Namespace: "/"}}
	data, err := json.Marshal(give)
	if err != nil {
		t.Fatal(err)
	}
	app.publish(&backplane.Msg{Subject: app.conn.Node("g1", verbHandoff, ""), Data: data})
	var state note
	if err := json.Unmarshal(next(t, app.replies).Data, &state); err != nil || state.Kind != noteState {
		t.Fatalf("%+v, %v", state, err)
	}
	s.next()
	lost, err := json.Marshal(backplane.Lost{Node: "gx"})
	if err != nil {
		t.Fatal(err)
	}
	app.publish(&backplane.Msg{Subject: app.conn.Lost(), Data: lost})
	app.flush()
	c.back(nodes[1])
	if c.had != 1 {
		t.Errorf("had %d", c.had)
	}
}

// A node that stops takes its word back for the sockets that have come to it, detached ones too.
func TestStopEndsTombstones(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	c.back(nodes[1])
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	if _, ok := nodes[0].gw.routes.place(c.id); !ok {
		t.Fatal("no tombstone")
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := nodes[1].gw.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no tombstone", func() bool {
		_, ok := nodes[0].gw.routes.place(c.id)
		return !ok
	})
}

// The former owner stops as it should, in the middle of forwarding: the new one does not wait for it.
func TestOwnerStops(t *testing.T) {
	nodes := cluster(t, 2, func(o *Options) { o.Handoff.Linger = time.Minute })
	app := nodes[0].app
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	s := &stream{app: app, socket: c.id, last: 0}
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	c.back(nodes[1])
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := nodes[0].gw.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	s.next()
	c.readTo(1)
}

// What is for one socket and no emit reaches a socket that has moved, though it came to its former node when that had done with it,
// and to its new one before that knew so.
func TestAnswerBetweenTwoNodes(t *testing.T) {
	nodes := cluster(t, 2, func(o *Options) { o.Handoff.Linger = time.Minute })
	app := nodes[0].app
	c := &reader{wsClient: nodes[0].ws()}
	c.Send("40")
	for !c.read() {
	}
	c.net.Close()
	app.expectLeave(c.id, reasonTransportClose)
	c.back(nodes[1])
	c.Send(`427["question"]`)
	event := next(t, app.events)
	_, shard, _ := backplane.SplitSocketID(c.id)
	owner := nodes[0].gw.loops[shard]
	stopped, release, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	owner.post(call(func(l *loop) {
		close(stopped)
		<-release
		for _, o := range l.leavings { // as time goes by
			for at := l.now; o.Phase() == handoff.Lingering; at += l.gw.options.Handoff.Retry {
				o.do(o.Tick(at))
			}
		}
		close(done)
	}))
	<-stopped
	app.publish(backplane.EncodePayload(event.reply, "", payload(`["answer"]`)))
	join, err := json.Marshal(backplane.Control{Op: backplane.OpJoin, Rooms: []string{"late"}})
	if err != nil {
		t.Fatal(err)
	}
	app.publish(&backplane.Msg{Subject: app.conn.SocketControl(c.id), Reply: app.reply + ".join", Data: join})
	eventually(t, "both are at the former node", func() bool {
		owner.box.mu.Lock()
		defer owner.box.mu.Unlock()
		return len(owner.box.tasks) == 2
	})
	close(release)
	<-done
	c.Expect(`437["answer"]`)
	if reply := next(t, app.replies); !strings.Contains(string(reply.Data), `"late"`) {
		t.Errorf("joined: %s", reply.Data)
	}
	c.Alive(app)
	if len(app.replies) > 0 {
		t.Errorf("a second answer: %s", next(t, app.replies).Data)
	}
}
