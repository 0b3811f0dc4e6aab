package msgpack

import (
	"encoding/binary"
	"math"
)

// The encoders of single values, each in its shortest form.

func appendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
}

// appendNegative appends a number below zero.
func appendNegative(dst []byte, n int64) []byte {
	switch {
	case n >= -0x20:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
}

func appendFloat64(dst []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(f))
}

func appendString(dst []byte, s string) []byte {
	return append(appendStrHead(dst, len(s)), s...)
}

func appendStrHead(dst []byte, n int) []byte {
	switch {
	case n < 0x20:
		return append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xd9, byte(n))
	}
	return appendLength(dst, 0xda, n)
}

func appendBytes(dst, b []byte) []byte {
	if len(b) <= math.MaxUint8 {
		dst = append(dst, 0xc4, byte(len(b)))
	} else {
		dst = appendLength(dst, 0xc5, len(b))
	}
	return append(dst, b...)
}

func appendArrayHead(dst []byte, n int) []byte {
	if n < 0x10 {
		return append(dst, 0x90|byte(n))
	}
	return appendLength(dst, 0xdc, n)
}

func appendMapHead(dst []byte, n int) []byte {
	if n < 0x10 {
		return append(dst, 0x80|byte(n))
	}
	return appendLength(dst, 0xde, n)
}

// appendLength appends a length in two bytes after a first byte, or in four
// after the next.
func appendLength(dst []byte, first byte, n int) []byte {
	if n <= math.MaxUint16 {
		return binary.BigEndian.AppendUint16(append(dst, first), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(dst, first+1), uint32(n))
}
