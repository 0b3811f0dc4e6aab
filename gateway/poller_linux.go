package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// What a poller waits for. Level-triggered: what a turn leaves unread is reported again.
const (
	pollRead  = unix.EPOLLIN | unix.EPOLLRDHUP
	pollWrite = unix.EPOLLOUT
	pollGone  = unix.EPOLLERR | unix.EPOLLHUP
)

// maxEvents is how many ready descriptors one turn takes.
const maxEvents = 256

// poller is an epoll instance and an eventfd that interrupts it. Owned by its loop,
// except for wake.
type poller struct {
	epoll  int
	event  int // the eventfd
	events [maxEvents]unix.EpollEvent
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(epoll)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &poller{epoll: epoll, event: event}
	if err := p.add(event, unix.EPOLLIN); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *poller) add(fd int, events uint32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, events)
}

func (p *poller) change(fd int, events uint32) error {
	return p.control(unix.EPOLL_CTL_MOD, fd, events)
}

// remove must be called before a descriptor that has a duplicate is closed; otherwise
// closing is enough.
func (p *poller) remove(fd int) error { return p.control(unix.EPOLL_CTL_DEL, fd, 0) }

func (p *poller) control(op, fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(p.epoll, op, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// wait returns the ready descriptors, after at most the timeout; a negative one means for ever.
// A wake counts as none. The result is valid until the next call.
func (p *poller) wait(timeout time.Duration) ([]unix.EpollEvent, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	n, err := unix.EpollWait(p.epoll, p.events[:], ms)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("epoll_wait: %w", err)
	}
	ready := p.events[:n]
	for i := range ready {
		if int(ready[i].Fd) == p.event {
			var counter [8]byte
			// An error means that another wake's read took the count: nothing is lost.
			_, _ = unix.Read(p.event, counter[:])
			ready[i] = ready[n-1]
			return ready[:n-1], nil
		}
	}
	return ready, nil
}

// wake makes wait return. Safe from any goroutine until close.
func (p *poller) wake() {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	// The only possible error is a full counter, and then a wake is pending anyway.
	_, _ = unix.Write(p.event, one[:])
}

func (p *poller) close() {
	unix.Close(p.event)
	unix.Close(p.epoll)
}

// descriptorLimit is how many descriptors the process may open.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<30))
}
