package gateway

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// connState is where a conn is in its life.
type connState uint8

const (
	connSniff   connState = iota // its first request is being read
	connOpen                     // a WebSocket
	connParting                  // the close frame is sent; what comes until the peer's is still handled
	connLinger                   // the close frame is sent; what still comes is thrown away
	connDead                     // closed at the end of this turn
)

// lingerTime is how long a closed WebSocket waits for the peer to close too. Closing at once, with
// unread input, would make the kernel reset the connection and lose our last frames.
const lingerTime = 2 * time.Second

// conn is one accepted connection, from its first byte until it is handed to net/http or
// closed. Owned by its loop. An open, idle one holds no buffer and no timer.
type conn struct {
	loop     *loop
	session  *session // that it carries, or wants to take over
	deadline *timer   // while sniffing, lingering or resting
	in       []byte   // what was read of a frame or request that is not whole
	parts    []byte   // of a fragmented message
	out      [][]byte // frames to write, shared with others
	sent     int      // bytes of out[0] already written
	queued   int      // bytes to write in all
	fd       int32
	state    connState
	partsOp  ws.OpCode // of the message in parts
	connFlags
}

// connFlags are a conn's small facts.
type connFlags struct {
	dirty    bool // in the loop's list of conns to write
	blocked  bool // the kernel takes no more for now
	armed    bool // the poller tells when it does again
	resting  bool // its session is over its rates
	deflates bool // messages may be compressed
	squeezed bool // the message in parts is
	released bool // the descriptor is not ours any more
}

// readable reads once and consumes what came. What is left in the kernel is
// reported again next turn, so that no conn starves the others.
func (c *conn) readable() {
	n, err := readNow(int(c.fd), c.loop.buf)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
		return
	case err != nil:
		c.gone(reasonTransportError)
		return
	case n == 0:
		c.gone(reasonTransportClose)
		return
	case c.state == connLinger:
		return
	}
	data := c.loop.buf[:n]
	if len(c.in) > 0 {
		c.in = append(c.in, data...)
		data = c.in
	}
	c.keep(c.consume(data))
	if c.queued > c.loop.gw.live().QueueBytes {
		// Answers to pings and probes are not counted by the session: a client that sends them and
		// never reads would fill memory.
		c.reset()
		c.lost(reasonSlowConsumer)
	}
}

// consume takes whole frames, or a whole request, from data and returns the rest.
func (c *conn) consume(data []byte) []byte {
	for len(data) > 0 {
		n := 0
		switch c.state {
		case connSniff:
			n = c.sniff(data)
		case connOpen, connParting:
			n = c.readFrame(data)
		case connLinger, connDead:
			return nil
		}
		if n == 0 {
			return data
		}
		data = data[n:]
	}
	return nil
}

// keep stores the beginning of a frame or request until the rest comes.
func (c *conn) keep(rest []byte) {
	if len(rest) == 0 || c.state > connParting {
		c.in = nil
		return
	}
	if len(c.in) > 0 && len(rest) == len(c.in) && &rest[0] == &c.in[0] {
		return // nothing was taken: moving it would make a frame sent byte by byte cost its square
	}
	c.in = append(c.in[:0], rest...)
}

// readFrame handles one frame and returns its length, 0 if it is not whole yet.
func (c *conn) readFrame(data []byte) int {
	h, n, err := c.loop.frames.header(data)
	if err != nil {
		c.loop.gw.metrics.badPackets.WithLabelValues("frame").Inc()
		c.fail(ws.StatusProtocolError)
		return 0
	}
	if n == 0 {
		return 0
	}
	state := ws.StateServerSide
	if c.partsOp != 0 {
		state = state.Set(ws.StateFragmented)
	}
	if c.deflates && h.Rsv == ws.Rsv(true, false, false) && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		state = state.Set(ws.StateExtended)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		c.loop.gw.metrics.badPackets.WithLabelValues("frame").Inc()
		c.fail(ws.StatusProtocolError)
		return 0
	}
	if !h.OpCode.IsControl() && h.Length > int64(c.loop.gw.options.Engine.MaxPayload-len(c.parts)) {
		c.loop.gw.metrics.badPackets.WithLabelValues("payload").Inc()
		c.fail(ws.StatusMessageTooBig)
		return 0
	}
	end := n + int(h.Length)
	if len(data) < end {
		return 0
	}
	payload := data[n:end:end]
	c.loop.read++
	ws.Cipher(payload, h.Mask, 0)
	if h.OpCode.IsControl() {
		c.control(h.OpCode, payload)
	} else {
		c.data(h, payload)
	}
	return end
}

