package worker_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
	"patchbay/worker"
)

type args = worker.Args

// failure is what an error handler was told.
type failure struct {
	event string
	err   error
}

// TestHandlers: typed arguments, as they should be and not.
func TestHandlers(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	failures := make(chan failure, 10)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnError(func(_ ctxt, _ socket, event string, err error) { failures <- failure{event, err} })
		worker.On0(io, "none", func(_ ctxt, s socket) error { return s.Emit("none") })
		worker.On(io, "one", func(_ ctxt, s socket, a string) error { return s.Emit("one", a) })
		worker.On2(io, "two", func(_ ctxt, s socket, a int, b *string) error { return s.Emit("two", a, b) })
		worker.On3(io, "three", func(_ ctxt, s socket, a bool, b any, c worker.Arg) error { return s.Emit("three", a, b, c) })
		worker.On2(io, "rest", func(_ ctxt, s socket, a worker.Arg, rest args) error { return s.Emit("rest", rest, a) })
		worker.On(io, "bytes", func(_ ctxt, s socket, b []byte) error { return s.Emit("bytes", string(b), b) })
		worker.OnAck0(io, "ack0", func(ctxt, socket) (string, error) { return "x", nil })
		worker.OnAck(io, "ack1", func(_ ctxt, _ socket, n int) (worker.Values, error) { return worker.Values{n, []byte{1}}, nil })
		worker.OnAck2(io, "ack2", func(_ ctxt, _ socket, a int, rest args) (args, error) { return rest, nil })
		worker.OnAck3(io, "ack3", func(_ ctxt, _ socket, a, b, c int) (int, error) { return a + b + c, nil })
		worker.OnAck0(io, "fail", func(ctxt, socket) (int, error) { return 0, errors.New("failed") })
		worker.On0(io, "panic", func(ctxt, socket) error { panic(fmt.Errorf("oh: %w", errOops)) })
		worker.On0(io, "reserved", func(_ ctxt, s socket) error { return s.Emit("disconnect") })
		worker.On0(io, "unencodable", func(_ ctxt, s socket) error { return s.Emit("x", 1, func() {}) })
	})
	c := g.dial(app, "/")
	for _, one := range []struct{ payload, want string }{
		{`["none",1,2]`, `["none"]`},
		{`["one","é<&>\u2028"]`, "[\"one\",\"é<&>\u2028\"]"},
		{`["one",null]`, `["one",""]`},
		{` [ "two" , 1 , "b" ] `, `["two",1,"b"]`},
		{`["two",1]`, `["two",1,null]`},
		{`["three",true,{"b":[1,2],"a":1.5},{"b": 1.50,"a":[ ]}]`, `["three",true,{"a":1.5,"b":[1,2]},{"b": 1.50,"a":[ ]}]`},
		{`["three",false]`, `["three",false,null,null]`},
		{`["rest",1,2,"three"]`, `["rest",2,"three",1]`},
		{`["rest"]`, `["rest",null]`},
		{`["\u006eone"]`, `["none"]`},
	} {
		c.send(one.payload)
		c.expect(one.want)
	}
	c.send(`["bytes",{"_placeholder":true,"num":0}]`, []byte("abc"))
	if e := c.expect(`["bytes","abc",{"_placeholder":true,"num":0}]`); len(e.Attachments) != 1 || string(e.Attachments[0]) != "abc" {
		t.Errorf("%q", e.Attachments)
	}
	c.send(`["bytes","YWJj"]`)
	c.expect(`["bytes","abc",{"_placeholder":true,"num":0}]`)
	for _, one := range []struct{ payload, want string }{
		{`["ack0"]`, `["x"]`}, {`["ack1",7]`, `[7,{"_placeholder":true,"num":0}]`},
		{`["ack2",1]`, `[]`}, {`["ack2",1,2,[3]]`, `[2,[3]]`}, {`["ack3",1,2,3]`, `[6]`},
	} {
		if got := c.ask(one.payload); string(got.JSON) != one.want {
			t.Errorf("%s: %s", one.payload, got.JSON)
		}
	}
	for _, ignored := range []string{`["unknown"]`, `[1,2]`, `[]`} {
		c.send(ignored)
	}
	for _, one := range []struct {
		payload, event string
		want           error
	}{
		{`["one",5]`, "one", nil}, {`["one"]`, "one", worker.ErrMissing}, {`["two","x"]`, "two", nil}, {`["one",{"a":]`, "", worker.ErrPayload},
		{`{"a":1}`, "", worker.ErrPayload}, {`["one",tru]`, "one", nil}, {`["fail"]`, "fail", nil}, {`["panic"]`, "panic", errOops},
		{`["reserved"]`, "reserved", socketio.ErrReservedEvent}, {`["unencodable"]`, "unencodable", nil},
		{`["bytes",{"_placeholder":true,"num":0}]`, "bytes", nil}, {`["bytes",{"a":1}]`, "bytes", nil},
	} {
		c.send(one.payload)
		got := receive(t, failures, one.payload)
		if got.event != one.event || got.err == nil || one.want != nil && !errors.Is(got.err, one.want) {
			t.Errorf("%s: %q, %v", one.payload, got.event, got.err)
		}
	}
	c.send(`["none"]`)
	c.expect(`["none"]`)
	// Attachments whose lengths contradict the data.
	m := backplane.EncodePayload(g.conn.Worker(app.ID(), "event", c.id), "", backplane.Payload{JSON: []byte(`["one"]`)})
	m.Header = map[string][]string{backplane.HeaderAttachments: {"99"}}
	if err := g.conn.PublishMsg(m); err != nil {
		t.Fatal(err)
	}
	if got := receive(t, failures, "a malformed envelope"); !errors.Is(got.err, worker.ErrPayload) || !errors.Is(got.err, backplane.ErrEnvelope) {
		t.Error(got.err)
	}
}

