package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
)

// longName is a name whose token is hashed.
var longName = strings.Repeat("long", 50)

// matches compares a text with a pattern in which * stands for anything, and returns what it stood for.
func matches(pattern, text string) (stood []string, ok bool) {
	parts := strings.Split(pattern, "*")
	text, ok = strings.CutPrefix(text, parts[0])
	for i, part := range parts[1:] {
		at := strings.Index(text, part)
		if i == len(parts)-2 && strings.HasSuffix(text, part) {
			at = len(text) - len(part)
		}
		if !ok || at < 0 {
			return nil, false
		}
		stood = append(stood, text[:at])
		text = text[at+len(part):]
	}
	return stood, ok && text == ""
}

// wsClient is a client on WebSocket.
type wsClient struct {
	testing.TB
	net net.Conn
	r   *bufio.Reader
	sid string
}

// url is an address of the gateway's endpoint.
func (r *rig) url(scheme, query string) string {
	return scheme + "://" + r.gw.Addr().String() + "/socket.io/?" + query
}

// dial opens a WebSocket, without a word.
func (r *rig) dial(query string) *wsClient {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	c, br, _, err := ws.Dial(ctx, r.url("ws", query))
	if err != nil {
		r.Fatal(err)
	}
	return r.client(c, br)
}

func (r *rig) client(c net.Conn, br *bufio.Reader) *wsClient {
	if br == nil {
		br = bufio.NewReader(c)
	}
	r.Cleanup(func() { c.Close() })
	return &wsClient{TB: r.TB, net: c, r: br}
}

// ws opens a session on WebSocket.
func (r *rig) ws() *wsClient {
	r.Helper()
	c := r.dial("EIO=4&transport=websocket")
	c.sid = c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)[0]
	return c
}

// join opens a session on WebSocket and joins a namespace, the root if it is empty; it returns the socket id too.
func (r *rig) join(nsp string) (*wsClient, string) {
	r.Helper()
	c := r.ws()
	return c, c.join(nsp)
}

func (c *wsClient) join(nsp string) string {
	c.Helper()
	if nsp != "" {
		nsp += ","
	}
	c.Send("40" + nsp)
	return c.Expect("40" + nsp + `{"sid":"*"}`)[0]
}

// Send sends text messages.
func (c *wsClient) Send(texts ...string) {
	c.Helper()
	var b bytes.Buffer
	for _, text := range texts {
		b.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text)))))
	}
	c.Raw(b.Bytes())
}

// SendBinary sends a binary message.
func (c *wsClient) SendBinary(data string) {
	c.Helper()
	c.Raw(ws.MustCompileFrame(ws.MaskFrame(ws.NewBinaryFrame([]byte(data)))))
}

// Raw writes bytes. A peer that has closed is no error: what it said is to be read.
func (c *wsClient) Raw(data []byte) {
	c.Helper()
	if err := c.net.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
	if _, err := c.net.Write(data); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		c.Fatal(err)
	}
}

// frame reads the next frame.
func (c *wsClient) frame() (ws.Frame, error) {
	c.Helper()
	if err := c.net.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
	h, err := ws.ReadHeader(c.r)
	if err != nil {
		return ws.Frame{}, err
	}
	f := ws.Frame{Header: h, Payload: make([]byte, h.Length)}
	_, err = io.ReadFull(c.r, f.Payload)
	return f, err
}

// Expect reads a text message for each pattern, and returns what the stars stood for.
func (c *wsClient) Expect(patterns ...string) (stood []string) {
	c.Helper()
	for _, pattern := range patterns {
		f, err := c.frame()
		if err != nil {
			c.Fatalf("%v, want %s", err, pattern)
		}
		got, ok := matches(pattern, string(f.Payload))
		if !ok || f.Header.OpCode != ws.OpText || !f.Header.Fin || f.Header.Masked {
			c.Fatalf("got %+v %q, want %s", f.Header, f.Payload, pattern)
		}
		stood = append(stood, got...)
	}
	return stood
}

// ExpectBinary reads binary messages.
func (c *wsClient) ExpectBinary(all ...string) {
	c.Helper()
	for _, want := range all {
		f, err := c.frame()
		if err != nil || f.Header.OpCode != ws.OpBinary || string(f.Payload) != want {
			c.Fatalf("got %+v %q, error %v, want binary %q", f.Header, f.Payload, err, want)
		}
	}
}

// ExpectClose reads a close frame with a code, 0 for none, and then the end.
func (c *wsClient) ExpectClose(code ws.StatusCode) {
	c.Helper()
	f, err := c.frame()
	if err != nil || f.Header.OpCode != ws.OpClose {
		c.Fatalf("got %+v %q, error %v, want a close frame", f.Header, f.Payload, err)
	}
	got, _ := ws.ParseCloseFrameData(f.Payload)
	if got != code {
		c.Fatalf("closed with %d, want %d", got, code)
	}
	c.Raw(ws.MustCompileFrame(ws.MaskFrame(ws.NewCloseFrame(nil))))
	c.ExpectEnd()
}

// ExpectEnd reads the end of the connection.
func (c *wsClient) ExpectEnd() {
	c.Helper()
	f, err := c.frame()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		c.Fatalf("got %+v %q, error %v, want the end", f.Header, f.Payload, err)
	}
	c.net.Close()
}

// Alive has the client talk to the app, to show that it is none the worse for what others did.
func (c *wsClient) Alive(a *app) {
	c.Helper()
	c.Send(`42["alive"]`)
	a.expectEvent(`["alive"]`)
}

// pollClient is a client on long-polling, with connections of its own.
type pollClient struct {
	testing.TB
	rig    *rig
	http   *http.Client
	sid    string
	queued []string
}

