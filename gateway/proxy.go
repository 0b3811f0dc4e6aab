package gateway

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

// errProxyHeader reports a connection of a trusted proxy that does not begin as it should.
var errProxyHeader = errors.New("no PROXY protocol header")

// The beginnings of the PROXY protocol's two versions, and how long their headers may be.
const (
	proxyV1       = "PROXY "
	proxyV2       = "\r\n\r\n\x00\r\nQUIT\n"
	maxProxyV1    = 107
	proxyV2Fixed  = 16
	maxProxyBytes = 2048 // of the second version with its extensions
)

// proxyLength is how long the header is with which a connection begins; 0 if that cannot be told yet.
func proxyLength(data []byte) (int, error) {
	switch {
	case begins(data, proxyV1):
		if end := bytes.IndexByte(data, '\n'); end >= 0 && end < maxProxyV1 {
			return end + 1, nil
		}
		if len(data) >= maxProxyV1 {
			return 0, errProxyHeader
		}
	case begins(data, proxyV2):
		if len(data) < proxyV2Fixed {
			return 0, nil
		}
		n := proxyV2Fixed + int(binary.BigEndian.Uint16(data[proxyV2Fixed-2:]))
		if n > maxProxyBytes {
			return 0, errProxyHeader
		}
		if len(data) >= n {
			return n, nil
		}
	default:
		return 0, errProxyHeader
	}
	return 0, nil
}

// begins reports whether data begins with a text, or is the beginning of it.
func begins(data []byte, text string) bool {
	n := min(len(data), len(text))
	return string(data[:n]) == text[:n]
}

// proxySource is the address in a whole header; empty if the proxy speaks for itself (a health check).
func proxySource(header []byte) (string, error) {
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(header)))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if ip, _, ok := h.IPs(); ok && !h.Command.IsLocal() {
		if address, ok := netip.AddrFromSlice(ip); ok {
			return address.Unmap().String(), nil
		}
	}
	return "", nil
}

// peer is where a connection comes from, if not from the other end of its descriptor.
type peer struct {
	address string
	secure  bool   // by TLS that ended here
	seat    string // among the connections of its address; see listener.seats
}

// from is where a conn comes from.
func (c *conn) from() peer {
	p, ok := c.loop.peers[c]
	if !ok {
		p.address = peerAddress(int(c.fd))
	}
	p.seat = c.loop.seats[c]
	return p
}

// comesFrom notes where a conn comes from, until its first request is read.
func (c *conn) comesFrom(p peer) {
	l := c.loop
	if l.peers == nil {
		l.peers = map[*conn]peer{}
	}
	l.peers[c] = p
}

// announced reads the header with which a proxy begins a connection, if it is to. It returns its length; ok is false if the
// connection cannot go on now, for want of data or for good.
func (c *conn) announced(data []byte) (n int, ok bool) {
	gw := c.loop.gw
	if !gw.options.HTTP.ProxyProtocol {
		return 0, true
	}
	if _, known := c.loop.peers[c]; known {
		return 0, true
	}
	direct := peerAddress(int(c.fd))
	if address, err := netip.ParseAddr(direct); err != nil || !gw.live().door.trusts(address) {
		c.comesFrom(peer{address: direct})
		return 0, true
	}
	n, err := proxyLength(data)
	if err == nil && n == 0 {
		return 0, false
	}
	source := ""
	if err == nil {
		source, err = proxySource(data[:n])
	}
	if err != nil {
		gw.metrics.badPackets.WithLabelValues("proxy").Inc()
		c.kill()
		return 0, false
	}
	place, free := gw.listener.seat(source)
	if !free {
		c.kill()
		return 0, false
	}
	c.loop.sit(c, place)
	if source == "" {
		source = direct
	}
	c.comesFrom(peer{address: source})
	return n, true
}

// addressOf makes a net.Addr of an address without a port.
func addressOf(address string) net.Addr {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return &net.TCPAddr{}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0))
}
