package msgpack

import "encoding/binary"

// kind is what a value is.
type kind uint8

const (
	kindNil kind = iota
	kindFalse
	kindTrue
	kindUint    // n is the number
	kindInt     // n is the number, in two's complement
	kindFloat32 // n has the bits
	kindFloat64
	kindStr // n bytes follow
	kindBin
	kindExt    // n bytes follow
	kindFixExt // the same, of a length that needs no telling
	kindArray  // n values follow
	kindMap    // 2n values follow
)

// head is what goes before the bytes or values of a value, or the whole of it.
type head struct {
	kind kind
	ext  int8 // of kindExt and kindFixExt
	n    uint64
}

// children is how many values follow a head.
func (h head) children() uint64 {
	switch h.kind {
	case kindArray:
		return h.n
	case kindMap:
		return 2 * h.n
	}
	return 0
}

// body is how many bytes follow a head.
func (h head) body() uint64 {
	switch h.kind {
	case kindStr, kindBin, kindExt, kindFixExt:
		return h.n
	}
	return 0
}

// reader reads MessagePack. After an error its position means nothing.
type reader struct {
	data []byte
	pos  int
}

// take returns the next n bytes.
func (r *reader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.data)-r.pos) {
		return nil, ErrFormat
	}
	b := r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b, nil
}

// number reads an unsigned number of 1, 2, 4 or 8 bytes.
func (r *reader) number(size uint64) (uint64, error) {
	b, err := r.take(size)
	if err != nil {
		return 0, err
	}
	switch size {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(binary.BigEndian.Uint16(b)), nil
	case 4:
		return uint64(binary.BigEndian.Uint32(b)), nil
	}
	return binary.BigEndian.Uint64(b), nil
}

// head reads a value up to its bytes or values.
func (r *reader) head() (head, error) {
	b, err := r.take(1)
	if err != nil {
		return head{}, err
	}
	switch c := b[0]; {
	case c < 0x80:
		return head{kind: kindUint, n: uint64(c)}, nil
	case c < 0x90:
		return head{kind: kindMap, n: uint64(c & 0x0f)}, nil
	case c < 0xa0:
		return head{kind: kindArray, n: uint64(c & 0x0f)}, nil
	case c < 0xc0:
		return head{kind: kindStr, n: uint64(c & 0x1f)}, nil
	case c >= 0xe0:
		return head{kind: kindInt, n: uint64(int64(int8(c)))}, nil
	default:
		return r.longHead(c)
	}
}

// longHead is head for first bytes from 0xc0 to 0xdf, most of which a number follows.
func (r *reader) longHead(c byte) (h head, err error) {
	switch c {
	case 0xc0:
		return head{kind: kindNil}, nil
	case 0xc1: // never used
		return head{}, ErrFormat
	case 0xc2:
		return head{kind: kindFalse}, nil
	case 0xc3:
		return head{kind: kindTrue}, nil
	case 0xc4, 0xc5, 0xc6:
		h.kind = kindBin
		h.n, err = r.number(1 << (c - 0xc4))
	case 0xc7, 0xc8, 0xc9:
		h.kind = kindExt
		if h.n, err = r.number(1 << (c - 0xc7)); err == nil {
			err = r.ext(&h)
		}
	case 0xca, 0xcb:
		h.kind = kindFloat32 + kind(c-0xca)
		h.n, err = r.number(4 << (c - 0xca))
	case 0xcc, 0xcd, 0xce, 0xcf:
		h.kind = kindUint
		h.n, err = r.number(1 << (c - 0xcc))
	case 0xd0, 0xd1, 0xd2, 0xd3:
		h.kind = kindInt
		h.n, err = r.number(1 << (c - 0xd0))
		shift := 64 - 8<<(c-0xd0)
		h.n = uint64(int64(h.n) << shift >> shift)
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		h.kind, h.n = kindFixExt, 1<<(c-0xd4)
		err = r.ext(&h)
	case 0xd9, 0xda, 0xdb:
		h.kind = kindStr
		h.n, err = r.number(1 << (c - 0xd9))
	case 0xdc, 0xdd:
		h.kind = kindArray
		h.n, err = r.number(2 << (c - 0xdc))
	default:
		h.kind = kindMap
		h.n, err = r.number(2 << (c - 0xde))
	}
	return h, err
}

// ext reads the type of an extension.
func (r *reader) ext(h *head) error {
	t, err := r.number(1)
	h.ext = int8(t)
	return err
}

// skip passes over a value, however deep, and returns its bytes. What it costs is
// bounded by the data: each value has a byte at least.
func (r *reader) skip() ([]byte, error) {
	start := r.pos
	for left := uint64(1); left > 0; left-- {
		h, err := r.head()
		if err != nil {
			return nil, err
		}
		if _, err = r.take(h.body()); err != nil {
			return nil, err
		}
		if left += h.children(); left > uint64(len(r.data)-r.pos)+1 {
			return nil, ErrFormat // more values than bytes
		}
	}
	return r.data[start:r.pos:r.pos], nil
}

// str reads a string.
func (r *reader) str() ([]byte, bool, error) {
	h, err := r.head()
	if err != nil || h.kind != kindStr {
		return nil, false, err
	}
	b, err := r.take(h.n)
	return b, true, err
}
