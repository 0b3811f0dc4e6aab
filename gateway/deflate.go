package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// DeflateOptions are those of compression on WebSockets (permessage-deflate, RFC 7692). Neither side keeps a context from one message to
// the next: so one compressed frame serves all recipients of a broadcast, and an idle connection has no state for it.
type DeflateOptions struct {
	On        bool `name:"deflate" help:"Compress WebSocket messages for clients that offer permessage-deflate."`
	Threshold int  `name:"deflate-threshold" default:"1024" help:"Size in bytes from which messages are compressed."`
	Polling   int  `name:"http-threshold" default:"1024" help:"Size in bytes from which answers to polling requests are compressed (gzip) for clients that accept it; negative for never."`
	Level     int  `name:"deflate-level" default:"1" help:"How hard to try, from 1, the quickest, to 9."`
}

// errInflated reports a message that is larger than maxPayload once it is decompressed.
var errInflated = errors.New("gateway: a message that is too large when decompressed")

func (o *DeflateOptions) check() error {
	if o.Threshold < 0 || o.Level < flate.BestSpeed || o.Level > flate.BestCompression {
		return fmt.Errorf("%w: deflate-level is 1 to 9, and deflate-threshold not negative", ErrOptions)
	}
	return nil
}

// deflater compresses. Safe for concurrent use.
type deflater struct {
	options DeflateOptions
	writers sync.Pool
	zippers sync.Pool
}

// squeezer is a writer and where it writes to.
type squeezer struct {
	out    bytes.Buffer
	writer *flate.Writer
}

func newDeflater(o DeflateOptions) *deflater {
	d := &deflater{options: o}
	d.writers.New = func() any {
		s := new(squeezer)
		writer, err := flate.NewWriter(&s.out, o.Level)
		if err != nil {
			panic("gateway: a level that was not checked: " + err.Error())
		}
		s.writer = writer
		return s
	}
	d.zippers.New = func() any {
		z := new(zipper)
		writer, err := gzip.NewWriterLevel(&z.out, o.Level)
		if err != nil {
			panic("gateway: a level that was not checked: " + err.Error())
		}
		z.writer = writer
		return z
	}
	return d
}

// zipper is a gzip writer and where it writes to.
type zipper struct {
	out    bytes.Buffer
	writer *gzip.Writer
}

// worthwhile reports whether the answer to a polling request is to be compressed.
func (d *deflater) worthwhile(r *http.Request, size int) bool {
	if d.options.Polling < 0 || size < d.options.Polling {
		return false
	}
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		if name, quality, _ := strings.Cut(one, ";"); strings.TrimSpace(name) == "gzip" {
			return strings.Trim(strings.ReplaceAll(quality, " ", ""), "0.") != "q="
		}
	}
	return false
}

// gzip compresses an answer.
func (d *deflater) gzip(body []byte) []byte {
	z, ok := d.zippers.Get().(*zipper)
	if !ok {
		return body
	}
	defer d.zippers.Put(z)
	z.out.Reset()
	z.writer.Reset(&z.out)
	// Writing to memory does not fail.
	_, _ = z.writer.Write(body)
	_ = z.writer.Close()
	return bytes.Clone(z.out.Bytes())
}

// tail is what ends a flushed block, and is left out of a message (RFC 7692, section 7.2.1).
var tail = [...]byte{0, 0, 0xff, 0xff}

// frame makes a compressed frame of a packet; nil if it would not be smaller.
func (d *deflater) frame(p *packet) *packet {
	s, ok := d.writers.Get().(*squeezer)
	if !ok {
		return nil
	}
	defer d.writers.Put(s)
	s.out.Reset()
	s.writer.Reset(&s.out)
	payload := p.payload()
	// Writing to memory does not fail.
	_, _ = s.writer.Write(payload)
	_ = s.writer.Flush()
	squeezed := bytes.TrimSuffix(s.out.Bytes(), tail[:])
	if len(squeezed) >= len(payload) {
		return nil
	}
	op := ws.OpText
	if p.binary {
		op = ws.OpBinary
	}
	small := finishFrame(append(newFrame(len(squeezed)), squeezed...), op)
	small.frame[0] |= rsv1
	return small
}

// rsv1 is the bit in a frame's first byte that says that its message is compressed.
const rsv1 = 0x40

// all are a wire's packets, compressed where that is worth it.
func (d *deflater) all(w *wire) []packet {
	packets := make([]packet, 0, 1+len(w.attached))
	add := func(p *packet) {
		if len(p.frame) >= d.options.Threshold {
			if small := d.frame(p); small != nil {
				p = small
			}
		}
		packets = append(packets, *p)
	}
	add(&w.text)
	for i := range w.attached {
		add(&w.attached[i])
	}
	return packets
}

// squeezes reports whether a wire is to be sent compressed to a session.
func (d *deflater) squeezes(s *session, w *wire) bool {
	if s.conn == nil || !s.conn.deflates || w.plain || s.old() {
		return false
	}
	if len(w.text.frame) >= d.options.Threshold {
		return true
	}
	for i := range w.attached {
		if len(w.attached[i].frame) >= d.options.Threshold {
			return true
		}
	}
	return false
}

// negotiate answers a client's offer: neither side keeps a context.
func (d *deflater) negotiate(h *upgradeHandshake) func(httphead.Option) (httphead.Option, error) {
	if !d.options.On {
		return nil
	}
	extension := wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
	return func(offer httphead.Option) (httphead.Option, error) {
		answer, err := extension.Negotiate(offer)
		if err != nil {
			return httphead.Option{}, nil // an offer that we do not understand is one that we do not take
		}
		if answer.Size() > 0 {
			h.deflates = true
		}
		return answer, nil
	}
}

// inflater decompresses a loop's messages, one at a time. Owned by its loop, and made with the first.
type inflater struct {
	in     bytes.Reader
	ends   bytes.Reader
	reader io.ReadCloser
	out    bytes.Buffer
}

// end is what a message is completed with: what was left out of it, and an empty last block.
var end = [...]byte{0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff}

// inflate decompresses a message; the result is valid until the next. Its errors are errInflated, and those of the format.
func (f *inflater) inflate(data []byte, limit int) ([]byte, error) {
	f.in.Reset(data)
	f.ends.Reset(end[:])
	whole := io.MultiReader(&f.in, &f.ends)
	if f.reader == nil {
		f.reader = flate.NewReader(whole)
	} else if err := f.reader.(flate.Resetter).Reset(whole, nil); err != nil {
		return nil, err
	}
	f.out.Reset()
	n, err := f.out.ReadFrom(io.LimitReader(f.reader, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case n > int64(limit):
		return nil, errInflated
	}
	return f.out.Bytes(), nil
}
