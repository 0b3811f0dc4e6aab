package worker_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"patchbay/backplane"
	"patchbay/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// fakeGateway is what a worker sees of a gateway, and of a router: it speaks the backplane's subjects and keeps
// sockets in a map. Its clients are the tests.
type fakeGateway struct {
	testing.TB
	conn  *backplane.Conn
	inbox *backplane.Inbox
	node  string
	epoch uint64
	arrivals

	mu      sync.Mutex
	version uint64
	clients map[string]*client
	held    chan struct{} // control requests wait for it, if set
	known
}

// known is what the gateway answers as a router, beside its clients.
type known struct {
	workers []backplane.WorkerInfo
	missing []string
	others  []backplane.NodeInfo // gateways that have sockets of whatever is asked for
	mute    bool                 // another answers
	counted counted
	many    many
}

// many is about requests to many sockets.
type many struct {
	asked int
	mute  bool // they are not answered

	watchers []*watcher
}

// arrivals is what the worker has sent, but to sockets.
type arrivals struct {
	emits chan seenEmit // to namespaces, rooms and the node
	beats chan backplane.WorkerBeat
	asked chan backplane.Query
	again chan string // CONNECTs that came back to the routers
	custody
	polled chan struct{} // an emit that asks many has been dealt with; at most one is told of
}

// seenEmit is an emit with where it went.
type seenEmit struct {
	subject string
	backplane.Emit
}

// client is one socket's client.
type client struct {
	g          *fakeGateway
	id, worker string
	nsp        string
	moving     bool // between two gateways: not part of what is done for many
	rooms      []string
	data       json.RawMessage
	got        chan seenEmit
	acks       chan backplane.Payload
	said
	ended       chan bool // the server disconnected it; true: with its connection
	mu          sync.Mutex
	acknowledge func(p backplane.Payload) *backplane.Msg
}

func startServer(tb testing.TB) *backplane.Server {
	tb.Helper()
	server, err := backplane.StartServer(backplane.ServerOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Stop)
	return server
}

func newGateway(tb testing.TB, server *backplane.Server, node string) *fakeGateway {
	tb.Helper()
	conn, err := backplane.Open(context.Background(), backplane.Options{Server: server, Name: node})
	if err != nil {
		tb.Fatal(err)
	}
	g := &fakeGateway{
		TB: tb, conn: conn, inbox: backplane.NewInbox(conn, 0), node: node, epoch: 7, clients: map[string]*client{},
		arrivals: arrivals{
			emits: make(chan seenEmit, 1000), beats: make(chan backplane.WorkerBeat, 1000),
			custody: custody{make(chan confirmed, 10_000), make(chan backplane.Standing, 100)},
			polled:  make(chan struct{}, 1), asked: make(chan backplane.Query, 1000), again: make(chan string, 100),
		},
	}
	for _, subject := range []string{
		conn.NodeAll(node), conn.SocketsOf(node), conn.Beat(), conn.Query(), conn.ConnectAll(), "pb.nsp.>", "pb.room.>",
	} {
		if _, err := g.inbox.Subscribe(subject); err != nil {
			tb.Fatal(err)
		}
	}
	if err := conn.Flush(context.Background()); err != nil {
		tb.Fatal(err)
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-g.inbox.C:
				g.take(m)
			case <-quit:
				return
			}
		}
	}()
	tb.Cleanup(func() {
		close(quit)
		<-done
		conn.Close()
	})
	return g
}

func (g *fakeGateway) take(m *backplane.Msg) {
	if id, verb, arg, ok := g.conn.ParseSocket(m.Subject); ok {
		g.toSocket(m, id, verb, arg)
		return
	}
	if strings.HasPrefix(m.Subject, g.conn.Watch("r"+g.node, "")) {
		g.renewed(m)
		return
	}
	switch m.Subject {
	case g.conn.Beat():
		var beat backplane.WorkerBeat
		g.decode(m.Data, &beat)
		g.beats <- beat
		return
	case g.conn.Query():
		g.query(m)
		return
	}
	if nsp, ok := g.conn.ParseConnect(m.Subject); ok {
		g.again <- nsp
		return
	}
	switch verb, id, _ := g.conn.ParseOwned(m.Subject); verb {
	case "connected":
		g.connected(m, id)
		return
	case "control":
		g.sweep(m)
		return
	default:
		if g.keep(m, verb) {
			return
		}
	}
	emit, err := backplane.DecodeEmit(m)
	if err != nil {
		g.Errorf("%s: %v", m.Subject, err)
	}
	if emit.Ask && m.Reply != "" {
		g.askAll(m, &emit)
		return
	}
	g.emits <- seenEmit{m.Subject, emit}
}

