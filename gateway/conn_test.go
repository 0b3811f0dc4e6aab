package gateway

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

func TestFragments(t *testing.T) {
	r := newRig(t)
	c, _ := r.join("")
	c.Raw(maskedFrame(false, ws.OpText, `42["fr`))
	c.Raw(maskedFrame(false, ws.OpContinuation, ``))
	c.Raw(maskedFrame(true, ws.OpPing, "between"))
	c.pong("between")
	c.Raw(maskedFrame(false, ws.OpContinuation, "agment\xc3")) // é, cut in two
	c.Raw(maskedFrame(true, ws.OpContinuation, "\xa9\"]"))
	r.app.expectEvent(`["fragmenté"]`)
	c.Send(`451-["b",{"_placeholder":true,"num":0}]`)
	c.Raw(maskedFrame(false, ws.OpBinary, "ab"))
	c.Raw(maskedFrame(true, ws.OpContinuation, "c"))
	r.app.expectEvent(`["b",{"_placeholder":true,"num":0}]`, "abc")
	c.Raw(maskedFrame(true, ws.OpPing, ""))
	c.pong("")
	c.Raw(maskedFrame(true, ws.OpPong, "unasked"))
	c.Alive(r.app)
}

// A message that fills max-payload leaves room for control frames between its fragments.
func TestFullFragmentsAndPing(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.MaxPayload = 100 })
	c, _ := r.join("")
	c.Raw(maskedFrame(false, ws.OpText, `42["`+strings.Repeat("x", 94)+`"]`))
	c.Raw(maskedFrame(true, ws.OpPing, "ping"))
	c.pong("ping")
	c.Raw(maskedFrame(true, ws.OpContinuation, ""))
	r.app.expectEvent(`["` + strings.Repeat("x", 94) + `"]`)
	// One byte more is too much, from the announced length alone.
	c.Raw(maskedFrame(false, ws.OpText, strings.Repeat("x", 100)))
	c.Raw(maskedFrame(true, ws.OpContinuation, "x")[:6])
	c.ExpectClose(ws.StatusMessageTooBig)
}

func TestBadFrames(t *testing.T) {
	r := newRig(t)
	other, _ := r.join("")
	huge := []byte{0x81, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff}
	for name, f := range map[string]struct {
		bytes []byte
		code  ws.StatusCode
	}{
		"unmasked":                   {ws.MustCompileFrame(ws.NewTextFrame([]byte(`42["x"]`))), ws.StatusProtocolError},
		"continuation of nothing":    {maskedFrame(true, ws.OpContinuation, "x"), ws.StatusProtocolError},
		"text within a message":      {append(maskedFrame(false, ws.OpText, "4"), maskedFrame(true, ws.OpText, "2")...), ws.StatusProtocolError},
		"reserved op":                {maskedFrame(true, 3, "x"), ws.StatusProtocolError},
		"reserved control op":        {maskedFrame(true, 11, "x"), ws.StatusProtocolError},
		"reserved bit":               {[]byte{0xc1, 0x80, 0, 0, 0, 0}, ws.StatusProtocolError},
		"fragmented ping":            {maskedFrame(false, ws.OpPing, "x"), ws.StatusProtocolError},
		"long ping":                  {maskedFrame(true, ws.OpPing, strings.Repeat("x", 126)), ws.StatusProtocolError},
		"oversize, by its length":    {append(bytes.Clone(huge), 1, 2, 3, 4), ws.StatusMessageTooBig},
		"length with the high bit":   {append([]byte{0x81, 0xff, 0x80}, make([]byte, 11)...), ws.StatusProtocolError},
		"bad UTF-8":                  {maskedFrame(true, ws.OpText, "42[\"\xff\"]"), ws.StatusInvalidFramePayloadData},
		"bad UTF-8 over fragments":   {append(maskedFrame(false, ws.OpText, "42[\"\xc3"), maskedFrame(true, ws.OpContinuation, "x\"]")...), ws.StatusInvalidFramePayloadData},
		"bad UTF-8, cut at the end":  {maskedFrame(true, ws.OpText, "42[\"\xc3"), ws.StatusInvalidFramePayloadData},
		"empty packet":               {maskedFrame(true, ws.OpText, ""), 0},
		"unknown packet":             {maskedFrame(true, ws.OpText, "7"), 0},
		"bad base64":                 {maskedFrame(true, ws.OpText, "b!"), 0},
		"a client's ping":            {maskedFrame(true, ws.OpText, "2"), 0},
		"close with what follows it": {append(maskedFrame(true, ws.OpClose, "\x03\xe8"), maskedFrame(true, ws.OpText, `42["after"]`)...), 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, id := r.join("")
			c.Raw(f.bytes)
			c.ExpectClose(f.code)
			if got := next(t, r.app.leaves); got.socket != id {
				t.Errorf("%+v", got)
			}
		})
	}
	other.Alive(r.app)
	eventually(t, "one session left", func() bool { n := r.counts(); return n.sessions == 1 && n.conns == 1 })
}

