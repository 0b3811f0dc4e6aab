package gateway

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gobwas/ws"

	"patchbay/backplane"

	"patchbay/protocol/engineio"
)

func TestFrameReaderHeader(t *testing.T) {
	for _, length := range []int{0, 1, 5, 125, 126, 65535, 65536} {
		frame := ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame(make([]byte, length))))
		var r frameReader
		h, n, err := r.header(frame)
		if err != nil || !h.Masked || h.OpCode != ws.OpText || !h.Fin || int(h.Length) != length || n != len(frame)-length {
			t.Errorf("length %d: header %+v, %d bytes, error %v", length, h, n, err)
		}
		for cut := range n {
			if _, n, err := r.header(frame[:cut]); n != 0 || err != nil {
				t.Errorf("length %d cut at %d: %d bytes, error %v", length, cut, n, err)
			}
		}
	}
}

func TestFrameReaderAllocates(t *testing.T) {
	frame := maskedFrame(true, ws.OpText, strings.Repeat("x", 70_000))
	var r frameReader
	if n := testing.AllocsPerRun(100, func() {
		if _, n, _ := r.header(frame); n == 0 {
			t.Error("no header")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Our frames are what another implementation reads, and their payloads what polling sends.
func TestPackets(t *testing.T) {
	for _, length := range []int{0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 100_000} {
		data := strings.Repeat("é", length/2) + strings.Repeat("x", length%2)
		for _, p := range []*packet{textPacket(data), binaryPacket([]byte(data)), &newWire(length, func(dst []byte) []byte { return append(dst, data...) }).text} {
			r := bytes.NewReader(p.frame)
			h, err := ws.ReadHeader(r)
			rest, _ := io.ReadAll(r)
			if err != nil || !h.Fin || h.Masked || h.Rsv != 0 || int(h.Length) != len(rest) || string(rest) != string(p.payload()) || (h.OpCode == ws.OpBinary) != p.binary {
				t.Fatalf("length %d: %+v, %v", length, h, err)
			}
			if !strings.HasSuffix(string(rest), data) || len(rest)-len(data) > 1 {
				t.Errorf("length %d: another payload", length)
			}
		}
	}
	f := newFixedPackets()
	for want, p := range map[string]*packet{"2": f.ping, "6": f.noop, "1": f.close, "3probe": f.probe} {
		if string(p.payload()) != want {
			t.Errorf("%q, want %q", p.payload(), want)
		}
	}
	if string(f.closeFrame) != "\x88\x00" || string(f.pongFrame) != "\x8a\x00" {
		t.Errorf("%x %x", f.closeFrame, f.pongFrame)
	}
}

// A polling payload of our packets is read as those packets.
func TestAppendPoll(t *testing.T) {
	var body []byte
	want := []engineio.Packet{
		{Type: engineio.Message, Data: []byte("text")},
		{Type: engineio.Message, Binary: true, Data: []byte{}},
		{Type: engineio.Message, Binary: true, Data: []byte("\x00\x1e\xff")},
		{Type: engineio.Ping, Data: []byte{}},
	}
	for _, p := range []*packet{textPacket("4text"), binaryPacket(nil), binaryPacket([]byte("\x00\x1e\xff")), textPacket("2")} {
		body = p.appendPoll(body)
	}
	i := 0
	for p, err := range engineio.Packets(body) {
		if err != nil || p.Type != want[i].Type || p.Binary != want[i].Binary || !bytes.Equal(p.Data, want[i].Data) {
			t.Fatalf("packet %d: %+v %v", i, p, err)
		}
		i++
	}
	if i != len(want) {
		t.Errorf("%d packets", i)
	}
}

// bench is a loop that nobody runs, for conns without a socket.
func bench(t testing.TB) (*rig, *loop) {
	r := newRig(t)
	l, err := newLoop(r.gw, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.poll.close)
	return r, l
}

// dummy is a session on a WebSocket that is never written to, in the namespace "/".
func dummy(l *loop, echo bool) *conn {
	key, _ := l.newSID()
	var flags sessionFlags
	if echo {
		flags = flagEcho
	}
	s := l.newSession(key, []byte("{}"), flags)
	c := &conn{loop: l, fd: -1, state: connOpen, session: s}
	s.conn = c
	k := &socket{id: "AAAAAAAAAAAAAAAA_g1", session: s, nsp: l.enter("/"), worker: "nobody"}
	if err := k.nsp.add(k); err != nil {
		panic(err)
	}
	s.sockets, l.sockets[k.id] = append(s.sockets, k), k
	return c
}

// read gives a conn bytes as readable does.
func (c *conn) read(data []byte) {
	if c.state > connOpen {
		return
	}
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	c.keep(c.consume(data))
}

// end takes a dummy's traces away.
func (l *loop) end(c *conn) {
	if s := c.session; s != nil {
		s.conn = nil
		s.close(reasonTransportClose, closeGone)
	}
	c.stopDeadline()
	clear(l.pending.dirty)
	clear(l.pending.dead)
	l.pending.dirty, l.pending.dead = l.pending.dirty[:0], l.pending.dead[:0]
}

// output is what a conn has queued, and its state.
func (c *conn) output() string { return fmt.Sprintf("%d %q", c.state, bytes.Join(c.out, nil)) }

// A client's bytes are the same messages however they are cut, and never more than an error.
func FuzzFrames(f *testing.F) {
	var stream []byte
	for _, frame := range [][]byte{
		maskedFrame(true, ws.OpText, `42["e",1]`), maskedFrame(true, ws.OpPing, "p"), maskedFrame(false, ws.OpText, `42["`),
		maskedFrame(true, ws.OpPong, ""), maskedFrame(true, ws.OpContinuation, `x"]`), maskedFrame(true, ws.OpText, `451-["b",{"_placeholder":true,"num":0}]`),
		maskedFrame(true, ws.OpBinary, "data"), maskedFrame(true, ws.OpText, "40/n,{}"), maskedFrame(true, ws.OpText, "3"), maskedFrame(true, ws.OpText, "bAQ=="), maskedFrame(true, ws.OpText, "41"),
		maskedFrame(true, ws.OpText, `40/p,{"pid":"abcdefghijklmnopAAAAAAAAAAAAAAAA_g1","offset":"x"}`), maskedFrame(true, ws.OpText, `420["a"]`), maskedFrame(true, ws.OpText, `430[]`),
		maskedFrame(true, ws.OpClose, "\x03\xe8"), maskedFrame(true, ws.OpText, "2"), {0x81, 0xff, 0, 0, 0}, {0x88, 0x80, 1, 2, 3, 4},
	} {
		f.Add(frame, uint64(1), false)
		f.Add(append(stream, frame...), uint64(2), true)
		if frame[0]&0xf != 8 {
			stream = append(stream, frame...)
		}
	}
	f.Add(stream, uint64(3), false)
	_, l := bench(f)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, echo bool) {
		whole, cut := dummy(l, echo), dummy(l, echo)
		whole.read(bytes.Clone(data))
		random := rand.New(rand.NewPCG(seed, 0))
		for rest := bytes.Clone(data); len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(1+len(rest)/3))
			cut.read(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		if whole.output() != cut.output() {
			t.Errorf("whole %s\n  cut %s", whole.output(), cut.output())
		}
		l.end(whole)
		l.end(cut)
		if len(l.sessions) != 0 || len(l.namespaces) != 0 {
			t.Errorf("%d sessions, %d namespaces left", len(l.sessions), len(l.namespaces))
		}
	})
}

// The body of a POST never does more than end its session.
func FuzzPost(f *testing.F) {
	for _, seed := range []string{"", "4", "40", "42[\"e\"]\x1e3", "1", "2", "451-[\"b\",{\"_placeholder\":true,\"num\":0}]\x1ebAQ==", "41\x1e40\x1e41", "\x1e", "b!"} {
		f.Add([]byte(seed))
	}
	_, l := bench(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		c := dummy(l, false)
		s := c.session
		s.conn, c.session = nil, nil
		answers := 0
		s.post(&request{kind: requestPost, body: body, respond: func(response) { answers++ }})
		if s.state == sessionClosing {
			s.forget()
		}
		if answers != 1 {
			t.Errorf("answered %d times", answers)
		}
		s.close(reasonTransportClose, closeGone)
		clear(l.pending.polls)
		l.pending.polls = l.pending.polls[:0]
		if len(l.sessions) != 0 || len(l.namespaces) != 0 {
			t.Errorf("%d sessions, %d namespaces left", len(l.sessions), len(l.namespaces))
		}
	})
}

// A head of any bytes is a WebSocket's or is not.
func FuzzUpgradeTarget(f *testing.F) {
	f.Add([]byte(handshake("EIO=4&transport=websocket")))
	f.Add([]byte("GET http://host/socket.io/ HTTP/1.1\r\nupgrade :WebSocket\r\n\r\n"))
	f.Add([]byte("GET  \r\n:\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		u, ok := upgradeTarget(head)
		if !ok {
			return
		}
		if u == nil || !bytes.HasPrefix(head, []byte("GET ")) || !bytes.Contains(bytes.ToLower(head), []byte("websocket")) {
			t.Errorf("%q: %v", head, u)
		}
		_ = u.Query()
	})
}

func BenchmarkFrameHeader(b *testing.B) {
	frame := maskedFrame(true, ws.OpText, `42["news",{"a":1}]`)
	var r frameReader
	b.ReportAllocs()
	for b.Loop() {
		if _, n, err := r.header(frame); n == 0 || err != nil {
			b.Fatal(err)
		}
	}
}

// sink takes what a worker is sent.
func (r *rig) sink(worker string) {
	inbox, stop, done := backplane.NewInbox(r.app.conn, 0), make(chan struct{}), make(chan struct{})
	if _, err := inbox.Subscribe(r.app.conn.WorkerAll(worker)); err != nil {
		r.Fatal(err)
	}
	r.app.flush()
	go func() {
		defer close(done)
		for {
			select {
			case <-inbox.C:
			case <-stop:
				return
			}
		}
	}()
	r.Cleanup(func() { close(stop); <-done })
}

// BenchmarkEvent is a client's event from its frame to the publish, and the confirmation of it. The NATS server and a client of it
// that takes the events are in the process: allocations that are not the gateway's.
func BenchmarkEvent(b *testing.B) {
	once, end := events(b)
	b.ReportAllocs()
	for b.Loop() {
		once()
	}
	end()
}

// events returns what has a client send one event, and what ends it.
func events(t testing.TB) (once, end func()) {
	r, l := bench(t)
	c := dummy(l, false)
	k := c.session.sockets[0]
	r.sink(k.worker)
	frame := maskedFrame(true, ws.OpText, `42["news",{"a":1,"b":"some text of a common length"}]`)
	data := make([]byte, len(frame))
	once = func() {
		copy(data, frame)
		c.read(data)
		k.confirm(k.number)
	}
	return once, func() {
		if c.state != connOpen {
			t.Error("closed")
		}
		l.end(c)
	}
}

// An event allocates once in the gateway; the other five are NATS's, on its way to the worker's process, which is this one here.
func TestEventAllocates(t *testing.T) {
	once, end := events(t)
	once() // what is made with the first
	if n := testing.AllocsPerRun(500, once); n > 6 {
		t.Errorf("%v allocations an event", n)
	}
	end()
}