// answer is an HTTP response, read.
type answer struct {
	status int
	body   string
	header http.Header
}

func (r *rig) browser() *pollClient {
	transport := &http.Transport{}
	r.Cleanup(transport.CloseIdleConnections)
	return &pollClient{TB: r.TB, rig: r, http: &http.Client{Transport: transport, Timeout: patience}}
}

// poll opens a session on polling.
func (r *rig) poll() *pollClient {
	r.Helper()
	p := r.browser()
	a := p.Do(http.MethodGet, "EIO=4&transport=polling", "")
	var open struct{ SID string }
	if a.status != http.StatusOK || !strings.HasPrefix(a.body, "0{") || json.Unmarshal([]byte(a.body[1:]), &open) != nil {
		r.Fatalf("handshake: %+v", a)
	}
	p.sid = open.SID
	return p
}

// pollJoin opens a session on polling and joins the root; it returns the socket id too.
func (r *rig) pollJoin() (*pollClient, string) {
	r.Helper()
	p := r.poll()
	p.Send("40")
	return p, p.Expect(`40{"sid":"*"}`)[0]
}

// Do makes a request.
func (p *pollClient) Do(method, query, body string, headers ...string) answer {
	p.Helper()
	a, err := p.try(p.Context(), method, p.rig.url("http", query), body, headers...)
	if err != nil {
		p.Fatal(err)
	}
	return a
}

func (p *pollClient) try(ctx context.Context, method, url, body string, headers ...string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := p.http.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(data), res.Header}, err
}

func (p *pollClient) query() string { return "EIO=4&transport=polling&sid=" + p.sid }

// Get makes a GET of the session.
func (p *pollClient) Get() answer {
	p.Helper()
	return p.Do(http.MethodGet, p.query(), "")
}

// GetSoon makes a GET and does not wait for the answer.
func (p *pollClient) GetSoon(ctx context.Context) <-chan answer {
	got := make(chan answer, 1)
	go func() {
		a, err := p.try(ctx, http.MethodGet, p.rig.url("http", p.query()), "")
		if err != nil {
			a.body = err.Error()
		}
		got <- a
	}()
	return got
}

// Post posts packets.
func (p *pollClient) Post(packets ...string) answer {
	p.Helper()
	return p.Do(http.MethodPost, p.query(), strings.Join(packets, "\x1e"))
}

// Send posts packets, which must be taken.
func (p *pollClient) Send(packets ...string) {
	p.Helper()
	if a := p.Post(packets...); a.status != http.StatusOK || a.body != "ok" {
		p.Fatalf("POST: %d %s", a.status, a.body)
	}
}

// Expect polls for a packet for each pattern, and returns what the stars stood for.
func (p *pollClient) Expect(patterns ...string) (stood []string) {
	p.Helper()
	for _, pattern := range patterns {
		if len(p.queued) == 0 {
			a := p.Get()
			if a.status != http.StatusOK {
				p.Fatalf("GET: %d %s, want %s", a.status, a.body, pattern)
			}
			p.queued = strings.Split(a.body, "\x1e")
		}
		got, ok := matches(pattern, p.queued[0])
		if !ok {
			p.Fatalf("got %q, want %s", p.queued, pattern)
		}
		p.queued = p.queued[1:]
		stood = append(stood, got...)
	}
	return stood
}

// polls waits until the session has a GET open.
func (p *pollClient) polls() {
	p.Helper()
	eventually(p, "an open GET", func() bool {
		open := false
		if s, l := p.rig.session(p.sid); s != nil {
			p.rig.onLoop(l, func() { open = s.get != nil })
		}
		return open
	})
}

// session finds a session and its loop; its fields are to be touched on the loop alone.
func (r *rig) session(sid string) (s *session, l *loop) {
	r.Helper()
	id, ok := newSealer(r.gw.secret).open(sid)
	if !ok {
		r.Fatalf("not a session id: %s", sid)
	}
	l = r.gw.loops[id.loop]
	r.onLoop(l, func() { s = l.sessions[id.key] })
	return s, l
}

// probe opens a WebSocket for a polling session and has its probe answered.
func (p *pollClient) probe() *wsClient {
	p.Helper()
	c := p.rig.dial("EIO=4&transport=websocket&sid=" + p.sid)
	c.Send("2probe")
	c.Expect("3probe")
	c.sid = p.sid
	return c
}

// raw opens a bare TCP connection.
func (r *rig) raw() *wsClient {
	r.Helper()
	c, err := net.Dial("tcp", r.gw.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	return r.client(c, nil)
}

// response reads an HTTP response from a bare connection.
func (c *wsClient) response() answer {
	c.Helper()
	if err := c.net.SetReadDeadline(time.Now().Add(patience)); err != nil {
		c.Fatal(err)
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return answer{status: res.StatusCode, header: res.Header}
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return answer{res.StatusCode, string(data), res.Header}
}

// handshake is a WebSocket handshake as text.
func handshake(query string, headers ...string) string {
	text := "GET /socket.io/?" + query + " HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	for _, h := range headers {
		text += h + "\r\n"
	}
	return text + "\r\n"
}

// pong reads the answer to a WebSocket ping.
func (c *wsClient) pong(want string) {
	c.Helper()
	f, err := c.frame()
	if err != nil || f.Header.OpCode != ws.OpPong || string(f.Payload) != want {
		c.Fatalf("got %+v %q, error %v, want pong %q", f.Header, f.Payload, err, want)
	}
}

// maskedFrame compiles one frame as a client sends it.
func maskedFrame(fin bool, op ws.OpCode, data string) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, fin, []byte(data))))
}
