package gateway

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"patchbay/backplane"
)

// patience is how long a test waits for what must come. It is never how long something takes.
const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a gateway on a backplane of its own, and an application that answers in place of router and worker.
type rig struct {
	testing.TB
	gw   *Gateway
	nats *backplane.Server
	app  *app
}

// newRig starts a rig. change may adjust the options.
func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	r := newRigWithoutApp(t, change...)
	r.app = newApp(t, r.nats)
	r.app.serve(r.app.conn.ConnectAll())
	return r
}

// newRigWithoutApp has nobody to answer a CONNECT.
func newRigWithoutApp(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	nats, err := backplane.StartServer(backplane.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nats.Stop)
	r := &rig{TB: t, nats: nats}
	r.gw = r.open("g1", change...)
	return r
}

// open starts a gateway on the rig's backplane.
func (r *rig) open(id string, change ...func(*Options)) *Gateway {
	r.Helper()
	options := Options{ID: id, Listen: "127.0.0.1:0", LoopOptions: LoopOptions{Loops: 2}, Backplane: backplane.Options{Server: r.nats}}
	options.Engine.Recovery = Off // recovery has tests of its own
	for _, f := range change {
		f(&options)
	}
	gw, err := Open(r.Context(), options)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := gw.Stop(ctx); err != nil {
			r.Errorf("stop: %v", err)
		}
	})
	return gw
}

// onLoop runs a function on the loop of a session or socket, which is nobody else's to look at.
func (r *rig) onLoop(l *loop, f func()) {
	r.Helper()
	done := make(chan struct{})
	if !l.post(call(func(*loop) { f(); close(done) })) {
		r.Fatal("the loop has ended")
	}
	<-done
}

// call is a function as a task.
type call func(l *loop)

func (c call) run(l *loop) { c(l) }

// counts sums what the loops own: nothing may be left when all clients are gone.
type counts struct{ sessions, sockets, namespaces, conns, timers int }

func (r *rig) counts() counts {
	var sum counts
	for _, l := range r.gw.loops {
		r.onLoop(l, func() {
			sum.sessions += len(l.sessions)
			sum.sockets += len(l.sockets)
			sum.namespaces += len(l.namespaces)
			for _, c := range l.conns {
				if c != nil {
					sum.conns++
				}
			}
			for _, t := range l.wheel.slots {
				for ; t != nil; t = t.next {
					sum.timers++
				}
			}
		})
	}
	return sum
}

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never: %s", what)
		}
	}
}

// value reads a counter or gauge.
func value(m prometheus.Metric) float64 {
	var out dto.Metric
	if err := m.Write(&out); err != nil {
		panic(err)
	}
	if out.Counter != nil {
		return out.Counter.GetValue()
	}
	return out.Gauge.GetValue()
}

// app stands for router and worker: it decides CONNECTs, and records what comes.
type app struct {
	testing.TB
	conn  *backplane.Conn
	inbox *backplane.Inbox
	// decide answers a CONNECT; nil gives no answer. It is called on the app's goroutine.
	decide   chan func(backplane.Connect) *backplane.Connected
	connects chan backplane.Connect
	events   chan appEvent
	leaves   chan leave
	rehomed  chan string         // sockets that have other homes
	opens    chan string         // sockets that gateways say are open; those beyond its room are dropped
	replies  chan *backplane.Msg // on the app's inbox subject

	answersMoved atomic.Bool // as workers do
	alive        atomic.Pointer[func(answer *backplane.Msg)]
	reply        string
}

// appEvent is a client's event as a worker gets it.
type appEvent struct {
	socket      string
	reply       string
	receipt     backplane.Receipt // what the reply subject says
	redelivered bool
	trace       string // the span that it names
	payload     backplane.Payload
}

// leave is a disconnect as a worker is told of it.
type leave struct {
	socket, reason string
	rooms          []string // nil if it does not say
}