// control answers a WebSocket ping or close (RFC 6455, section 5.5).
func (c *conn) control(op ws.OpCode, payload []byte) {
	switch op {
	case ws.OpPing:
		if len(payload) == 0 {
			c.send(c.loop.gw.fixed.pongFrame)
			return
		}
		c.send(finishFrame(append(newFrame(len(payload)), payload...), ws.OpPong).frame)
	case ws.OpClose:
		c.send(c.loop.gw.fixed.closeFrame) // unless it is the answer to ours
		c.linger()
		c.lost(reasonTransportClose)
	}
}

// data takes a text or binary frame, whole or a fragment (RFC 6455, section 5.4).
func (c *conn) data(h ws.Header, payload []byte) {
	op := h.OpCode
	if c.partsOp != 0 || !h.Fin {
		if op != ws.OpContinuation {
			c.partsOp, c.squeezed = op, h.Rsv != 0
		}
		c.parts = append(c.parts, payload...)
		if !h.Fin {
			return
		}
		op, payload = c.partsOp, c.parts
		c.partsOp, c.parts = 0, nil
	} else {
		c.squeezed = h.Rsv != 0
	}
	if c.squeezed {
		var err error
		switch payload, err = c.loop.frames.inflate(payload, c.loop.gw.options.Engine.MaxPayload); {
		case errors.Is(err, errInflated):
			c.loop.gw.metrics.badPackets.WithLabelValues("payload").Inc()
			c.fail(ws.StatusMessageTooBig)
			return
		case err != nil:
			c.loop.gw.metrics.badPackets.WithLabelValues("frame").Inc()
			c.fail(ws.StatusInvalidFramePayloadData)
			return
		}
	}
	if op == ws.OpText && !utf8.Valid(payload) {
		c.loop.gw.metrics.badPackets.WithLabelValues("utf8").Inc()
		c.fail(ws.StatusInvalidFramePayloadData)
		return
	}
	c.session.webSocketMessage(c, payload, op == ws.OpBinary)
}

// send queues a frame for the end of the turn. The frame must not change any more.
func (c *conn) send(frame []byte) {
	c.loop.assertOwner()
	if c.state != connOpen {
		return
	}
	if c.out == nil {
		if n := len(c.loop.pending.spare); n > 0 {
			c.out, c.loop.pending.spare = c.loop.pending.spare[n-1], c.loop.pending.spare[:n-1]
		}
	}
	c.out = append(c.out, frame)
	c.queued += len(frame)
	c.loop.setDirty(c)
}

// flush writes the queue as far as the kernel takes it.
func (c *conn) flush() {
	for c.queued > 0 && !c.blocked && c.state != connDead {
		n, err := writeNow(int(c.fd), c.gather())
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			c.blocked, c.armed = true, true
			c.watch()
			return
		case err != nil:
			c.gone(reasonTransportError)
			return
		}
		c.written(n)
	}
	if c.queued == 0 && c.state != connDead {
		c.drained()
	}
}

// gather returns the next bytes to write: the first frame as it is, or as many frames as
// fit into the loop's buffer, copied together. For the small frames that
// make a backlog, copying is cheaper than a vector of pointers.
func (c *conn) gather() []byte {
	first := c.out[0][c.sent:]
	if len(c.out) == 1 || len(first) >= bufferSize {
		return first
	}
	buf := append(c.loop.buf[:0], first...)
	for _, frame := range c.out[1:] {
		if len(buf)+len(frame) > bufferSize {
			break
		}
		buf = append(buf, frame...)
	}
	return buf
}

