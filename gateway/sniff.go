package gateway

import (
	"bytes"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

var headEnd = []byte("\r\n\r\n")

// sniff looks at the first request of a connection. A WebSocket handshake for our path stays
// on the loops; anything else goes to net/http, with all that was read.
// It returns how much of data it took: nothing, or all.
func (c *conn) sniff(data []byte) int {
	if n, ok := c.announced(data); n > 0 || !ok {
		return n
	}
	end := bytes.Index(data, headEnd)
	limit := c.loop.gw.options.Limits.HeaderBytes
	if end < 0 && len(data) <= limit {
		return 0
	}
	if end < 0 || end > limit {
		c.loop.gw.metrics.badPackets.WithLabelValues("headers").Inc()
		c.reply([]byte("HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
		return len(data)
	}
	head, rest := data[:end+len(headEnd)], data[end+len(headEnd):]
	u, ok := upgradeTarget(head)
	if !ok || !c.loop.gw.serves(u.Path) {
		c.toHTTP(data)
		return len(data)
	}
	up := &upgradeRequest{
		head: bytes.Clone(head), rest: bytes.Clone(rest), url: u,
		echo: c.loop.gw.echoes(u.Path), peer: c.from(),
	}
	fd, err := c.release()
	if err != nil {
		c.loop.gw.log.Error("cannot move a connection", zap.Error(err))
		unix.Close(fd)
		c.loop.gw.listener.closed(up.peer.seat)
		return len(data)
	}
	up.fd = fd
	c.loop.gw.routeUpgrade(c.loop, up)
	return len(data)
}

// reply writes a last, small response and closes.
func (c *conn) reply(response []byte) {
	// The socket's buffer is empty: either the kernel takes it, or the peer is gone.
	_, _ = unix.Write(int(c.fd), response)
	c.state = connLinger
	_ = unix.Shutdown(int(c.fd), unix.SHUT_WR)
	c.setDeadline(lingerTime)
}

// toHTTP hands the connection to net/http.
func (c *conn) toHTTP(data []byte) {
	gw, prefix, from := c.loop.gw, bytes.Clone(data), c.from()
	fd, err := c.release()
	if err != nil {
		gw.log.Error("cannot hand a connection over", zap.Error(err))
		unix.Close(fd)
		gw.listener.closed(from.seat)
		return
	}
	lent, err := newLentConn(gw, fd, prefix, from)
	if err != nil {
		gw.log.Error("cannot hand a connection over", zap.Error(err))
		gw.listener.closed(from.seat)
		return
	}
	gw.web.lend(lent)
}

// upgradeTarget returns the URL of a request that asks for a WebSocket.
func upgradeTarget(head []byte) (*url.URL, bool) {
	line, headers, _ := bytes.Cut(head, []byte("\r\n"))
	method, rest, _ := bytes.Cut(line, []byte(" "))
	target, _, ok := bytes.Cut(rest, []byte(" "))
	if !ok || string(method) != "GET" {
		return nil, false
	}
	for len(headers) > 0 {
		line, headers, _ = bytes.Cut(headers, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("upgrade")) && bytes.EqualFold(bytes.TrimSpace(value), []byte("websocket")) {
			u, err := url.ParseRequestURI(string(target))
			return u, err == nil
		}
	}
	return nil, false
}

// lentConn is a connection that net/http has, with what was read of it before. Closing it
// gives its place among the gateway's connections back.
type lentConn struct {
	net.Conn
	gw     *Gateway
	prefix []byte
	peer   peer
	closed atomic.Bool
}

// newLentConn makes a net.Conn of a descriptor, which it takes.
func newLentConn(gw *Gateway, fd int, prefix []byte, from peer) (*lentConn, error) {
	nc, err := netConn(fd)
	if err != nil {
		return nil, err
	}
	return &lentConn{Conn: nc, gw: gw, prefix: prefix, peer: from}, nil
}

// RemoteAddr implements net.Conn. The port is not known.
func (c *lentConn) RemoteAddr() net.Addr { return addressOf(c.peer.address) }

// Read implements net.Conn.
func (c *lentConn) Read(p []byte) (int, error) {
	if len(c.prefix) > 0 {
		n := copy(p, c.prefix)
		c.prefix = c.prefix[n:]
		if len(c.prefix) == 0 {
			c.prefix = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// Close implements net.Conn.
func (c *lentConn) Close() error {
	c.gw.web.returned(c)
	return c.Conn.Close()
}

// reclaim takes the descriptor back for a loop; the lentConn is closed, its place kept.
func (c *lentConn) reclaim() (int, error) {
	held, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("%w: a connection without a descriptor", ErrOptions)
	}
	if err := c.SetDeadline(time.Time{}); err != nil {
		return 0, fmt.Errorf("take a connection back: %w", err)
	}
	raw, err := held.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("take a connection back: %w", err)
	}
	fd, dupErr := 0, error(nil)
	err = raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return 0, fmt.Errorf("take a connection back: %w", err)
	}
	c.gw.listener.open.Add(1) // Close gives one back
	c.peer.seat = ""          // whoever has the descriptor now gives that back
	return fd, c.Close()
}
