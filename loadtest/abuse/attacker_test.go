package abuse_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gobwas/ws"
)

// attacker is somebody with an address of his own. His methods panic with a failure when they do not see what they should, which run
// makes an error of.
type attacker struct {
	hosts  []string
	first  int // the gateway that he prefers
	dialer net.Dialer
	open   []net.Conn
	http   http.Client
}

// failure is what an attacker did not see.
type failure struct{ error }

func newAttacker(hosts []string, address string, first int) *attacker {
	a := &attacker{hosts: hosts, first: first % len(hosts), dialer: net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: patience}}
	a.http = http.Client{Timeout: patience, Transport: &http.Transport{DialContext: a.dialer.DialContext, DisableKeepAlives: true}}
	return a
}

func (a *attacker) run(do func(*attacker)) (err error) {
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = f.error
		}
	}()
	do(a)
	return nil
}

func (a *attacker) leave() {
	for _, c := range a.open {
		_ = c.Close()
	}
}

func failf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func must(err error, doing string) {
	if err != nil {
		failf("%s: %w", doing, err)
	}
}

// wire is a bare connection to a gateway.
type wire struct {
	net.Conn
	read *bufio.Reader
}

// dial opens a connection. A gateway that takes no more resets it, which later reads show.
func (a *attacker) dial() *wire {
	c, err := a.dialer.DialContext(context.Background(), "tcp", a.hosts[a.first])
	must(err, "dial")
	a.open = append(a.open, c)
	must(c.SetReadDeadline(time.Now().Add(patience)), "set a deadline")
	return &wire{Conn: c, read: bufio.NewReader(c)}
}

// say writes. That the gateway has closed is no failure: what it said is to be read.
func (w *wire) say(data string) bool {
	must(w.SetWriteDeadline(time.Now().Add(patience)), "set a deadline")
	_, err := io.WriteString(w, data)
	if err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		failf("write: %w", err)
	}
	return err == nil
}

// dribble writes byte by byte, slowly, and wants the connection to end before all is said.
func (w *wire) dribble(data string) {
	var writing sync.WaitGroup
	var all atomic.Bool
	writing.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := range len(data) {
			if _, err := io.WriteString(w, data[i:i+1]); err != nil {
				return
			}
			<-tick.C
		}
		all.Store(true)
	})
	w.ended()
	must(w.Close(), "close")
	if writing.Wait(); all.Load() {
		failf("all was taken")
	}
}

// response reads an HTTP response with its body; what says how it may end otherwise is the error.
func (w *wire) response() (status int, body string, err error) {
	r, err := http.ReadResponse(w.read, nil)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode == http.StatusSwitchingProtocols {
		return r.StatusCode, "", nil
	}
	text, err := io.ReadAll(r.Body)
	return r.StatusCode, string(text), err
}

// answered wants a response with one of some statuses.
func (w *wire) answered(statuses ...int) string {
	status, body, err := w.response()
	for _, want := range statuses {
		if status == want {
			return body
		}
	}
	failf("got status %d %.100q, error %w, want %v", status, body, err, statuses)
	return ""
}

// ended wants the end of the connection, whatever comes before.
func (w *wire) ended() {
	if _, err := io.Copy(io.Discard, w.read); errors.Is(err, os.ErrDeadlineExceeded) {
		failf("the connection goes on")
	}
}

// endedUnanswered wants it without a word before.
func (w *wire) endedUnanswered() {
	text, err := io.ReadAll(w.read)
	if errors.Is(err, os.ErrDeadlineExceeded) || len(text) > 0 {
		failf("got %.100q, error %w, want the end", text, err)
	}
}

const upgradeHead = "Host: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// shake asks for a WebSocket.
func (a *attacker) shake(query, headers string) *wire {
	w := a.dial()
	w.say("GET /socket.io/?EIO=4&transport=websocket" + query + " HTTP/1.1\r\n" + upgradeHead + headers + "\r\n")
	return w
}

// ws opens a session on a WebSocket.
func (a *attacker) ws() *wire {
	w := a.shake("", "")
	w.answered(http.StatusSwitchingProtocols)
	w.next("0{")
	return w
}

// joined opens one that is in "/".
func (a *attacker) joined() *wire {
	w := a.ws()
	w.text(connectPacket(""))
	w.next(`40{"sid"`)
	return w
}

// connectPacket is a CONNECT with a good token.
func connectPacket(nsp string) string {
	if nsp != "" {
		nsp += ","
	}
	return "40" + nsp + `{"token":"` + goodToken("attacker") + `"}`
}

