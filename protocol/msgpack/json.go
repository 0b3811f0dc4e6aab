package msgpack

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"patchbay/protocol/socketio"
)

// What notepack.io makes of extension type 0: by the form of the extension an
// undefined, a Date or an ArrayBuffer.
const (
	extOwn  = 0
	fixExt1 = 0xd4
)

// toJSON transcodes a value.
type toJSON struct {
	r           reader
	dst         []byte
	max         int // bytes of dst
	attachments [][]byte
}

// value transcodes the next value. It recurses; depth is bounded.
func (t *toJSON) value(depth int) error {
	h, err := t.r.head()
	if err != nil {
		return err
	}
	if len(t.dst) > t.max {
		return ErrTooLarge
	}
	switch h.kind {
	case kindNil:
		t.dst = append(t.dst, "null"...)
	case kindFalse:
		t.dst = append(t.dst, "false"...)
	case kindTrue:
		t.dst = append(t.dst, "true"...)
	case kindUint:
		t.dst = strconv.AppendUint(t.dst, h.n, 10)
	case kindInt:
		t.dst = strconv.AppendInt(t.dst, int64(h.n), 10)
	case kindFloat32:
		t.dst = appendFloat(t.dst, float64(math.Float32frombits(uint32(h.n))))
	case kindFloat64:
		t.dst = appendFloat(t.dst, math.Float64frombits(h.n))
	case kindStr:
		return t.str(h.n)
	case kindBin:
		return t.attachment(h.n)
	case kindExt, kindFixExt:
		return t.extension(h)
	case kindArray:
		return t.array(h.n, depth+1)
	default:
		return t.object(h.n, depth+1)
	}
	return nil
}

func (t *toJSON) str(n uint64) error {
	b, err := t.r.take(n)
	if err != nil {
		return err
	}
	if !utf8.Valid(b) {
		return socketio.ErrUTF8
	}
	t.dst = socketio.AppendString(t.dst, string(b))
	return nil
}

// attachment takes n bytes for an attachment, and puts a placeholder in their place.
func (t *toJSON) attachment(n uint64) error {
	b, err := t.r.take(n)
	if err != nil {
		return err
	}
	t.dst = socketio.AppendPlaceholder(t.dst, len(t.attachments))
	t.attachments = append(t.attachments, b)
	return nil
}

// extension transcodes an extension as notepack.io understands it.
func (t *toJSON) extension(h head) error {
	switch {
	case h.ext == extOwn && h.kind == kindExt: // an ArrayBuffer
		return t.attachment(h.n)
	case h.ext == extOwn && h.n == 1: // undefined
		t.dst = append(t.dst, "null"...)
		_, err := t.r.take(h.n)
		return err
	case h.ext == extOwn && h.n == 8: // a Date
		b, err := t.r.take(h.n)
		if err != nil {
			return err
		}
		t.dst = appendDate(t.dst, int64(binary.BigEndian.Uint64(b)))
		return nil
	}
	t.dst = append(t.dst, '[')
	t.dst = strconv.AppendInt(t.dst, int64(h.ext), 10)
	t.dst = append(t.dst, ',')
	if err := t.attachment(h.n); err != nil {
		return err
	}
	t.dst = append(t.dst, ']')
	return nil
}

func (t *toJSON) array(n uint64, depth int) error {
	if depth > socketio.MaxDepth {
		return socketio.ErrDepth
	}
	t.dst = append(t.dst, '[')
	for i := range n {
		if i > 0 {
			t.dst = append(t.dst, ',')
		}
		if err := t.value(depth); err != nil {
			return err
		}
	}
	t.dst = append(t.dst, ']')
	return nil
}

func (t *toJSON) object(n uint64, depth int) error {
	if depth > socketio.MaxDepth {
		return socketio.ErrDepth
	}
	t.dst = append(t.dst, '{')
	for i := range n {
		if i > 0 {
			t.dst = append(t.dst, ',')
		}
		h, err := t.r.head()
		if err != nil {
			return err
		}
		if h.kind != kindStr {
			return ErrKey
		}
		if err := t.str(h.n); err != nil {
			return err
		}
		t.dst = append(t.dst, ':')
		if err := t.value(depth); err != nil {
			return err
		}
	}
	t.dst = append(t.dst, '}')
	return nil
}

// appendFloat appends a number as JSON.stringify does.
func appendFloat(dst []byte, f float64) []byte {
	switch size := math.Abs(f); {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case f == 0: // -0 too
		return append(dst, '0')
	case size < 1e-6 || size >= 1e21:
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' { // e-07
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}
