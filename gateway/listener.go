package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// acceptBatch is how many connections one turn of a loop accepts before it looks at its others.
const acceptBatch = 64

// acceptPause is how long accepting rests when the process is out of descriptors: the listener would be
// reported ready all the time, and the loop would spin.
const acceptPause = 100 * time.Millisecond

// listener is the public listening socket. Loop 0 accepts and deals the connections out,
// so that every loop holds its share.
type listener struct {
	net    net.Listener // keeps the socket, and knows its address
	fd     int          // a duplicate, for the poller
	log    *zap.Logger
	loops  []*loop
	next   int                   // whose turn it is; touched by loop 0 alone
	limit  atomic.Int64          // connections at most
	open   atomic.Int64          // connections now, those lent to net/http included
	tls    *terminator           // nil: connections come as they are
	full   func()                // called for each connection turned away
	seats  headcount             // connections of each address that is no trusted proxy
	many   func()                // called for each turned away by that
	trusts func(netip.Addr) bool // reports whether a peer is a trusted proxy
	pause  timer                 // owned by loop 0
}

func listen(ctx context.Context, o *Options) (*listener, error) {
	var config net.ListenConfig
	ln, err := config.Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", o.Listen, err)
	}
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("%w: %s is not a TCP address", ErrOptions, o.Listen), ln.Close())
	}
	file, err := tcp.File()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", o.Listen, err), ln.Close())
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", o.Listen, err), ln.Close())
	}
	l := &listener{net: ln, fd: fd, log: o.Log}
	l.set(&o.Limits)
	return l, nil
}

// accept takes what is waiting. On loop 0.
func (ln *listener) accept(l *loop) {
	for range acceptBatch {
		fd, from, err := unix.Accept4(ln.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return
		case errors.Is(err, unix.ECONNABORTED) || errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			ln.rest(l, err)
			return
		}
		if ln.open.Add(1) > ln.limit.Load() {
			ln.open.Add(-1)
			ln.full()
			unix.Close(fd)
			continue
		}
		place, ok := ln.seat(address(from))
		if !ok {
			ln.closed("")
			unix.Close(fd)
			continue
		}
		if ln.tls != nil {
			ln.tls.take(fd, place)
			continue
		}
		target := ln.loops[ln.next%len(ln.loops)]
		ln.next++
		newcomer := &accepted{fd: fd, seat: place}
		if target == l {
			newcomer.run(l)
		} else if !target.post(newcomer) {
			newcomer.cancel()
		}
	}
}

// rest stops accepting for a while.
func (ln *listener) rest(l *loop, err error) {
	ln.log.Error("cannot accept connections", zap.Error(err), zap.Duration("pause", acceptPause))
	if err := l.poll.remove(ln.fd); err != nil {
		ln.log.Error("cannot stop listening", zap.Error(err))
	}
	l.wheel.set(&ln.pause, l.now+acceptPause, resume{l})
}

// resume takes up accepting again.
type resume struct{ l *loop }

func (r resume) expire(time.Duration) {
	if err := r.l.poll.add(r.l.gw.listener.fd, unix.EPOLLIN); err != nil {
		r.l.gw.log.Error("cannot listen again", zap.Error(err))
	}
}

// closed counts a connection that is gone, and gives its place among those of its address back.
func (ln *listener) closed(place string) {
	ln.open.Add(-1)
	ln.seats.give(place)
}

// stopAccepting closes the socket; a task for loop 0.
type stopAccepting struct{ done chan<- struct{} }

func (t stopAccepting) run(l *loop) {
	defer close(t.done)
	ln := l.gw.listener
	if l.listenFD < 0 { // done already
		return
	}
	ln.accept(l) // the kernel would reset what waits
	l.wheel.stop(&ln.pause)
	// It may be out of the poller already, resting.
	_ = l.poll.remove(ln.fd)
	if err := ln.close(); err != nil {
		ln.log.Warn("cannot close the listener", zap.Error(err))
	}
	l.listenFD = -1
}

// close closes the socket and its duplicate.
func (ln *listener) close() error {
	return errors.Join(unix.Close(ln.fd), ln.net.Close())
}

// accepted is a new connection on its way to its loop.
type accepted struct {
	fd   int
	peer *peer  // nil: the other end of the descriptor
	seat string // see listener.seats
}

func (a *accepted) run(l *loop) {
	// Frames are written whole; waiting to fill segments only delays them.
	_ = unix.SetsockoptInt(a.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	c, err := l.attach(a.fd, connSniff)
	if err != nil {
		l.gw.log.Error("cannot watch a connection", zap.Error(err))
		a.cancel()
		l.gw.listener.closed(a.seat)
		return
	}
	l.gw.metrics.accepted.Inc()
	l.sit(c, a.seat)
	if a.peer != nil {
		c.comesFrom(*a.peer)
	}
	c.setDeadline(l.gw.options.Limits.HeaderTimeout)
}

func (a *accepted) cancel() { unix.Close(a.fd) }

// address is a peer's IP address.
func address(sa unix.Sockaddr) string {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return net.IP(a.Addr[:]).String()
	case *unix.SockaddrInet6:
		return net.IP(a.Addr[:]).String()
	}
	return ""
}

// peerAddress asks the kernel for a descriptor's peer.
func peerAddress(fd int) string {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return ""
	}
	return address(sa)
}