// Harmless packets over WebSocket: a close is ignored, so are stray pongs.
func TestIgnoredPackets(t *testing.T) {
	r := newRig(t)
	c, _ := r.join("")
	c.Send("1", "3", "3stray", "6", "5", "0")
	c.Alive(r.app)
}

// Frames cut at any byte are the same messages.
func TestFramesInPieces(t *testing.T) {
	r := newRig(t)
	c, _ := r.join("")
	var stream []byte
	want := 0
	for i := range 40 {
		text := `42["` + strings.Repeat("x", i*7) + `"]`
		if i%3 == 0 {
			stream = append(stream, maskedFrame(false, ws.OpText, text[:3])...)
			stream = append(stream, maskedFrame(true, ws.OpContinuation, text[3:])...)
		} else {
			stream = append(stream, maskedFrame(true, ws.OpText, text)...)
		}
		want++
	}
	random := rand.New(rand.NewPCG(1, 2))
	for len(stream) > 0 {
		n := min(len(stream), 1+random.IntN(40))
		c.Raw(stream[:n])
		stream = stream[n:]
	}
	for i := range want {
		r.app.expectEvent(`["` + strings.Repeat("x", i*7) + `"]`)
	}
	// A large one, which passes the read buffer several times.
	big := `["` + strings.Repeat("y", 900_000) + `"]`
	c.Send("42" + big)
	r.app.expectEvent(big)
	c.Alive(r.app)
}

func TestHeartbeat(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Engine.PingInterval, o.Engine.PingTimeout = 30*time.Millisecond, patience })
	type client interface {
		Send(texts ...string)
		Expect(patterns ...string) []string
	}
	for name, c := range map[string]client{"websocket": r.ws(), "polling": r.poll()} {
		c.Send("40")
		for pings, joined := 0, false; pings < 3 || !joined; { // in any order
			switch text := c.Expect("*")[0]; {
			case text == "2":
				pings++
				c.Send("3")
			case strings.HasPrefix(text, `40{"sid":"`) && !joined:
				joined = true
			default:
				t.Fatalf("%s: %s", name, text)
			}
		}
	}
}

func TestPingTimeout(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Engine.PingInterval, o.Engine.PingTimeout = time.Second, 500*time.Millisecond // joining takes less
	})
	c, id := r.join("")
	c.Send(`42["no pong"]`) // messages do not count
	c.Expect("2")
	c.ExpectClose(0)
	r.app.expectLeave(id, reasonPingTimeout)
	p, id := r.pollJoin()
	p.Expect("2", "1") // as the reference does
	r.app.expectLeave(id, reasonPingTimeout)
	eventually(t, "nothing left", func() bool { return r.counts() == counts{} })
}