// askAll asks those of an emit's clients that answering was called for, and says whom. Of the emit's rooms and exceptions
// it knows the first room alone.
func (g *fakeGateway) askAll(m *backplane.Msg, emit *backplane.Emit) {
	nsp, room, whole, _ := g.conn.ParseEmit(m.Subject)
	asked := backplane.Asked{Node: g.node}
	answers := map[string]*backplane.Msg{}
	g.mu.Lock()
	for id, c := range g.clients {
		c.mu.Lock()
		if c.nsp == nsp && (whole || slices.Contains(c.rooms, room)) && !slices.Contains(emit.Except, id) && c.acknowledge != nil {
			asked.Sockets = append(asked.Sockets, id)
			answers[id] = c.acknowledge(emit.Payload)
		}
		c.mu.Unlock()
	}
	g.mu.Unlock()
	for id, answer := range answers {
		g.answer(m.Reply, id, answer)
	}
	g.publish(m.Reply, "", g.encode(asked))
	select {
	case g.polled <- struct{}{}:
	default:
	}
}

// answer is one client's answer to an emit that asks many; nil: none yet.
func (g *fakeGateway) answer(reply, id string, m *backplane.Msg) {
	if m == nil {
		return
	}
	m.Subject = g.conn.Answer(reply, id)
	if err := g.conn.PublishMsg(m); err != nil {
		g.Error(err)
	}
}

// connected lets a socket in that the worker accepts.
func (g *fakeGateway) connected(m *backplane.Msg, id string) {
	c := g.client(id)
	var answer backplane.Connected
	g.decode(m.Data, &answer)
	if answer.Error == nil {
		g.mu.Lock()
		c.rooms, c.data, c.worker = append(c.rooms, answer.Rooms...), answer.Data, answer.Worker
		g.version++
		g.mu.Unlock()
		g.publish(g.conn.Worker(answer.Worker, "open", id), "", nil)
	}
	c.got <- seenEmit{m.Subject, backplane.Emit{Payload: backplane.Payload{JSON: m.Data}}}
}

func (g *fakeGateway) toSocket(m *backplane.Msg, id, verb, arg string) {
	c := g.client(id)
	switch verb {
	case "emit":
		emit, err := backplane.DecodeEmit(m)
		if err != nil {
			g.Errorf("%s: %v", m.Subject, err)
		}
		c.got <- seenEmit{m.Subject, emit}
		c.mu.Lock()
		acknowledge := c.acknowledge
		c.mu.Unlock()
		if m.Reply != "" && acknowledge != nil {
			if reply := acknowledge(emit.Payload); reply != nil {
				reply.Subject = m.Reply
				if err := g.conn.PublishMsg(reply); err != nil {
					g.Error(err)
				}
			}
		}
	case "ack":
		p, err := backplane.DecodePayload(m)
		if err != nil {
			g.Errorf("%s: %v", m.Subject, err)
		}
		c.acks <- p
		c.heard(verb, arg)
	case "done", "missing":
		c.heard(verb, arg)
	case "control":
		g.mu.Lock()
		held := g.held
		g.mu.Unlock()
		if held != nil {
			<-held
		}
		g.control(m, c)
	}
}

