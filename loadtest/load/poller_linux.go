package load

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// eventsPerTurn is how many ready descriptors one turn takes.
const eventsPerTurn = 512

// readable is what every connection waits for.
const readable = unix.EPOLLIN | unix.EPOLLRDHUP

// poller is an epoll instance with a timer of nanoseconds, which epoll_wait's own timeout is too coarse for, and a bell
// that others ring. Owned by its loop, except for ring.
type poller struct {
	epoll, timer, bell int
	armed              int64 // what the timer is set to, in the clock's time; 0 for nothing
	ready              [eventsPerTurn]unix.EpollEvent
}

func newPoller() (*poller, error) {
	p := &poller{epoll: -1, timer: -1, bell: -1}
	var err error
	if p.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err == nil {
		p.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	if err == nil {
		err = errors.Join(p.watch(p.timer, unix.EPOLLIN), p.watch(p.bell, unix.EPOLLIN))
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("timerfd, eventfd: %w", err)
	}
	return p, nil
}

// watch adds a descriptor.
func (p *poller) watch(fd int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// alter changes what a descriptor is watched for.
func (p *poller) alter(fd int, events uint32) error {
	return unix.EpollCtl(p.epoll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait returns what is ready, the timer and the bell among it. It is valid until the next call.
func (p *poller) wait() ([]unix.EpollEvent, error) {
	n, err := unix.EpollWait(p.epoll, p.ready[:], -1)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll_wait: %w", err)
	}
	return p.ready[:n], nil
}

// arm makes wait return at a time of the clock; 0 means never.
func (p *poller) arm(at, now int64) error {
	if at == p.armed {
		return nil
	}
	p.armed = at
	var spec unix.ItimerSpec
	if at != 0 {
		spec.Value = unix.NsecToTimespec(max(at-now, 1))
	}
	if err := unix.TimerfdSettime(p.timer, 0, &spec, nil); err != nil {
		return fmt.Errorf("timerfd_settime: %w", err)
	}
	return nil
}

// quiet empties the timer or the bell after it woke the loop.
func (p *poller) quiet(fd int) {
	var count [8]byte
	_, _ = unix.Read(fd, count[:]) // an error means that there is nothing to empty
	if fd == p.timer {
		p.armed = 0
	}
}

// ring makes wait return. Safe from any goroutine until close.
func (p *poller) ring() {
	one := [8]byte{0: 1, 7: 1} // not 0 in either byte order
	_, _ = unix.Write(p.bell, one[:])
}

func (p *poller) close() {
	for _, fd := range []int{p.epoll, p.timer, p.bell} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
