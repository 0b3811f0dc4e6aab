package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// What a client that compresses sends with its requests. Without context takeover each message stands for itself (RFC 7692, section 7.1.1).
const (
	deflateOffer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
	gzipOffer    = "Accept-Encoding: gzip\r\n"
)

// ErrContext reports a server that takes the offer of permessage-deflate without the promise that goes with it.
var ErrContext = errors.New("load: the server keeps a context between compressed messages")

// agreed tells whether the answer to a WebSocket handshake takes the offer to compress.
func agreed(head []byte) (bool, error) {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Sec-WebSocket-Extensions")) || !bytes.Contains(value, []byte("permessage-deflate")) {
			continue
		}
		if !bytes.Contains(value, []byte("server_no_context_takeover")) {
			return false, ErrContext
		}
		return true, nil
	}
	return false, nil
}

// ending completes a compressed message: the tail that was left out of it, and an empty last block (RFC 7692, section 7.2.2).
const ending = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// memory is how many messages an inflater knows again: more than a broadcaster usually has in flight.
const memory = 16

// inflater decompresses a loop's messages. Since each stands for itself, a broadcast is the same bytes for every member: the last messages are kept, and
// not decompressed again, so that two thousand receivers in one process can keep up with their server. Owned by its loop.
type inflater struct {
	reader io.ReadCloser
	known  [memory]inflated
	next   int // of them, to be overwritten
}

// inflated is a message as it came, and what it says.
type inflated struct {
	data []byte
	text bytes.Buffer
}

// inflate decompresses a message. The result is valid until the next.
func (f *inflater) inflate(data []byte) ([]byte, error) {
	for i := range f.known {
		if k := &f.known[i]; len(k.data) > 0 && bytes.Equal(k.data, data) {
			return k.text.Bytes(), nil
		}
	}
	k := &f.known[f.next]
	f.next = (f.next + 1) % memory
	k.data = k.data[:0] // nothing that is broken is known
	whole := io.MultiReader(bytes.NewReader(data), strings.NewReader(ending))
	if f.reader == nil {
		f.reader = flate.NewReader(whole)
	} else if err := f.reader.(flate.Resetter).Reset(whole, nil); err != nil {
		return nil, err
	}
	k.text.Reset()
	if err := limited(&k.text, f.reader); err != nil {
		return nil, err
	}
	k.data = append(k.data, data...)
	return k.text.Bytes(), nil
}

// unzipped is the body of a response in gzip, or as it came.
func unzipped(response *http.Response) ([]byte, error) {
	body := io.Reader(response.Body)
	if response.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, err
		}
		body = z
	}
	var b bytes.Buffer
	err := limited(&b, body)
	return b.Bytes(), err
}

// limited reads to the end of what must not be longer than any message.
func limited(to *bytes.Buffer, from io.Reader) error {
	n, err := to.ReadFrom(io.LimitReader(from, maxUnfinished+1))
	switch {
	case err != nil:
		return err
	case n > maxUnfinished:
		return fmt.Errorf("%w, decompressed", ErrUnfinished)
	}
	return nil
}
