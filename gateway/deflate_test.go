package gateway

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"

	"patchbay/backplane"
)

func deflating(o *Options) { o.HTTP.Deflate.On = true }

// deflated opens a session that has offered to compress, and says whether that was agreed on.
func (r *rig) deflated() (*wsClient, bool) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	dialer := ws.Dialer{Extensions: []httphead.Option{wsflate.DefaultParameters.Option()}}
	conn, br, hs, err := dialer.Dial(ctx, r.url("ws", "EIO=4&transport=websocket"))
	if err != nil {
		r.Fatal(err)
	}
	c := r.client(conn, br)
	c.sid = c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)[0]
	return c, len(hs.Extensions) == 1
}

// squeezed reads a message that must be compressed.
func (c *wsClient) squeezed() (text string, size int) {
	c.Helper()
	f, err := c.frame()
	if err != nil {
		c.Fatal(err)
	}
	if !f.Header.Rsv1() {
		c.Fatalf("a message of %d bytes is not compressed", len(f.Payload))
	}
	plain, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(f.Payload), bytes.NewReader(end[:]))))
	if err != nil {
		c.Fatal(err)
	}
	return string(plain), len(f.Payload)
}

// sendSqueezed sends a text message compressed, in one frame or in several.
func (c *wsClient) sendSqueezed(text string, frames int) {
	c.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 9)
	if err != nil {
		c.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		c.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		c.Fatal(err)
	}
	data := bytes.TrimSuffix(b.Bytes(), tail[:])
	for i := range frames {
		part := data[len(data)*i/frames : len(data)*(i+1)/frames]
		h := ws.Header{Fin: i == frames-1, OpCode: ws.OpContinuation, Masked: true, Length: int64(len(part))}
		if i == 0 {
			h.OpCode, h.Rsv = ws.OpText, ws.Rsv(true, false, false)
		}
		var frame bytes.Buffer
		if err := ws.WriteHeader(&frame, h); err != nil {
			c.Fatal(err)
		}
		frame.Write(part) // the mask is zero
		c.Raw(frame.Bytes())
	}
}

// What is large is compressed both ways, once for all who agreed on it, and those who did not get it as it is.
func TestDeflate(t *testing.T) {
	r := newRig(t, deflating)
	one, agreed := r.deflated()
	other, _ := r.deflated()
	if !agreed {
		t.Fatal("the offer was not taken")
	}
	plain, _ := r.join("")
	one.join("")
	other.join("")
	large := `["large","` + strings.Repeat("all work and no play ", 200) + `"]`
	r.app.emitAll("/", large)
	for _, c := range []*wsClient{one, other} {
		if text, size := c.squeezed(); text != "42"+large || size > len(large)/10 {
			t.Errorf("%d bytes: %.60q", size, text)
		}
	}
	plain.Expect("42" + large)
	r.app.emitAll("/", `["small"]`)
	one.Expect(`42["small"]`)
	e := backplane.Emit{Payload: payload(large), Uncompressed: true}
	r.app.publish(e.Encode(r.app.conn.Namespace("/"), ""))
	one.Expect("42" + large)
	for frames := range 4 {
		one.sendSqueezed("42"+large, frames+1)
		r.app.expectEvent(large)
	}
	one.Send("42" + large) // they need not
	r.app.expectEvent(large)
	one.Alive(r.app)
}

// Without the option an offer is not taken, and a compressed message is against the protocol.
func TestNoDeflate(t *testing.T) {
	r := newRig(t)
	c, agreed := r.deflated()
	if agreed {
		t.Error("the offer was taken")
	}
	c.join("")
	c.sendSqueezed(`42["x"]`, 1)
	c.ExpectClose(ws.StatusProtocolError)
}

// A small message that becomes a huge one is refused before it has, and so is what is not compressed as it says.
func TestDeflateBombs(t *testing.T) {
	r := newRig(t, deflating, func(o *Options) { o.Engine.MaxPayload = 100_000 })
	for name, send := range map[string]struct {
		bomb func(*wsClient)
		code ws.StatusCode
	}{
		"a bomb":            {func(c *wsClient) { c.sendSqueezed(`42["`+strings.Repeat("x", 50_000_000)+`"]`, 1) }, ws.StatusMessageTooBig},
		"noise":             {func(c *wsClient) { c.Raw([]byte{0xc1, 0x83, 0, 0, 0, 0, 0xff, 0xff, 0xff}) }, ws.StatusInvalidFramePayloadData},
		"a compressed ping": {func(c *wsClient) { c.Raw([]byte{0xc9, 0x80, 0, 0, 0, 0}) }, ws.StatusProtocolError},
		"a compressed part": {func(c *wsClient) { c.Raw([]byte{0x01, 0x80, 0, 0, 0, 0, 0xc0, 0x80, 0, 0, 0, 0}) }, ws.StatusProtocolError},
		"text that is none": {func(c *wsClient) { c.sendSqueezed("42\xff", 1) }, ws.StatusInvalidFramePayloadData},
	} {
		c, _ := r.deflated()
		c.join("")
		send.bomb(c)
		c.ExpectClose(send.code)
		t.Log(name)
	}
}

// What is large in an answer to polling is compressed for those who accept it.
func TestPollingCompressed(t *testing.T) {
	r := newRig(t)
	for accept, want := range map[string]bool{"gzip, deflate": true, "br;q=1, gzip;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "": false, "br": false} {
		p, id := r.pollJoin()
		large := `["large","` + strings.Repeat("all work and no play ", 200) + `"]`
		r.app.emitSocket(id, "", payload(large))
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url("http", p.query()), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", accept) // so that the client leaves it as it is
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if got := response.Header.Get("Content-Encoding") == "gzip"; got != want {
			t.Errorf("%q: compressed %t", accept, got)
		}
		if want {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if string(body) != "42"+large {
			t.Errorf("%q: %d bytes, %.60q", accept, len(body), body)
		}
	}
}

// FuzzInflate: whatever a client says is compressed, no more than the limit comes of it, and what the standard library reads is read alike.
func FuzzInflate(f *testing.F) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, 1)
	if err != nil {
		f.Fatal(err)
	}
	_, _ = w.Write([]byte(`42["x","` + strings.Repeat("y", 100) + `"]`))
	_ = w.Flush()
	f.Add(bytes.TrimSuffix(b.Bytes(), tail[:]))
	f.Add([]byte{})
	noise := make([]byte, 64)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	f.Add(noise)
	const limit = 1 << 10
	var inflater inflater
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := inflater.inflate(data, limit)
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(io.MultiReader(bytes.NewReader(data), bytes.NewReader(end[:]))), limit+1))
		switch {
		case len(got) > limit:
			t.Fatalf("%d bytes", len(got))
		case wantErr == nil && len(want) <= limit && (err != nil || !bytes.Equal(got, want)):
			t.Fatalf("%q, %v; want %q", got, err, want)
		case wantErr == nil && len(want) > limit && err == nil:
			t.Fatal("more than the limit was taken")
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	d := newDeflater(DeflateOptions{On: true, Threshold: 1, Level: 1})
	p := textPacket(`42["news",{"` + strings.Repeat(`key":"value","`, 100) + `end":1}]`)
	b.ReportAllocs()
	b.SetBytes(int64(len(p.frame)))
	for b.Loop() {
		if d.frame(p) == nil {
			b.Fatal("not compressed")
		}
	}
}