var errOops = errors.New("oops")

// TestRawEvent: events as they came, handlers in order, closures on a socket, acknowledgement once and later.
func TestRawEvent(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	var kept *worker.Event
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.OnAny(func(_ ctxt, s socket, e *worker.Event) error { return s.Emit("any", e.Name, len(e.Args), e.WantsAck()) })
		io.OnConnect(func(_ ctxt, s socket) error {
			n := 0
			worker.On0(s, "count", func(_ ctxt, s socket) error { n++; return s.Emit("own", n) })
			s.OnDisconnect(func(_ ctxt, s socket, reason string) { _ = s.To("x").Emit("gone", reason) })
			return nil
		})
		io.OnEvent("count", func(_ ctxt, s socket, e *worker.Event) error { return s.Emit("shared", e.Args) })
		io.OnEvent("later", func(_ ctxt, _ socket, e *worker.Event) error { kept = e; return e.Ack(func() {}) })
		io.OnEvent("now", func(_ ctxt, _ socket, e *worker.Event) error {
			return errors.Join(kept.Ack("late", e.Args), e.Ack(), mustBe(e.Ack(1), worker.ErrAcked))
		})
		io.OnError(func(_ ctxt, s socket, event string, err error) { _ = s.Emit("error", event) })
	})
	c := g.dial(app, "/")
	for i := range 2 {
		c.send(`["count","a"]`)
		c.expect(`["any","count",1,false]`)
		c.expect(`["shared","a"]`)
		c.expect(`["own",` + number(i+1) + `]`)
	}
	c.event(g.conn.SocketAck(c.id, "5"), `["later"]`, nil)
	c.expect(`["any","later",0,true]`)
	c.expect(`["error","later"]`)
	if got := c.ask(`["now",5]`); string(got.JSON) != `["late",5]` {
		t.Errorf("%s", got.JSON)
	}
	if got := receive(t, c.acks, "the second"); string(got.JSON) != `[]` {
		t.Errorf("%s", got.JSON)
	}
	c.leave("client namespace disconnect")
	if got := receive(t, g.emits, "what the socket's own handler sends"); string(got.JSON) != `["gone","client namespace disconnect"]` {
		t.Errorf("%s", got.JSON)
	}
}

func mustBe(err, want error) error {
	if errors.Is(err, want) {
		return nil
	}
	return fmt.Errorf("got %v, want %w", err, want)
}

// TestOrder: a socket's events run one after another, behind its connection handler; sockets do
// not wait for each other, whatever middleware and handlers do.
func TestOrder(t *testing.T) {
	const events = 2000
	server := startServer(t)
	g := newGateway(t, server, "g1")
	blocked, release := make(chan struct{}), make(chan struct{})
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		io.Use(func(_ ctxt, s socket) error {
			if s.Handshake().Auth(new(bool)) == nil {
				return nil
			}
			close(blocked)
			<-release
			return nil
		})
		io.OnConnect(func(ctx ctxt, s socket) error { return errors.Join(s.Join(ctx, "r"), s.Emit("ready")) })
		worker.On(io, "n", func(_ ctxt, s socket, n int) error { return s.Emit("n", n) })
	})
	slow := g.newClient("/")
	answered := make(chan backplane.Connected, 1)
	go func() { answered <- slow.connect(app, `{}`) }()
	<-blocked
	clients := []*client{g.dial(app, "/"), g.dial(app, "/")}
	for i := range events {
		for _, c := range clients {
			c.send(`["n",` + number(i) + `]`)
		}
	}
	for _, c := range clients {
		c.expect(`["ready"]`)
		for i := range events {
			c.expect(`["n",` + number(i) + `]`)
		}
	}
	close(release)
	if answer := receive(t, answered, "the slow answer"); answer.Error != nil {
		t.Error(answer.Error)
	}
}