func (g *fakeGateway) control(m *backplane.Msg, c *client) {
	var request backplane.Control
	g.decode(m.Data, &request)
	g.mu.Lock()
	defer g.mu.Unlock()
	reply := backplane.ControlReply{Transport: "websocket"}
	if g.clients[c.id] == nil {
		reply.Error = backplane.NoSocket
	}
	switch request.Op {
	case backplane.OpJoin:
		c.rooms = append(c.rooms, request.Rooms...)
		g.version++
	case backplane.OpLeave:
		c.rooms = slices.DeleteFunc(c.rooms, func(r string) bool { return slices.Contains(request.Rooms, r) })
		g.version++
	case backplane.OpData:
		c.data = request.Data
		g.version++
	case backplane.OpSet:
		c.set(request.Data)
		g.version++
	case backplane.OpUser:
		c.rooms = slices.DeleteFunc(c.rooms, func(r string) bool { _, ok := backplane.UserOf(r); return ok })
		if request.User != "" {
			c.rooms = append(c.rooms, backplane.UserRoom(request.User))
		}
		g.version++
	case backplane.OpHandshake:
		reply.Handshake, reply.Auth = json.RawMessage(handshake), json.RawMessage(`{"token":"t"}`)
	case backplane.OpDisconnect:
		delete(g.clients, c.id)
		c.ended <- request.Close
		g.publish(g.conn.Worker(c.worker, "disconnect", c.id), "", []byte("server namespace disconnect"))
	case backplane.OpInfo:
		g.counted.ask(m, c.id, &reply)
	}
	g.tellLocked()
	reply.Data = c.data
	reply.Seen = backplane.Seen{Node: g.node, Epoch: g.epoch, Version: g.version}
	reply.Rooms = append([]string{c.id}, c.rooms...)
	if m.Reply != "" {
		g.publish(m.Reply, "", g.encode(reply))
	}
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func (g *fakeGateway) client(id string) *client {
	g.mu.Lock()
	defer g.mu.Unlock()
	if c := g.clients[id]; c != nil {
		return c
	}
	return &client{g: g, id: id, got: make(chan seenEmit, 10), ended: make(chan bool, 1), acks: make(chan backplane.Payload, 1), said: newSaid()}
}

// newClient makes a client that has not asked to connect.
func (g *fakeGateway) newClient(nsp string) *client {
	c := &client{
		g: g, id: backplane.NewSocketID(g.node, 0), nsp: nsp,
		got: make(chan seenEmit, 100_000), acks: make(chan backplane.Payload, 1000), ended: make(chan bool, 1), said: newSaid(),
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clients[c.id] = c
	return c
}

// connect asks a worker to let the client in.
func (c *client) connect(app *worker.App, auth string, change ...func(*backplane.Connect)) backplane.Connected {
	c.g.Helper()
	request := backplane.Connect{
		Socket: c.id, Namespace: c.nsp, Node: c.g.node, Epoch: c.g.epoch, Auth: json.RawMessage(auth),
		Handshake: json.RawMessage(handshake),
	}
	for _, f := range change {
		f(&request)
	}
	c.g.publish(c.g.conn.Worker(app.ID(), "connect", c.id), c.g.conn.Node(c.g.node, "connected", c.id), c.g.encode(request))
	var answer backplane.Connected
	c.g.decode(receive(c.g, c.got, "an answer to CONNECT").JSON, &answer)
	return answer
}

const handshake = `{"headers":{"User-Agent":["x"]},"query":{"a":["1"]},"address":"10.0.0.1","url":"/socket.io/","time":1700000000000}`

// dial connects a client that is let in.
func (g *fakeGateway) dial(app *worker.App, nsp string) *client {
	g.Helper()
	c := g.newClient(nsp)
	if answer := c.connect(app, ""); answer.Error != nil {
		g.Fatalf("refused: %s", answer.Error.Message)
	}
	return c
}

// send sends an event; attachments follow the JSON.
func (c *client) send(payload string, attachments ...[]byte) { c.event("", payload, attachments) }

// ask sends an event that wants an acknowledgement, and returns that.
func (c *client) ask(payload string, attachments ...[]byte) backplane.Payload {
	c.g.Helper()
	c.event(c.g.conn.SocketAck(c.id, "1"), payload, attachments)
	return receive(c.g, c.acks, "an acknowledgement of "+payload)
}

func (c *client) event(reply, payload string, attachments [][]byte) {
	m := backplane.EncodePayload(c.g.conn.Worker(c.worker, "event", c.id), reply,
		backplane.Payload{JSON: []byte(payload), Attachments: attachments})
	if err := c.g.conn.PublishMsg(m); err != nil {
		c.g.Error(err)
	}
}

// leave is the client's end.
func (c *client) leave(reason string) {
	c.g.mu.Lock()
	delete(c.g.clients, c.id)
	rooms := slices.Clone(c.rooms)
	c.g.mu.Unlock()
	c.g.publishMsg(backplane.EncodeDisconnect(c.g.conn.Worker(c.worker, "disconnect", c.id), reason, rooms))
}

// expect waits for an emit to this socket.
func (c *client) expect(payload string) backplane.Emit {
	c.g.Helper()
	got := receive(c.g, c.got, payload)
	if string(got.JSON) != payload {
		c.g.Fatalf("got %s, want %s", got.JSON, payload)
	}
	return got.Emit
}

// answering sets how the client acknowledges; nil: not at all.
func (c *client) answering(f func(p backplane.Payload) *backplane.Msg) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acknowledge = f
}

func (g *fakeGateway) publish(subject, reply string, data []byte) {
	if err := g.conn.PublishRequest(subject, reply, data); err != nil {
		g.Error(err)
	}
}

func (g *fakeGateway) publishMsg(m *backplane.Msg) {
	if err := g.conn.PublishMsg(m); err != nil {
		g.Error(err)
	}
}

func (g *fakeGateway) encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		g.Error(err)
	}
	return data
}

func (g *fakeGateway) decode(data []byte, v any) {
	if err := json.Unmarshal(data, v); err != nil {
		g.Errorf("%s: %v", data, err)
	}
}

// receive waits for a value.
func receive[T any](tb testing.TB, c <-chan T, what string) (v T) {
	tb.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		tb.Fatalf("timeout waiting for %s", what)
	}
	return v
}

// eventually waits until something holds that nothing announces.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			tb.Fatalf("timeout: %s", what)
		}
	}
}

// start runs a worker whose namespaces setup fills.
func start(tb testing.TB, server *backplane.Server, o worker.Options, setup func(app *worker.App)) *worker.App {
	tb.Helper()
	o.Backplane.Server = server
	if o.Handover == 0 {
		o.Handover = -1
	}
	app, err := worker.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	setup(app)
	if err := app.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := app.Stop(ctx); err != nil {
			tb.Errorf("stop: %v", err)
		}
	})
	return app
}
