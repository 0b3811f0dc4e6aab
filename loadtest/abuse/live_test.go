package abuse_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"patchbay/backplane"
	"patchbay/gateway"
	"patchbay/loadtest/cluster"
	"patchbay/router"
	"patchbay/worker"
)

// settleEvery is after how many inputs nothing may be left of them.
const settleEvery = 200

// What the bytes of an input are.
const (
	rawBytes      = iota // all that is sent on a connection
	rawFrames            // all that is sent on a WebSocket
	messages             // packed messages on a WebSocket
	joinedPackets        // the same, in a namespace
	bodies               // packed bodies of POSTs
	sessionIDs           // what a session id is changed with
	probes               // packed messages on a WebSocket that is to take a polling session over
	recoveries           // packed private id and offset: what the id is changed with, and what the offset is
	kinds
)

// stage is a live cluster, and an honest client in it.
type stage struct {
	host       string
	registries []*prometheus.Registry
	honest     *person
	said       int
}

// fuzzedApp has handlers that answer whoever asks, and nobody else: what clients say to each other is the honest ones' matter.
func fuzzedApp(metrics prometheus.Registerer) cluster.App {
	return func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
		w, err := worker.New(worker.Options{Backplane: o, Metrics: metrics})
		if err != nil {
			return nil, err
		}
		dynamic, err := w.Pattern(`/dynamic-\d+`)
		if err != nil {
			return nil, err
		}
		for _, io := range []*worker.Handlers{w.Namespace("/").Handlers, w.Namespace("/honest").Handlers, dynamic.Handlers} {
			worker.OnAck(io, "message-with-ack", func(_ context.Context, _ *worker.Socket, args worker.Args) (worker.Args, error) { return args, nil })
			worker.On(io, "message", func(_ context.Context, s *worker.Socket, args worker.Args) error { return s.Emit("message-back", args) })
			worker.OnAck(io, "join", func(ctx context.Context, s *worker.Socket, room string) (worker.Values, error) {
				return worker.Values{}, s.Join(ctx, room)
			})
			worker.OnAck2(io, "set-data", func(ctx context.Context, s *worker.Socket, key string, value worker.Arg) (worker.Values, error) {
				return worker.Values{}, s.Set(ctx, key, value)
			})
		}
		return w, w.Start(ctx)
	}
}

func openStage(f *testing.F) *stage {
	f.Helper()
	s := &stage{registries: []*prometheus.Registry{prometheus.NewRegistry(), prometheus.NewRegistry(), prometheus.NewRegistry()}}
	c, err := cluster.Open(f.Context(), cluster.Shape{
		App:    fuzzedApp(s.registries[2]),
		Router: func(_ int, o *router.Options) { o.Metrics = s.registries[1] },
		Gateway: func(_ int, o *gateway.Options) {
			o.Metrics = s.registries[0]
			o.Engine.PingInterval, o.Engine.PingTimeout, o.Engine.ConnectTimeout = time.Second/2, 5*time.Second, time.Second/2
			o.Engine.Recovery, o.Engine.MaxPayload, o.Engine.AllowEIO3 = gateway.Window(50*time.Millisecond), maxPayload, true
			o.HTTP.Deflate.On = true
			o.Limits.QueueBytes, o.Limits.HeaderTimeout, o.Limits.BodyTimeout = 1<<20, time.Second, time.Second
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	s.host = c.Gateways[0].Addr().String()
	link, err := openSocket(s.host)
	if err != nil {
		f.Fatal(err)
	}
	s.honest = newPerson("honest", link, nil, nil)
	go s.honest.hear()
	f.Cleanup(func() {
		s.settle(f)
		s.honest.gone.Store(true)
		link.close()
		<-s.honest.done
		if err := c.Stop(); err != nil {
			f.Error(err)
		}
	})
	if err := errors.Join(link.send("40/honest,"), s.honest.await("40/honest,")); err != nil {
		f.Fatal(err)
	}
	return s
}

// check has the honest client talk to the application.
func (s *stage) check(t *testing.T) {
	t.Helper()
	s.said++
	err := s.honest.link.send(fmt.Sprintf(`42/honest,%d["message-with-ack",%d]`, s.said, s.said))
	if err = errors.Join(err, s.honest.await(fmt.Sprintf(`43/honest,%d[%d]`, s.said, s.said))); err != nil {
		t.Fatalf("the honest client: %v", err)
	}
	if s.said%settleEvery == 0 {
		s.settle(t)
	}
}

// settle waits until the honest client is all that there is.
func (s *stage) settle(t testing.TB) {
	t.Helper()
	await(t, func() string {
		now := read(t, s.registries)
		for _, name := range []string{"sessions", "patchbay_gateway_connections", "patchbay_gateway_sockets", "patchbay_router_sockets", "patchbay_worker_sockets"} {
			if now[name] != 1 {
				return fmt.Sprintf("%s is %v, want that of the honest client alone", name, now[name])
			}
		}
		if n := now["patchbay_gateway_detached_sockets"]; n != 0 {
			return fmt.Sprintf("%v sockets are detached", n)
		}
		return ""
	})
}

// pack puts pieces into one input; pieces are what it consists of.
func pack(all ...string) []byte {
	var b []byte
	for _, one := range all {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(one))), one...)
	}
	return b
}

