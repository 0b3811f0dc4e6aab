package gateway

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

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

// poller is an epoll instance whose loop waits in Go's scheduler and not in the kernel. A goroutine in a system call keeps its
// processor until Go's monitor thread takes it away, 20 µs later at best and 10 ms at worst, and meanwhile others that are ready may
// not run. So another instance, the gate, watches this one, and Go's own poller the gate. While the gate is shut, what becomes ready
// wakes nobody. Owned by its loop, except for wake.
type poller struct {
	epoll  int // level-triggered: what a turn leaves unread is reported again
	gate   *os.File
	gateFD int
	wait   syscall.RawConn    // of the gate
	check  func(uintptr) bool // take, made once
	open   bool               // the gate is
	woken  atomic.Bool        // since the loop last said that it sleeps
	n      int                // of events that are valid; below zero an error
	events [maxEvents]unix.EpollEvent
}

func newPoller() (*poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	p := &poller{epoll: epoll}
	if err := p.hang(); err != nil {
		unix.Close(epoll)
		return nil, err
	}
	return p, nil
}

// hang makes the gate, open, and has Go's poller watch it.
func (p *poller) hang() (err error) {
	if p.gateFD, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll_create1: %w", err)
	}
	// An error shows at SetReadDeadline: Go would treat the descriptor as a plain file's.
	_ = unix.SetNonblock(p.gateFD, true)
	p.gate = os.NewFile(uintptr(p.gateFD), "gate")
	p.wait, err = p.gate.SyscallConn()
	if err == nil {
		err = p.gate.SetReadDeadline(time.Time{})
	}
	if err == nil {
		err = unix.EpollCtl(p.gateFD, unix.EPOLL_CTL_ADD, p.epoll, &unix.EpollEvent{Events: unix.EPOLLIN})
	}
	if err != nil {
		p.gate.Close()
		return fmt.Errorf("watch an epoll instance: %w", err)
	}
	p.open, p.check = true, p.take
	return nil
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

// sleeps is to be called before others are told to wake the loop.
func (p *poller) sleeps() { p.woken.Store(false) }

// look returns the ready descriptors, without waiting for any. The result is valid until the next call.
func (p *poller) look() ([]unix.EpollEvent, error) {
	p.take(0)
	return p.taken()
}

// await waits for a ready descriptor or a wake, for at most the timeout or, if that is negative, for ever. The result is
// valid until the next call.
func (p *poller) await(timeout time.Duration) ([]unix.EpollEvent, error) {
	if timeout == 0 {
		return p.look()
	}
	p.n = 0
	if err := p.swing(true); err != nil {
		return nil, err
	}
	if err := p.park(timeout, p.check); err != nil {
		return nil, err
	}
	if p.n == 0 { // woken: what else is there goes along
		p.take(0)
	}
	return p.taken()
}

// pause waits for a wake, for at most the timeout, whatever is ready.
func (p *poller) pause(timeout time.Duration) error {
	if err := p.swing(false); err != nil {
		return err
	}
	return p.park(timeout, never)
}

// never is the check of a pause: what came through the gate before it was shut does not end it.
func never(uintptr) bool { return false }

// take takes what is ready, and reports whether that is anything. The system call does not wait, so Go's scheduler need not know of it.
func (p *poller) take(uintptr) bool {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), uintptr(unsafe.Pointer(&p.events[0])), maxEvents, 0, 0, 0)
	switch p.n = int(n); errno {
	case 0:
	case unix.EINTR:
		p.n = 0
	default:
		p.n = -int(errno)
	}
	return p.n != 0
}

// taken is what take took.
func (p *poller) taken() ([]unix.EpollEvent, error) {
	if p.n < 0 {
		return nil, fmt.Errorf("epoll_pwait: %w", unix.Errno(-p.n))
	}
	return p.events[:p.n], nil
}

// park waits until check holds, which it asks at once and then whenever something has come through the gate, or for a wake or the timeout.
func (p *poller) park(timeout time.Duration, check func(fd uintptr) bool) error {
	var deadline time.Time
	if timeout >= 0 {
		deadline = time.Now().Add(timeout)
	}
	if err := p.gate.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("wait for an epoll instance: %w", err)
	}
	if p.woken.Load() { // maybe before that deadline was set, which has undone it then
		return nil
	}
	if err := p.wait.Read(check); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("wait for an epoll instance: %w", err)
	}
	return nil
}

// swing opens or shuts the gate. What is ready when it opens is noticed.
func (p *poller) swing(open bool) error {
	if p.open == open {
		return nil
	}
	event := unix.EpollEvent{}
	if open {
		event.Events = unix.EPOLLIN
	}
	if err := unix.EpollCtl(p.gateFD, unix.EPOLL_CTL_MOD, p.epoll, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	p.open = open
	return nil
}

// wake ends the loop's wait, or its next one. Safe from any goroutine, at any time.
func (p *poller) wake() {
	p.woken.Store(true)
	// The only possible error is that the loop has ended.
	_ = p.gate.SetReadDeadline(longAgo)
}

// longAgo is before any deadline.
var longAgo = time.Unix(1, 0)

func (p *poller) close() {
	p.gate.Close()
	unix.Close(p.epoll)
}

// readNow is read(2) of a descriptor that does not block. Go's scheduler need not know of a system call that does not wait; telling it costs as
// much as a small read.
func readNow(fd int, buf []byte) (int, error) {
	return transferNow(unix.SYS_READ, fd, buf)
}

// writeNow is write(2) likewise.
func writeNow(fd int, data []byte) (int, error) {
	return transferNow(unix.SYS_WRITE, fd, data)
}

func transferNow(call uintptr, fd int, data []byte) (int, error) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// descriptorLimit is how many descriptors the process may open.
func descriptorLimit() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<30))
}