// TestQueueFull: a client that sends more than may wait is disconnected; what was taken is handled.
func TestQueueFull(t *testing.T) {
	for name, o := range map[string]worker.Options{"events": {QueueLimit: 3}, "bytes": {QueueBytes: 900}} {
		t.Run(name, func(t *testing.T) {
			server := startServer(t)
			g := newGateway(t, server, "g1")
			failures, release := make(chan failure, 10), make(chan struct{})
			app := start(t, server, o, func(app *worker.App) {
				io := app.Namespace("/")
				io.OnError(func(_ ctxt, _ socket, event string, err error) { failures <- failure{event, err} })
				worker.On(io, "n", func(_ ctxt, s socket, n int) error {
					<-release
					_ = s.Namespace().Emit("n", n)
					return nil
				})
				io.OnDisconnect(func(_ ctxt, s socket, reason string) { _ = s.Namespace().Emit("gone", reason) })
			})
			c := g.dial(app, "/")
			for i := range 20 {
				c.send(`["n",` + number(i) + `]`)
			}
			if !receive(t, c.ended, "a disconnection") {
				t.Error("the connection goes on")
			}
			close(release)
			for i := 0; ; i++ {
				got := string(receive(t, g.emits, "an emit").JSON)
				if strings.HasPrefix(got, `["gone"`) {
					if i < 2 || i > 4 || got != `["gone","server namespace disconnect"]` {
						t.Errorf("after %d: %s", i, got)
					}
					break
				}
				if got != `["n",`+number(i)+`]` {
					t.Errorf("%d: %s", i, got)
				}
			}
			if got := receive(t, failures, "the error"); !errors.Is(got.err, worker.ErrQueueFull) {
				t.Error(got.err)
			}
		})
	}
}

// TestEmitAck: a client's acknowledgement, and the ways in which none comes.
func TestEmitAck(t *testing.T) {
	server := startServer(t)
	g := newGateway(t, server, "g1")
	results := make(chan error, 1)
	app := start(t, server, worker.Options{}, func(app *worker.App) {
		io := app.Namespace("/")
		worker.On(io, "ask", func(ctx ctxt, s socket, short bool) error {
			if short {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 1)
				defer cancel()
			}
			n, err := worker.Ask[int](ctx, s, "question", "x")
			if err == nil && n != 42 {
				err = fmt.Errorf("got %d", n)
			}
			results <- err
			return nil
		})
	})
	c := g.dial(app, "/")
	say := func(payload, reason string) func(backplane.Payload) *backplane.Msg {
		return func(backplane.Payload) *backplane.Msg {
			m := &backplane.Msg{Data: []byte(payload)}
			if reason != "" {
				m.Header = map[string][]string{backplane.HeaderError: {reason}}
			}
			return m
		}
	}
	cases := []struct {
		name, event string
		answer      func(backplane.Payload) *backplane.Msg
		want        error
	}{
		{"answered", `["ask",false]`, say(`[42]`, ""), nil},
		{"timeout", `["ask",true]`, nil, worker.ErrAckTimeout},
		{"deadline", `["ask",true]`, nil, context.DeadlineExceeded},
		{"no socket", `["ask",false]`, say("", backplane.NoSocket), worker.ErrDisconnected},
		{"refused", `["ask",false]`, say("", "too many"), worker.ErrAckRefused},
		{"malformed", `["ask",false]`, say("{", ""), worker.ErrPayload},
		{"no argument", `["ask",false]`, say("[]", ""), worker.ErrMissing},
	}
	for _, one := range cases {
		c.answering(one.answer)
		c.send(one.event)
		c.expect(`["question","x"]`)
		if err := receive(t, results, one.name); !errors.Is(err, one.want) {
			t.Errorf("%s: %v", one.name, err)
		}
	}
	// The client leaves while it is asked.
	c.answering(nil)
	c.send(`["ask",false]`)
	c.expect(`["question","x"]`)
	c.leave("transport close")
	if err := receive(t, results, "disconnection"); !errors.Is(err, worker.ErrDisconnected) {
		t.Errorf("disconnected: %v", err)
	}
}