func pieces(data []byte) (all []string) {
	for len(data) >= 2 && len(all) < 100 {
		n := min(int(binary.LittleEndian.Uint16(data)), len(data)-2)
		all = append(all, string(data[2:2+n]))
		data = data[2+n:]
	}
	return all
}

// FuzzLive: whatever a client sends to a gateway that runs, an honest one is served, and nothing is left of it.
func FuzzLive(f *testing.F) {
	const open = "GET /socket.io/?EIO=4&transport="
	for _, request := range []string{
		open + "polling HTTP/1.1\r\nHost: h\r\n\r\n", open + "websocket HTTP/1.1\r\n" + upgradeHead + "\r\n", "GET /socket.io/?EIO=3&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n",
		"OPTIONS /socket.io/ HTTP/1.1\r\nHost: h\r\nOrigin: http://x\r\n\r\n", "GET /socket.io/socket.io.js HTTP/1.0\r\n\r\n", "\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		open + "polling HTTP/1.1\r\nHost: h\r\n\r\n" + open + "websocket HTTP/1.1\r\n" + upgradeHead + "\r\n" + frame(textFrame, "40"),
	} {
		f.Add(byte(rawBytes), []byte(request))
	}
	f.Add(byte(rawFrames), []byte(frame(textFrame, "40")+frame(0x01, `42["message-with`)+frame(pingFrame, "p")+frame(0x80, `-ack",1]`)+frame(closeFrame, "\x03\xe8")))
	f.Add(byte(rawFrames), []byte("\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(byte(rawFrames), []byte(frame(0xc1, "\xca\x48\xcd\xc9\xc9\x07\x00")))
	for _, packets := range [][]string{
		{"T40", `T420["message-with-ack",1]`}, {"T2probe"}, {"T5"}, {"T3"}, {"T41"}, {`T42["message",[[[]]]]`}, {`T451-["message",{"_placeholder":true,"num":0}]`, "Bbytes"},
		{"T40/dynamic-7,", `T42/dynamic-7,["join","a.*.>"]`, "T41/dynamic-7,"}, {`T421["set-data","k",{"a":1}]`}, {"TbAQID"}, {`T40{"pid":"x","offset":"y"}`}, {"B\x83\xa4type\x00\xa3nsp\xa1/\xa4data\x80"},
	} {
		f.Add(byte(messages), pack(packets...))
		f.Add(byte(joinedPackets), pack(packets...))
		f.Add(byte(probes), pack(packets...))
		body := make([]string, len(packets))
		for i, p := range packets {
			body[i] = p[1:]
		}
		f.Add(byte(bodies), pack(body...))
		f.Add(byte(bodies), pack(strings.Join(body, "\x1e")))
	}
	f.Add(byte(sessionIDs), []byte("\x00\x00\x01"))
	f.Add(byte(recoveries), pack("", "offset"))
	f.Add(byte(recoveries), pack("\x00\x01", ""))
	s := openStage(f)
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		// From one address ports would run out: the kernel keeps them for a minute.
		a := newAttacker([]string{s.host}, fmt.Sprintf("127.%d.%d.1", 1+s.said/250%250, 1+s.said%250), 0)
		defer a.leave()
		err := a.run(func(a *attacker) { a.send(kind%kinds, data) })
		var dial *net.OpError
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded):
			t.Fatalf("the gateway leaves a client waiting: %v", err)
		case errors.As(err, &dial) && dial.Op == "dial":
			t.Fatal(err)
		}
		a.leave()
		s.check(t)
	})
}

