package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Errors of addresses.
var (
	// ErrScheme reports a URL that is neither http nor ws.
	ErrScheme = errors.New("load: only http:// and ws:// URLs are spoken")
	// ErrPort reports a port that is not between 1 and 65535.
	ErrPort = errors.New("load: there is no such port")
	// ErrRemote reports a server that is not on this machine, which the caller has not allowed.
	ErrRemote = errors.New("load: the server is not on this machine")
)

// DefaultPath is where Socket.IO servers answer.
const DefaultPath = "/socket.io/"

// Target is where a server answers. Shared read only.
type Target struct {
	address netip.AddrPort
	host    string
	path    string
}

// NewTarget resolves a URL such as http://127.0.0.1:8081 and a path, DefaultPath if empty. Unless remote is set, addresses that
// are not loopback's are refused with ErrRemote: load is a thing to aim with care.
func NewTarget(ctx context.Context, address, path string, remote bool) (*Target, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parse %q: %w", address, err)
	}
	if u.Scheme != "http" && u.Scheme != "ws" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w, not %q", ErrScheme, address)
	}
	port := uint64(80)
	if u.Port() != "" {
		if port, err = strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
			return nil, fmt.Errorf("%w: %q", ErrPort, address)
		}
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", u.Hostname())
	if err != nil {
		return nil, fmt.Errorf("resolve %q: %w", address, err)
	}
	ip := ips[0].Unmap()
	if !ip.IsLoopback() && !remote {
		return nil, fmt.Errorf("%w: %v", ErrRemote, ip)
	}
	if path == "" {
		path = DefaultPath
	}
	return &Target{
		address: netip.AddrPortFrom(ip, uint16(port)),
		host:    u.Host,
		path:    "/" + strings.TrimLeft(path, "/"),
	}, nil
}

// Loopback tells whether the server is on this machine, so that clients may have many source addresses.
func (t *Target) Loopback() bool { return t.address.Addr().Is4() && t.address.Addr().IsLoopback() }

// query is the part of a request's URL from the path on.
func (t *Target) query(transport, sid string) string {
	q := t.path + "?EIO=4&transport=" + transport
	if sid != "" {
		q += "&sid=" + url.QueryEscape(sid)
	}
	return q
}