// frame makes a frame, masked; first is its first byte, with the flags and opcode.
func frame(first byte, payload string) string {
	h := ws.Header{Fin: true, OpCode: ws.OpText, Masked: true, Length: int64(len(payload))}
	var b bytes.Buffer
	must(ws.WriteHeader(&b, h), "make a frame") // the mask is zero
	raw := b.Bytes()
	raw[0] = first
	return string(raw) + payload
}

// The first bytes of frames.
const (
	textFrame   = 0x81
	binaryFrame = 0x82
	closeFrame  = 0x88
	pingFrame   = 0x89
)

// text sends text messages.
func (w *wire) text(packets ...string) bool {
	var b strings.Builder
	for _, p := range packets {
		b.WriteString(frame(textFrame, p))
	}
	return w.say(b.String())
}

// message reads the next message; pings are answered on the way if there is nothing better to do.
func (w *wire) message() (ws.Header, string, error) {
	h, err := ws.ReadHeader(w.read)
	if err != nil {
		return h, "", err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(w.read, payload)
	return h, string(payload), err
}

// next reads messages, answering pings, until one begins with a text.
func (w *wire) next(begins string) string {
	for {
		h, text, err := w.message()
		switch {
		case err != nil:
			failf("%w, want %.100q", err, begins)
		case h.OpCode == ws.OpText && text == "2":
			w.text("3")
		case h.OpCode == ws.OpClose:
			code, _ := ws.ParseCloseFrameData([]byte(text))
			failf("closed with %d, want %.100q", code, begins)
		case h.OpCode == ws.OpText && strings.HasPrefix(text, begins):
			return text
		}
	}
}

// closed wants a close frame with a code, 0 for none, and the end.
func (w *wire) closed(code ws.StatusCode) {
	for {
		h, text, err := w.message()
		if err != nil {
			failf("%w, want a close frame with %d", err, code)
		}
		if h.OpCode != ws.OpClose {
			continue
		}
		if got, _ := ws.ParseCloseFrameData([]byte(text)); got != code {
			failf("closed with %d, want %d", got, code)
		}
		w.say(frame(closeFrame, ""))
		w.ended()
		return
	}
}

// alive shows that the connection is none the worse: an event is acknowledged.
func (w *wire) alive() {
	w.text(`4277["message-with-ack","alive"]`)
	w.next(`4377["alive"]`)
}

// do makes a request and returns the answer.
func (a *attacker) do(method, query string, body io.Reader, headers ...string) (status int, text string) {
	r, err := http.NewRequest(method, "http://"+a.hosts[a.first]+"/socket.io/?EIO=4&transport=polling"+query, body)
	must(err, "make a request")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := a.http.Do(r)
	must(err, method)
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(response.Body)
	must(err, "read a response")
	return response.StatusCode, string(data)
}

// poll opens a session by polling, and returns what follows in its requests' queries.
func (a *attacker) poll() (session string) {
	_, text := a.do(http.MethodGet, "", nil)
	var open struct{ SID string }
	must(json.Unmarshal([]byte(strings.TrimPrefix(text, "0")), &open), "handshake")
	return "&sid=" + open.SID
}

// polled opens one that is in "/".
func (a *attacker) polled() (session string) {
	session = a.poll()
	a.posts(session, connectPacket(""), http.StatusOK)
	for {
		if status, text := a.do(http.MethodGet, session, nil); status != http.StatusOK {
			failf("GET: %d %s", status, text)
		} else if strings.Contains(text, `40{"sid"`) {
			return session
		}
	}
}

// upgrading opens one that is in "/", and a WebSocket for it.
func (a *attacker) upgrading() (session string, w *wire) {
	session = a.polled()
	w = a.shake(session, "")
	w.answered(http.StatusSwitchingProtocols)
	return session, w
}

// posts wants a status for a POST.
func (a *attacker) posts(session, body string, want int) {
	if status, text := a.do(http.MethodPost, session, strings.NewReader(body)); status != want {
		failf("POST: %d %.100q, want %d", status, text, want)
	}
}

// tooMuch begins a POST of so many bytes, and wants 413 before they are sent.
func (a *attacker) tooMuch(session string, size int) {
	w := a.dial()
	w.say(fmt.Sprintf("POST /socket.io/?EIO=4&transport=polling%s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n4", session, size))
	w.answered(http.StatusRequestEntityTooLarge)
}

// gone wants the session to be unknown: Engine.IO's error 1.
func (a *attacker) gone(session string) {
	for {
		switch status, text := a.do(http.MethodGet, session, nil); {
		case status == http.StatusBadRequest && strings.Contains(text, `"code":1`):
			return
		case status != http.StatusOK && status != http.StatusBadRequest:
			failf("got %d %.100q, want error 1", status, text)
		}
	}
}
