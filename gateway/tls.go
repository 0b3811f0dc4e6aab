package gateway

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// tlsBuffer is what one direction of a TLS connection copies at a time. It is held while the connection is idle, too.
const tlsBuffer = 4 << 10

// tlsDescriptors is how many descriptors a TLS connection takes: the client's, and the two ends of a socket pair.
const tlsDescriptors = 3

// terminator ends TLS: for each connection it has a goroutine for each direction, which passes what is in the TLS on to a socket pair,
// whose other end a loop has as if it were the client. That costs some twenty times the memory of the connection otherwise
// (docs/security.md): where there is a balancer in front, let that end TLS.
type terminator struct {
	gw     *Gateway
	files  [2]string // certificate and key
	config *tls.Config
	cert   atomic.Pointer[tls.Certificate]

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
	conns  sync.WaitGroup
}

// newTerminator reads the certificate; nil if there is none to read.
func newTerminator(gw *Gateway) (*terminator, error) {
	o := &gw.options.HTTP
	if o.TLSCert == "" && o.TLSKey == "" {
		return nil, nil
	}
	t := &terminator{gw: gw, files: [2]string{o.TLSCert, o.TLSKey}, open: map[net.Conn]struct{}{}}
	t.config = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.cert.Load(), nil },
	}
	return t, t.reload()
}

// reload reads the certificate again, for connections from now on. After an error the former one stays.
func (t *terminator) reload() error {
	cert, err := tls.LoadX509KeyPair(t.files[0], t.files[1])
	if err != nil {
		return fmt.Errorf("read certificate: %w", err)
	}
	t.cert.Store(&cert)
	return nil
}

// take ends the TLS of an accepted descriptor. On loop 0; it does not wait.
func (t *terminator) take(fd int, place string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		unix.Close(fd)
		t.gw.listener.closed(place)
		return
	}
	t.conns.Go(func() { t.serve(fd, place) })
}

// serve serves one connection until both directions have ended.
func (t *terminator) serve(fd int, place string) {
	raw, err := netConn(fd)
	if err == nil && !t.remember(raw) {
		err = errLent
	}
	if err != nil {
		t.gw.listener.closed(place)
		return
	}
	defer t.forget(raw)
	outside, from, err := t.accept(raw)
	if err != nil {
		t.gw.metrics.badPackets.WithLabelValues("tls").Inc()
		t.gw.log.Debug("no TLS", zap.Error(err))
		t.gw.listener.closed(place)
		return
	}
	if place == "" { // a proxy has said where it comes from
		free := false
		if place, free = t.gw.listener.seat(from); !free {
			t.gw.listener.closed("")
			return
		}
	}
	inside, inner, err := pair()
	if err != nil {
		t.gw.log.Error("cannot make a socket pair", zap.Error(err))
		t.gw.listener.closed(place)
		return
	}
	defer inside.Close()
	newcomer := &accepted{fd: inner, peer: &peer{address: from, secure: true}, seat: place}
	if !t.gw.nextLoop().post(newcomer) {
		newcomer.cancel()
		return
	}
	var up sync.WaitGroup
	up.Go(func() {
		pass(inside, outside, 0) // the client's words
		_ = inside.CloseWrite()
	})
	pass(outside, inside, writeTimeout)
	_ = outside.CloseWrite()
	_ = outside.SetReadDeadline(time.Now().Add(lingerTime)) // for a client that does not close
	up.Wait()
}

// pass copies until one side ends, or does not take what it is given within a time, if there is one. Errors are ends, too: each side's
// other direction tells.
func pass(to net.Conn, from io.Reader, patience time.Duration) {
	buf := make([]byte, tlsBuffer)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if patience > 0 {
				_ = to.SetWriteDeadline(time.Now().Add(patience)) // an error is the write's too
			}
			if _, writeErr := to.Write(buf[:n]); writeErr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// accept does the handshake, and says where the connection comes from.
func (t *terminator) accept(raw net.Conn) (*tls.Conn, string, error) {
	timeout := t.gw.options.Limits.HeaderTimeout
	from, inner, err := t.announced(raw, timeout)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn := tls.Server(inner, t.config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, "", fmt.Errorf("TLS handshake: %w", err)
	}
	return conn, from, nil
}

// buffered is a connection of which some has been read ahead.
type buffered struct {
	net.Conn
	ahead *bufio.Reader
}

// Read implements net.Conn.
func (c *buffered) Read(p []byte) (int, error) { return c.ahead.Read(p) }

// announced reads a trusted proxy's header before the TLS.
func (t *terminator) announced(raw net.Conn, timeout time.Duration) (string, net.Conn, error) {
	direct, _, err := net.SplitHostPort(raw.RemoteAddr().String())
	if err != nil {
		return "", nil, fmt.Errorf("address of a connection: %w", err)
	}
	address, err := netip.ParseAddr(direct)
	if err != nil || !t.gw.options.HTTP.ProxyProtocol || !t.gw.live().door.trusts(address) {
		return direct, raw, nil
	}
	if err := raw.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return "", nil, fmt.Errorf("read PROXY header: %w", err)
	}
	ahead := bufio.NewReaderSize(raw, maxProxyBytes)
	for wanted := 1; ; wanted = ahead.Buffered() + 1 {
		if _, err := ahead.Peek(wanted); err != nil {
			return "", nil, fmt.Errorf("read PROXY header: %w", err)
		}
		data, err := ahead.Peek(ahead.Buffered())
		if err != nil {
			return "", nil, fmt.Errorf("read PROXY header: %w", err)
		}
		n, err := proxyLength(data)
		switch {
		case err != nil:
			return "", nil, err
		case n == 0:
			continue
		}
		source, err := proxySource(data[:n])
		if err != nil {
			return "", nil, err
		}
		if source == "" {
			source = direct
		}
		if _, err := ahead.Discard(n); err != nil {
			return "", nil, fmt.Errorf("read PROXY header: %w", err)
		}
		return source, &buffered{Conn: raw, ahead: ahead}, raw.SetReadDeadline(time.Time{})
	}
}

// remember and forget keep the connections that are to be closed at the end.
func (t *terminator) remember(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Close()
		return false
	}
	t.open[c] = struct{}{}
	return true
}

func (t *terminator) forget(c net.Conn) {
	_ = c.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

// stop closes what is left, and waits. The loops have ended, and with them their ends of the pairs.
func (t *terminator) stop() {
	if t == nil {
		return
	}
	t.mu.Lock()
	t.closed = true
	for c := range t.open {
		_ = c.SetDeadline(time.Now().Add(time.Second)) // for what the loops have written last
	}
	t.mu.Unlock()
	t.conns.Wait()
}

// netConn makes a net.Conn of a descriptor, which it takes.
func netConn(fd int) (net.Conn, error) {
	file := os.NewFile(uintptr(fd), "conn")
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("make a net.Conn: %w", err)
	}
	return c, nil
}

// pair makes a socket pair: one end for goroutines, the other, a descriptor, for a loop.
func pair() (*net.UnixConn, int, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, 0, fmt.Errorf("socketpair: %w", err)
	}
	c, err := netConn(fds[0])
	if err != nil {
		return nil, 0, errors.Join(err, unix.Close(fds[1]))
	}
	inside, ok := c.(*net.UnixConn)
	if !ok {
		return nil, 0, errors.Join(fmt.Errorf("%w: a socket pair is no Unix socket", ErrOptions), c.Close(), unix.Close(fds[1]))
	}
	return inside, fds[1], nil
}
