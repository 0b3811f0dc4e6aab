package scenario

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"strconv"
)

// Bounds of a payload: room for the numbers in it, and what a server takes by default.
const (
	minPayload = 64
	maxPayload = 900_000
)

// mark is what a message carries: its number in the stream of one sender in one room, and when it was to be sent.
type mark struct {
	room, sender int
	seq          uint64
	intended     int64
}

// filler is the text that payloads are filled up with. Which part of it a message has follows from its number, so that a receiver can check
// every byte. Read only.
type filler []byte

// fillerVariety is how many parts of the text messages begin at.
const fillerVariety = 4096

// newFiller makes the text for payloads of a size, the same in every process: words and numbers, which compress to a half, as
// small JSON of applications does, and not to next to nothing as one letter repeated would.
func newFiller(size int) filler {
	random := rand.New(rand.NewPCG(1, 1))
	words := make([]string, 400)
	for i := range words {
		word := make([]byte, 2+random.IntN(8))
		for j := range word {
			word[j] = byte('a' + random.IntN(26))
		}
		words[i] = string(word)
	}
	var f filler
	for len(f) < fillerVariety+size {
		// The product favours the first, as languages do.
		f = append(append(f, words[random.IntN(len(words))*random.IntN(len(words))/len(words)]...), ' ')
		if random.IntN(6) == 0 {
			f = append(strconv.AppendInt(f, int64(random.IntN(10_000)), 10), ' ')
		}
	}
	return f
}

// part is what fills up the last bytes of a message.
func (f filler) part(m mark, size int) []byte {
	start := int(m.seq * 37 % fillerVariety)
	return f[start : start+size]
}

// appendPayload appends a payload of the given size: `room.sender.seq.intended.sum.` and filling, the sum being that of what stands before it. It needs no escapes in JSON.
func (f filler) appendPayload(dst []byte, m mark, size int) []byte {
	start := len(dst)
	dst = append(strconv.AppendInt(dst, int64(m.room), 10), '.')
	dst = append(strconv.AppendInt(dst, int64(m.sender), 10), '.')
	dst = append(strconv.AppendUint(dst, m.seq, 10), '.')
	dst = append(strconv.AppendInt(dst, m.intended, 10), '.')
	dst = append(appendSum(dst, dst[start:]), '.')
	if rest := size - (len(dst) - start); rest > 0 {
		dst = append(dst, f.part(m, rest)...)
	}
	return dst
}

// sumDigits is the length of a sum in a payload.
const sumDigits = 8

// appendSum appends the CRC-32 of a text in hexadecimal digits: no change of a few bytes next to each other leaves it as it is.
func appendSum(dst, text []byte) []byte {
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE(text))
	return hex.AppendEncode(dst, sum[:])
}

// errPayload reports bytes that were not sent.
var errPayload = errors.New("load: a damaged payload")

// What the JSON arrays of events and acknowledgements begin with, before the payload.
const (
	eventPrefix = `["msg",`
	ackPrefix   = `[`
)

// readArgument reads the payload in the JSON array of an event or an acknowledgement. An event of another name, such as a greeting, is not known.
func (f filler) readArgument(array []byte, prefix string, size int) (m mark, known bool, err error) {
	if text, ok := payloadIn(array, prefix); ok {
		if m, ok := f.readPayload(text, size); ok {
			return m, true, nil
		}
	}
	// Servers may write JSON in other ways, with spaces or escapes.
	var elements []any
	if err := json.Unmarshal(array, &elements); err != nil {
		return mark{}, true, errPayload
	}
	if prefix == eventPrefix {
		if len(elements) == 0 || elements[0] != "msg" {
			return mark{}, false, nil
		}
		elements = elements[1:]
	}
	if len(elements) == 0 {
		return mark{}, true, errPayload
	}
	text, _ := elements[0].(string)
	m, ok := f.readPayload([]byte(text), size)
	if !ok {
		return mark{}, true, errPayload
	}
	return m, true, nil
}

// payloadIn returns the string that stands first in a JSON array after a prefix such as `["msg",`: what lies between its quotes.
func payloadIn(array []byte, prefix string) ([]byte, bool) {
	if len(array) < len(prefix)+2 || string(array[:len(prefix)]) != prefix || array[len(prefix)] != '"' {
		return nil, false
	}
	rest := array[len(prefix)+1:]
	end := bytes.IndexByte(rest, '"')
	if end < 0 {
		return nil, false
	}
	return rest[:end], true
}

// readPayload is the inverse of appendPayload. A payload of another size, or with another sum or filling, is damaged.
func (f filler) readPayload(p []byte, size int) (m mark, ok bool) {
	if len(p) != size {
		return mark{}, false
	}
	all := p
	var numbers [4]uint64
	for i := range numbers {
		n := 0
		for ; n < len(p) && p[n] >= '0' && p[n] <= '9'; n++ {
			numbers[i] = numbers[i]*10 + uint64(p[n]-'0')
		}
		if n == 0 || n > 19 || n == len(p) || p[n] != '.' {
			return mark{}, false
		}
		p = p[n+1:]
	}
	var room [sumDigits]byte
	if len(p) <= sumDigits || !bytes.Equal(p[:sumDigits], appendSum(room[:0], all[:len(all)-len(p)])) || p[sumDigits] != '.' {
		return mark{}, false
	}
	p = p[sumDigits+1:]
	m = mark{int(numbers[0]), int(numbers[1]), numbers[2], int64(numbers[3])}
	return m, bytes.Equal(p, f.part(m, len(p)))
}
