package msgpack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The naive references: the same by way of Go values, to compare the real code with.

// bin is binary in a Go value, and undefined what JSON has not.
type bin []byte

// naiveRead reads one value as notepack.io does: numbers as JSON has them, dates as strings. It panics on what is none.
func naiveRead(r *bytes.Reader) any {
	number := func(size int) *big.Int {
		b := make([]byte, size)
		if n, _ := r.Read(b); n < size {
			panic("short")
		}
		return new(big.Int).SetBytes(b)
	}
	text := func(n int64) []byte {
		if n > int64(r.Len()) {
			panic("short")
		}
		return number(int(n)).FillBytes(make([]byte, n))
	}
	signed := func(size int) *big.Int {
		n := number(size)
		if n.Bit(8*size-1) == 1 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
		}
		return n
	}
	list := func(n int64) any {
		all := []any{}
		for range n {
			all = append(all, naiveRead(r))
		}
		return all
	}
	object := func(n int64) any {
		all := map[string]any{}
		for range n {
			key := fmt.Sprint(naiveRead(r)) // only what is skipped has others than strings
			all[key] = naiveRead(r)
		}
		return all
	}
	extension := func(n int64, fixed bool) any {
		kind := signed(1).Int64()
		switch {
		case kind == 0 && !fixed:
			return bin(text(n))
		case kind == 0 && n == 1:
			text(1)
			return nil
		case kind == 0 && n == 8:
			ms := signed(8).Int64()
			if ms < -8.64e15 || ms > 8.64e15 {
				return nil
			}
			t := time.UnixMilli(ms).UTC()
			year := fmt.Sprintf("%04d", t.Year())
			if t.Year() < 0 || t.Year() > 9999 {
				year = fmt.Sprintf("%+07d", t.Year())
			}
			return year + t.Format("-01-02T15:04:05.000Z")
		}
		return []any{json.Number(strconv.FormatInt(kind, 10)), bin(text(n))}
	}
	c := number(1).Int64()
	switch {
	case c < 0x80:
		return json.Number(fmt.Sprint(c))
	case c < 0x90:
		return object(c & 15)
	case c < 0xa0:
		return list(c & 15)
	case c < 0xc0:
		return string(text(c & 31))
	case c >= 0xe0:
		return json.Number(fmt.Sprint(c - 256))
	case c == 0xc0:
		return nil
	case c == 0xc2, c == 0xc3:
		return c == 0xc3
	case c >= 0xc4 && c <= 0xc6:
		return bin(text(number(1 << (c - 0xc4)).Int64()))
	case c >= 0xc7 && c <= 0xc9:
		return extension(number(1<<(c-0xc7)).Int64(), false)
	case c == 0xca:
		return naiveNumber(float64(math.Float32frombits(uint32(number(4).Int64()))))
	case c == 0xcb:
		return naiveNumber(math.Float64frombits(number(8).Uint64()))
	case c >= 0xcc && c <= 0xcf:
		return json.Number(number(1 << (c - 0xcc)).String())
	case c >= 0xd0 && c <= 0xd3:
		return json.Number(signed(1 << (c - 0xd0)).String())
	case c >= 0xd4 && c <= 0xd8:
		return extension(1<<(c-0xd4), true)
	case c >= 0xd9 && c <= 0xdb:
		return string(text(number(1 << (c - 0xd9)).Int64()))
	case c == 0xdc, c == 0xdd:
		return list(number(2 << (c - 0xdc)).Int64())
	case c == 0xde, c == 0xdf:
		return object(number(2 << (c - 0xde)).Int64())
	}
	panic("unused")
}

// naiveNumber is a float as JSON has it.
func naiveNumber(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	if f == 0 {
		return json.Number("0")
	}
	text, err := json.Marshal(f) // as JavaScript does, but for the sign of large exponents
	if err != nil {
		panic(err)
	}
	return json.Number(text)
}

// naiveValue is a value of valid JSON, with its attachments in place, or fails where JavaScript's numbers end.
func naiveValue(text []byte, attachments [][]byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, false
	}
	return naivePut(value, attachments), true
}

func naivePut(value any, attachments [][]byte) any {
	switch v := value.(type) {
	case map[string]any:
		if n, ok := v["num"].(json.Number); ok && v["_placeholder"] == true && len(v) == 2 {
			if i, err := strconv.Atoi(n.String()); err == nil && i >= 0 && i < len(attachments) && !strings.ContainsAny(n.String(), "-+") {
				return bin(attachments[i])
			}
		}
		for key := range v {
			v[key] = naivePut(v[key], attachments)
		}
	case []any:
		for i := range v {
			v[i] = naivePut(v[i], attachments)
		}
	}
	return value
}

// same compares two values as JavaScript would see them.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		if !ok {
			return b == "" && !finite(a) // null stands for what is beyond the range
		}
		x, _ := strconv.ParseFloat(a.String(), 64)
		y, _ := strconv.ParseFloat(b.String(), 64)
		return x == y
	case bin:
		b, ok := b.(bin)
		return ok && bytes.Equal(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !same(a[i], b[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key := range a {
			if other, ok := b[key]; !ok || !same(a[key], other) {
				return false
			}
		}
		return true
	}
	return a == b
}

func finite(n json.Number) bool {
	f, _ := strconv.ParseFloat(n.String(), 64)
	return !math.IsInf(f, 0)
}