// A client that does not read is closed as soon as too much waits for it; nobody else is held up.
func TestSlowConsumer(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.QueueBytes = 200_000 })
	r.app.onConnect(accept("all"))
	slow, slowID := r.join("")
	polling, pollID := r.pollJoin() // and one that never polls
	good, _ := r.join("")
	text := strings.Repeat("z", 10_000)
	gone := map[string]string{}
	for i := 0; len(gone) < 2; i++ {
		if i > 5000 {
			t.Fatal("never closed")
		}
		r.app.emitRoom("/", "all", `["flood","`+text+`"]`)
		good.Expect(`42["flood","` + text + `"]`)
		select {
		case l := <-r.app.leaves:
			gone[l.socket] = l.reason
		default:
		}
	}
	if gone[slowID] != reasonSlowConsumer || gone[pollID] != reasonSlowConsumer {
		t.Errorf("%v", gone)
	}
	if n := value(r.gw.metrics.closed.WithLabelValues(reasonSlowConsumer)); n != 2 {
		t.Errorf("%v counted", n)
	}
	if a := polling.Get(); a.status != 400 {
		t.Errorf("%+v", a)
	}
	good.Alive(r.app)
	eventually(t, "one connection left", func() bool { return r.counts().sessions == 1 })
	slow.expectReset()
}

// expectReset reads all that still comes, and fails unless a TCP reset ends it: what the client has not taken must not stay in the kernel.
func (c *wsClient) expectReset() {
	c.Helper()
	if err := c.net.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c.net); !errors.Is(err, syscall.ECONNRESET) {
		c.Errorf("the end is %v, want a reset", err)
	}
}

// One that does not read, and whose backlog the kernel has taken, does not answer pings either; the kernel then lets go of it.
func TestStuckConsumer(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Engine.PingInterval, o.Engine.PingTimeout = 300*time.Millisecond, 200*time.Millisecond
	})
	slow, id := r.join("")
	text := strings.Repeat("q", 500_000)
	for range 2 {
		r.app.emitSocket(id, "", payload(`["`+text+`"]`))
	}
	r.app.expectLeave(id, reasonPingTimeout)
	slow.expectReset()
}

// One that reads in the end gets everything, in order, though the kernel was full in between.
func TestBacklogIsDelivered(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	const n = 800
	text := strings.Repeat("q", 10_000)
	for range n {
		r.app.emitSocket(id, "", payload(`["`+text+`"]`))
	}
	s, l := r.session(c.sid)
	eventually(t, "the kernel to be full", func() bool {
		blocked := false
		r.onLoop(l, func() { blocked = s.conn.blocked && s.conn.armed })
		return blocked
	})
	for range n {
		c.Expect(`42["` + text + `"]`)
	}
	eventually(t, "the write interest to end", func() bool {
		idle := false
		r.onLoop(l, func() { idle = !s.conn.blocked && !s.conn.armed && s.conn.out == nil && s.conn.queued == 0 })
		return idle
	})
	c.Alive(r.app)
}

// Answers to pings count as well: a client that sends pings and never reads must not fill memory.
func TestPingFlood(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.QueueBytes = 100_000 })
	c, id := r.join("")
	good, _ := r.join("")
	flood := bytes.Repeat(maskedFrame(true, ws.OpPing, strings.Repeat("p", 125)), 500)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for {
			if err := c.net.SetWriteDeadline(time.Now().Add(patience)); err != nil {
				return
			}
			if _, err := c.net.Write(flood); err != nil {
				return
			}
		}
	}()
	r.app.expectLeave(id, reasonSlowConsumer)
	c.net.Close()
	<-closed
	good.Alive(r.app)
}

// A dead peer is noticed when reading or writing fails.
func TestReset(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	if err := c.net.(interface{ SetLinger(int) error }).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.net.Close()
	if l := next(t, r.app.leaves); l.socket != id {
		t.Errorf("%+v", l)
	}
	eventually(t, "nothing left", func() bool { return r.counts() == counts{} && r.gw.listener.open.Load() == 0 })
}