func newApp(t testing.TB, nats *backplane.Server) *app {
	t.Helper()
	conn, err := backplane.Open(t.Context(), backplane.Options{Server: nats, Name: "app"})
	if err != nil {
		t.Fatal(err)
	}
	const room = 1 << 14
	a := &app{
		TB: t, conn: conn, inbox: backplane.NewInbox(conn, 0),
		decide:   make(chan func(backplane.Connect) *backplane.Connected, 1),
		connects: make(chan backplane.Connect, room), events: make(chan appEvent, room),
		leaves: make(chan leave, room), opens: make(chan string, room), replies: make(chan *backplane.Msg, room), rehomed: make(chan string, room), reply: "test.reply",
	}
	a.decide <- func(c backplane.Connect) *backplane.Connected { return &backplane.Connected{Worker: "w1"} }
	a.serve(conn.WorkerAll("w1"))
	a.serve(a.reply + ".>")
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case m := <-a.inbox.C:
				a.handle(m)
			case <-stop:
				return
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		conn.Close()
	})
	return a
}

// serve adds a subject, in force when it returns.
func (a *app) serve(subject string) {
	a.Helper()
	if _, err := a.inbox.Subscribe(subject); err != nil {
		a.Fatal(err)
	}
	a.flush()
}

func (a *app) flush() {
	a.Helper()
	if err := a.conn.Flush(a.Context()); err != nil {
		a.Fatal(err)
	}
}

// onConnect sets how CONNECTs are answered.
func (a *app) onConnect(f func(backplane.Connect) *backplane.Connected) {
	<-a.decide
	a.decide <- f
}

// accept is an answer with rooms.
func accept(rooms ...string) func(backplane.Connect) *backplane.Connected {
	return func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Worker: "w1", Rooms: rooms}
	}
}

// silent never answers.
func silent(backplane.Connect) *backplane.Connected { return nil }

func (a *app) handle(m *backplane.Msg) {
	if _, ok := a.conn.ParseConnect(m.Subject); ok || m.Subject == a.conn.Connect("/"+longName) {
		a.connect(m)
		return
	}
	verb, socket, ok := a.conn.ParseOwned(m.Subject)
	switch {
	case ok && verb == "event":
		payload, err := backplane.DecodePayload(m)
		if err != nil {
			a.Errorf("event: %v", err)
		}
		receipt, ok := a.conn.ReceiptOf(m.Reply)
		if !ok {
			a.Errorf("event: reply %q", m.Reply)
		}
		put(a, a.events, appEvent{socket, m.Reply, receipt, backplane.Redelivered(m), m.Header.Get(backplane.HeaderTrace), payload})
	case ok && verb == verbAlive: // as a worker that does not count, unless the test says otherwise
		answer := &backplane.Msg{Subject: m.Reply}
		if f := a.alive.Load(); f != nil {
			(*f)(answer)
		}
		a.publish(answer)
	case ok && verb == "rehomed":
		put(a, a.rehomed, socket)
	case ok && verb == "open":
		select {
		case a.opens <- socket:
		default:
		}
	case ok && verb == "disconnect":
		put(a, a.leaves, leave{socket, string(m.Data), backplane.LeftRooms(m)})
	case ok && verb == "left":
	case ok && verb == "moved":
		if a.answersMoved.Load() {
			a.publish(&backplane.Msg{Subject: m.Reply})
		}
	default:
		put(a, a.replies, m)
	}
}

func (a *app) connect(m *backplane.Msg) {
	var request backplane.Connect
	if err := json.Unmarshal(m.Data, &request); err != nil {
		a.Errorf("connect: %v", err)
		return
	}
	decide := <-a.decide
	a.decide <- decide
	if answer := decide(request); answer != nil {
		a.answer(m.Reply, answer)
	}
	put(a, a.connects, request)
}

