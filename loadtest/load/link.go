package load

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"golang.org/x/sys/unix"
)

// maxUnfinished bounds what is kept of a message that has not come whole. It stops a server from filling the memory.
const maxUnfinished = 64 << 20

// ErrUnfinished reports a message beyond that bound.
var ErrUnfinished = errors.New("load: a message of the server is too long")

// receiver is what uses a link: a WebSocket or an HTTP exchange. Its methods run on the loop.
type receiver interface {
	// dialled tells that the connection stands.
	dialled()
	// received takes bytes, valid during the call, and answers how many it has used; the rest comes again with more.
	received(data []byte) (used int)
	// broken tells that the link is closed, by the server or by an error. close does not call it.
	broken(err error)
}

// link is one TCP connection. Owned by its loop.
type link struct {
	loop    *Loop
	fd      int // -1 once closed
	user    receiver
	in      []byte // what came of an unfinished message
	out     []byte // what the kernel has not taken
	dialing bool
	blind   bool   // what comes is left to the kernel
	born    uint64 // the turn in which it was dialled
}

// dial begins a connection, from a source address if that is valid.
func dial(l *Loop, source netip.Addr, to netip.AddrPort, user receiver) (*link, error) {
	domain := unix.AF_INET
	if to.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	k := &link{loop: l, fd: fd, user: user, dialing: true, born: l.turns}
	if err := k.begin(source, to); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return k, nil
}

func (k *link) begin(source netip.Addr, to netip.AddrPort) error {
	if err := unix.SetsockoptInt(k.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return fmt.Errorf("TCP_NODELAY: %w", err)
	}
	if source.IsValid() {
		// The kernel then takes the port at connect, when it knows the whole pair of addresses.
		if err := unix.SetsockoptInt(k.fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return fmt.Errorf("IP_BIND_ADDRESS_NO_PORT: %w", err)
		}
		if err := unix.Bind(k.fd, sockaddr(netip.AddrPortFrom(source, 0))); err != nil {
			return fmt.Errorf("bind to %v: %w", source, err)
		}
	}
	if err := unix.Connect(k.fd, sockaddr(to)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect to %v: %w", to, err)
	}
	return k.loop.adopt(k, readable|unix.EPOLLOUT)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is6() {
		return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
}

// happened takes what epoll says of the link.
func (k *link) happened(events uint32) {
	switch {
	case k.born == k.loop.turns: // of an older link with the same descriptor, closed in this turn
		return
	case k.dialing:
		k.finishDial()
		return
	case k.blind && events&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0:
		k.fail(io.EOF)
		return
	}
	if events&unix.EPOLLOUT != 0 {
		k.flush()
	}
	if k.fd >= 0 && events&(readable|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		k.read()
	}
}

func (k *link) finishDial() {
	code, err := unix.GetsockoptInt(k.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		k.fail(fmt.Errorf("connect: %w", err))
		return
	}
	k.dialing = false
	k.watch()
	k.user.dialled()
}

// watch tells epoll what the link waits for.
func (k *link) watch() {
	events := uint32(readable)
	if k.blind {
		events = unix.EPOLLRDHUP
	}
	if len(k.out) > 0 {
		events |= unix.EPOLLOUT
	}
	if err := k.loop.poller.alter(k.fd, events); err != nil {
		k.fail(fmt.Errorf("epoll_ctl: %w", err))
	}
}

// setBlind makes the link leave what comes to the kernel, or read again.
func (k *link) setBlind(blind bool) {
	if k.blind != blind && k.fd >= 0 && !k.dialing {
		k.blind = blind
		k.watch()
	}
}

func (k *link) read() {
	n, err := unix.Read(k.fd, k.loop.shared.read)
	switch {
	case err != nil && errTransient(err):
	case err != nil:
		k.fail(fmt.Errorf("read: %w", err))
	case n == 0:
		k.fail(io.EOF)
	default:
		k.loop.in += uint64(n)
		k.take(k.loop.shared.read[:n])
	}
}

// take hands on what came, after what was left of before.
func (k *link) take(data []byte) {
	if len(k.in) > 0 {
		k.in = append(k.in, data...)
		data = k.in
	}
	rest := data[k.user.received(data):]
	switch {
	case k.fd < 0 || len(rest) == 0:
		k.in = nil // an idle connection keeps no buffer
	case len(rest) > maxUnfinished:
		k.fail(ErrUnfinished)
	default:
		k.in = append(k.in[:0], rest...) // may move within k.in: append copies as memmove does
	}
}

// write sends bytes, or keeps what the kernel does not take.
func (k *link) write(data []byte) {
	if k.fd < 0 {
		return
	}
	if len(k.out) > 0 || k.dialing {
		k.out = append(k.out, data...)
		return
	}
	n, err := unix.Write(k.fd, data)
	if err != nil && !errTransient(err) {
		k.fail(fmt.Errorf("write: %w", err))
		return
	}
	if n = max(n, 0); n < len(data) {
		k.out = append(k.out, data[n:]...)
		k.watch()
	}
}

func (k *link) flush() {
	n, err := unix.Write(k.fd, k.out)
	if err != nil && !errTransient(err) {
		k.fail(fmt.Errorf("write: %w", err))
		return
	}
	if k.out = k.out[max(n, 0):]; len(k.out) == 0 {
		k.out = nil
		k.watch()
	}
}

// fail closes the link and tells its user, at the end of the turn's current call.
func (k *link) fail(err error) {
	if k.fd < 0 {
		return
	}
	k.close()
	k.user.broken(err)
}

// close closes the link without telling its user. Closing twice is harmless.
func (k *link) close() {
	if k.fd < 0 {
		return
	}
	k.loop.links[k.fd] = nil
	unix.Close(k.fd)
	k.fd = -1
	k.in, k.out = nil, nil
}

// reset closes the link by a TCP reset, without telling its user.
func (k *link) reset() {
	if k.fd >= 0 {
		// An error leaves an ordinary close.
		_ = unix.SetsockoptLinger(k.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		k.close()
	}
}
