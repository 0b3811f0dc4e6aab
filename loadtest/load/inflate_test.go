package load

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/flate"
)

func TestAgreed(t *testing.T) {
	for head, want := range map[string]struct {
		agreed bool
		err    error
	}{
		"HTTP/1.1 101 x\r\nUpgrade: websocket": {},
		"HTTP/1.1 101 x\r\nsec-websocket-extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover": {agreed: true},
		"HTTP/1.1 101 x\r\nSec-WebSocket-Extensions: permessage-deflate\r\nX: y":                                                 {err: ErrContext},
		"HTTP/1.1 101 x\r\nSec-WebSocket-Extensions: x-other":                                                                    {},
	} {
		if got, err := agreed([]byte(head)); got != want.agreed || !errors.Is(err, want.err) {
			t.Errorf("%q: got %v, %v", head, got, err)
		}
	}
}

// squeezed compresses a message as RFC 7692 says.
func squeezed(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
}

// Messages are told apart, however alike; one that is broken, or far too large, leaves no trace in the next.
func TestInflate(t *testing.T) {
	var f inflater
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := []byte(strings.Repeat(string(rune('a'+random.IntN(3))), random.IntN(40)))
		small := squeezed(t, data)
		for range 1 + random.IntN(2) {
			if got, err := f.inflate(small); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%q: got %q, %v", data, got, err)
			}
		}
		if random.IntN(4) == 0 {
			if got, err := f.inflate([]byte{0xff, 0xff, byte(random.IntN(256))}); err == nil {
				t.Fatalf("no message, and taken: %q", got)
			}
		}
	}
	if _, err := f.inflate(squeezed(t, make([]byte, maxUnfinished+1))); !errors.Is(err, ErrUnfinished) {
		t.Errorf("a message of more than %d bytes: %v", maxUnfinished, err)
	}
}