// send sends an input. What the gateway makes of it is its business; that the connection ends is not.
func (a *attacker) send(kind byte, data []byte) {
	if kind == rawBytes || kind == rawFrames {
		w := a.dial()
		if kind == rawFrames {
			w = a.ws()
		}
		w.say(string(data))
		w.finish()
		return
	}
	switch kind {
	case messages:
		a.ws().speak(data)
	case joinedPackets:
		w := a.ws()
		w.text("40")
		w.next(`40{"sid"`)
		w.speak(data)
	case bodies:
		session := a.poll()
		for _, body := range pieces(data) {
			a.do(http.MethodPost, session, strings.NewReader(body))
		}
		a.bye(session)
	case sessionIDs:
		session := a.poll()
		changed := []byte(session)
		for i := range min(len(data), len(session)-len("&sid=")) {
			changed[len("&sid=")+i] = alphabet[(int(data[i])+strings.IndexByte(alphabet, session[len("&sid=")+i]))%len(alphabet)]
		}
		a.do(http.MethodPost, string(changed), strings.NewReader("40"))
		a.bye(session)
	case probes:
		session := a.poll()
		w := a.shake(session, "")
		w.answered(http.StatusSwitchingProtocols)
		w.speak(data)
		a.bye(session)
	case recoveries:
		a.comeBack(append(pieces(data), "", "")[:2])
	}
}

// alphabet is that of session ids and private ids.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// speak sends packed messages, of which the first byte says whether they are text, and ends.
func (w *wire) speak(data []byte) {
	for _, one := range pieces(data) {
		if rest, isText := strings.CutPrefix(one, "T"); isText {
			w.text(rest)
		} else {
			w.say(frame(binaryFrame, strings.TrimPrefix(one, "B")))
		}
	}
	w.finish()
}

// finish says no more, and reads until the end.
func (w *wire) finish() {
	if c, ok := w.Conn.(*net.TCPConn); ok {
		_ = c.CloseWrite() // it may be closed already
	}
	if _, err := io.Copy(io.Discard, w.read); errors.Is(err, os.ErrDeadlineExceeded) {
		must(err, "wait for the end")
	}
}

// bye ends a session, and takes what it still has.
func (a *attacker) bye(session string) {
	a.do(http.MethodPost, session, strings.NewReader("1"))
	a.gone(session)
}

// comeBack joins, loses the connection, and comes back with a private id that is changed, and an offset.
func (a *attacker) comeBack(words []string) {
	w := a.ws()
	w.text("40")
	_, pid, _ := strings.Cut(w.next(`40{"sid"`), `"pid":"`)
	pid, _, _ = strings.Cut(pid, `"`)
	w.finish()
	changed := []byte(pid)
	for i := range min(len(words[0]), len(pid)) {
		if at := strings.IndexByte(alphabet, pid[i]); at >= 0 {
			changed[i] = alphabet[(at+int(words[0][i]))%len(alphabet)]
		}
	}
	again := a.ws()
	again.text(`40{"pid":` + quoted(string(changed)) + `,"offset":` + quoted(words[1]) + `}`)
	again.next("4")
	again.finish()
}