func (a *app) answer(reply string, answer *backplane.Connected) {
	data, err := json.Marshal(answer)
	if err == nil {
		err = a.conn.Publish(reply, data)
	}
	if err != nil {
		a.Errorf("answer: %v", err)
	}
}

// put records something. A test that lets more come than there is room for would hang at its end.
func put[T any](a *app, ch chan<- T, v T) {
	select {
	case ch <- v:
	default:
		a.Errorf("too many of %T came", v)
	}
}

// next waits for one of what a channel of the app's brings.
func next[T any](t testing.TB, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(patience):
		var none T
		t.Fatalf("no %T came", none)
		return none
	}
}

// expectLeave waits for a worker's word that a socket is gone.
func (a *app) expectLeave(socket, reason string) {
	a.Helper()
	if got := next(a, a.leaves); got.reason != reason || socket != "" && got.socket != socket {
		a.Fatalf("left: %+v, want %s for %q", got, socket, reason)
	}
}

// expectEvent waits for an event.
func (a *app) expectEvent(json string, attachments ...string) appEvent {
	a.Helper()
	e := next(a, a.events)
	if string(e.payload.JSON) != json || len(e.payload.Attachments) != len(attachments) {
		a.Fatalf("event %s with %d attachments, want %s with %d", e.payload.JSON, len(e.payload.Attachments), json, len(attachments))
	}
	for i, want := range attachments {
		if string(e.payload.Attachments[i]) != want {
			a.Fatalf("attachment %d is %q, want %q", i, e.payload.Attachments[i], want)
		}
	}
	return e
}

// payload makes a payload.
func payload(json string, attachments ...string) backplane.Payload {
	p := backplane.Payload{JSON: []byte(json)}
	for _, a := range attachments {
		p.Attachments = append(p.Attachments, []byte(a))
	}
	return p
}

// publish sends a message.
func (a *app) publish(m *backplane.Msg) {
	a.Helper()
	if err := a.conn.PublishMsg(m); err != nil {
		a.Fatal(err)
	}
}

// emitRoom emits to a room.
func (a *app) emitRoom(nsp, room, json string) {
	a.Helper()
	e := &backplane.Emit{Payload: payload(json)}
	subject := a.conn.Address(e, nsp, room)
	a.publish(e.Encode(subject, ""))
}

// emitRooms emits to several rooms, as workers do: a copy on each room's subject.
func (a *app) emitRooms(nsp string, rooms, except []string, json string) {
	a.Helper()
	for _, room := range rooms {
		e := &backplane.Emit{Payload: payload(json), ID: "emit" + json, Rooms: rooms, Except: except}
		subject := a.conn.Address(e, nsp, room)
		a.publish(e.Encode(subject, ""))
	}
}

// emitAll emits to a namespace.
func (a *app) emitAll(nsp, json string, except ...string) {
	a.Helper()
	e := &backplane.Emit{Payload: payload(json), Except: except}
	a.publish(e.Encode(a.conn.Namespace(nsp), ""))
}

// emitSocket emits to a socket; with a reply subject it asks for an acknowledgement.
func (a *app) emitSocket(id, reply string, p backplane.Payload) {
	a.Helper()
	e := &backplane.Emit{Payload: p}
	a.publish(e.Encode(a.conn.SocketEmit(id), reply))
}

// control asks a gateway about a socket.
func (a *app) control(id string, c backplane.Control) backplane.ControlReply {
	a.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		a.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	m, err := a.conn.Request(ctx, &backplane.Msg{Subject: a.conn.SocketControl(id), Data: data})
	if err != nil {
		a.Fatalf("control %s: %v", c.Op, err)
	}
	var reply backplane.ControlReply
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		a.Fatal(err)
	}
	return reply
}

// join puts a socket into rooms.
func (a *app) join(id string, rooms ...string) {
	a.Helper()
	if reply := a.control(id, backplane.Control{Op: backplane.OpJoin, Rooms: rooms}); reply.Error != "" {
		a.Fatal(reply.Error)
	}
}