// written drops n bytes from the head of the queue.
func (c *conn) written(n int) {
	c.queued -= n
	n += c.sent
	i := 0
	for i < len(c.out) && n >= len(c.out[i]) {
		n -= len(c.out[i])
		i++
	}
	c.sent = n
	clear(c.out[:i])
	if i == len(c.out) {
		c.out = c.out[:0]
		return
	}
	c.out = c.out[i:] // not moved: a long backlog leaves in many writes
}

// maxSpare bounds the empty queues that a loop keeps, and spareFrames their size.
const (
	maxSpare    = 4096
	spareFrames = 64
)

// drained is called when everything is written.
func (c *conn) drained() {
	if c.out != nil {
		if cap(c.out) <= spareFrames && len(c.loop.pending.spare) < maxSpare {
			c.loop.pending.spare = append(c.loop.pending.spare, c.out[:0])
		}
		c.out = nil
	}
	if c.armed {
		c.armed = false
		if c.watch(); c.state == connDead {
			return
		}
	}
	if c.state == connLinger {
		// An error means that the peer is gone; reading will tell.
		_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
	}
}

// fail closes a WebSocket that broke the protocol, with a code (RFC 6455, section 7.4.1).
func (c *conn) fail(code ws.StatusCode) {
	if c.state == connParting {
		c.gone(reasonTransportError)
		return
	}
	if c.state != connOpen {
		return
	}
	body := ws.NewCloseFrameBody(code, "")
	c.send(finishFrame(append(newFrame(len(body)), body...), ws.OpClose).frame)
	c.linger()
	c.lost(reasonTransportError)
}

// shut closes a WebSocket after what is queued, without a code, as the reference does.
func (c *conn) shut() {
	if c.state > connParting {
		return
	}
	c.send(c.loop.gw.fixed.closeFrame)
	c.linger()
}

// linger ends sending after what is queued, and reading at once.
func (c *conn) linger() {
	c.state = connLinger
	c.loop.setDirty(c) // so that sending ends, if nothing is to be sent
	c.in, c.parts = nil, nil
	if c.resting {
		c.wake()
	}
	c.setDeadline(lingerTime)
}

// lost tells the session, if there is one still, that this transport is gone.
func (c *conn) lost(reason string) {
	if s := c.session; s != nil {
		c.session = nil
		s.connLost(c, reason)
	}
}

// gone handles a connection that the peer or the network ended.
func (c *conn) gone(reason string) {
	c.kill()
	c.lost(reason)
}

// kill closes the conn without a word, at the end of the turn.
func (c *conn) kill() {
	if c.state == connDead {
		return
	}
	c.state = connDead
	c.in, c.parts, c.out, c.queued = nil, nil, nil, 0
	c.stopDeadline()
	delete(c.loop.peers, c)
	c.loop.pending.dead = append(c.loop.pending.dead, c)
}

// reset kills the conn by a TCP reset, so that the kernel lets go of what the peer does not take: megabytes, which it would keep for minutes otherwise.
func (c *conn) reset() {
	if !c.released && c.state != connDead {
		// An error leaves an ordinary close. Where TLS ends here, the descriptor is a pipe's, which knows no reset.
		_ = unix.SetsockoptLinger(int(c.fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	c.kill()
}

// release takes the descriptor away from the loop, to be given to somebody else, who has its place too (see from).
func (c *conn) release() (fd int, err error) {
	err = c.loop.poll.remove(int(c.fd))
	c.released = true
	c.loop.conns[c.fd] = nil
	c.loop.rise(c)
	c.kill()
	return int(c.fd), err
}

func (c *conn) setDeadline(after time.Duration) {
	if c.deadline == nil {
		c.deadline = new(timer)
	}
	c.loop.wheel.set(c.deadline, c.loop.now+after, c)
}

func (c *conn) stopDeadline() {
	if c.deadline != nil {
		c.loop.wheel.stop(c.deadline)
		c.deadline = nil
	}
}

// expire implements expirer: the request did not come, or the peer does not close, or has rested.
func (c *conn) expire(time.Duration) {
	if c.state == connOpen {
		c.wake()
		return
	}
	if c.state == connSniff {
		c.loop.gw.metrics.badPackets.WithLabelValues("header timeout").Inc()
	}
	c.kill()
}
