package abuse_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// floods are too many of what one is fine, and too little of what is waited for.
func floods() []abuse {
	return []abuse{
		{slow: true, name: "connections that say nothing", sees: "the end, after the header timeout", do: func(a *attacker) {
			for range 20 {
				a.dial()
			}
			for _, c := range a.open {
				if n, err := io.Copy(io.Discard, c); n > 0 {
					failf("got %d bytes, error %w", n, err)
				}
			}
		}},
		{name: "connections without end from one address", sees: "those beyond the limit end at once", do: func(a *attacker) {
			for range 2 * maxConns {
				a.dial()
			}
			closed := 0
			for _, c := range a.open {
				if _, err := io.Copy(io.Discard, c); err == nil || strings.Contains(err.Error(), "reset") {
					closed++
				}
			}
			if closed < maxConns {
				failf("%d of %d connections end", closed, 2*maxConns)
			}
		}},
		{name: "handshakes without end from one address", sees: "503 beyond the limit of sessions", do: func(a *attacker) {
			refused := 0
			for range 2 * maxSessions {
				w := a.shake("", "")
				switch status, body, err := w.response(); {
				case status == http.StatusServiceUnavailable:
					refused++
				case status != http.StatusSwitchingProtocols:
					failf("got %d %s, error %w", status, body, err)
				}
			}
			if refused == 0 {
				failf("all are let in")
			}
		}},
		{name: "polling handshakes without end from one address", sees: "503 beyond the limit of sessions", do: func(a *attacker) {
			refused := 0
			for range 2 * maxSessions {
				if status, _ := a.do(http.MethodGet, "", nil); status == http.StatusServiceUnavailable {
					refused++
				}
			}
			if refused == 0 {
				failf("all are let in")
			}
		}},
		{slow: true, name: "sessions that join nothing", sees: "the end, after the connect timeout", do: func(a *attacker) {
			w := a.ws()
			for {
				if h, text, err := w.message(); err != nil || h.OpCode == 8 {
					return
				} else if text == "2" {
					w.text("3")
				}
			}
		}},
		{slow: true, name: "headers byte by byte", sees: "the end, after the header timeout", do: func(a *attacker) {
			w := a.dial()
			w.dribble("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 1000))
		}},
		{slow: true, name: "headers byte by byte on a connection that has been good", sees: "the end, after the header timeout", do: func(a *attacker) {
			w := a.dial()
			w.say("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n")
			w.answered(http.StatusOK)
			w.dribble("GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n" + strings.Repeat("X: y\r\n", 1000))
		}},
		{slow: true, name: "a body byte by byte", sees: "408 and the end, after the body timeout; the session is over", do: func(a *attacker) {
			session, w := a.poll(), a.dial()
			w.say("POST /socket.io/?EIO=4&transport=polling" + session + " HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n")
			w.dribble(strings.Repeat("4", 5000))
			a.gone(session)
		}},
		{slow: true, name: "a WebSocket frame byte by byte", sees: "the end, after the ping timeout", do: func(a *attacker) {
			w := a.joined()
			w.dribble(frame(textFrame, `42["message-with-ack","`+strings.Repeat("x", 5000)+`"]`))
		}},
		{slow: true, name: "a WebSocket that does not answer pings", sees: "the end, after the ping timeout", do: func(a *attacker) { a.joined().ended() }},
		{slow: true, name: "events as fast as can be", sees: "its events wait for their turn, and are acknowledged", do: func(a *attacker) {
			w := a.joined()
			for n := range 6 * maxEvents {
				w.text(fmt.Sprintf(`42%d["message-with-ack",%d]`, n, n))
			}
			w.next(fmt.Sprintf("43%d[", 6*maxEvents-1))
		}},
		{name: "a client that never reads", sees: "the end: a slow consumer", do: func(a *attacker) {
			w := a.joined()
			w.text(`42["burst","b",500,10000,null]`, `421["burst","b",500,10000]`)
			a.unread(w)
		}},
		{name: "a client that never polls", sees: "error 1: a slow consumer", do: func(a *attacker) {
			session := a.polled()
			a.posts(session, `421["burst","b",500,10000]`, http.StatusOK)
			for {
				// Error 1 for a POST, and not GETs, which would read.
				if status, text := a.do(http.MethodPost, session, strings.NewReader(`42["message"]`)); strings.Contains(text, `"code":1`) {
					return
				} else if status != http.StatusOK && status != http.StatusBadRequest {
					failf("got %d %s", status, text)
				}
			}
		}},
		{name: "pings and never a look at the pongs", sees: "the end: a slow consumer", do: func(a *attacker) {
			w := a.joined()
			a.unreadBy(w, strings.Repeat(frame(pingFrame, strings.Repeat("p", 125)), 500))
		}},
		{name: "echoes and never a look at them", sees: "the end: a slow consumer", do: func(a *attacker) {
			w := a.joined()
			a.unreadBy(w, strings.Repeat(frame(textFrame, `42["message","`+strings.Repeat("x", 5000)+`"]`), 10))
		}},
		{slow: true, name: "pipelined requests and never a look at the answers", sees: "nothing more is read, in bounded memory", do: func(a *attacker) {
			w := a.dial()
			must(w.SetWriteDeadline(time.Now().Add(time.Second)), "set a deadline")
			for {
				_, err := io.WriteString(w, strings.Repeat("GET /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: h\r\n\r\n", 100))
				if err != nil {
					return
				}
			}
		}},
	}
}

// unread waits until the gateway has closed a connection that nobody reads.
func (a *attacker) unread(w *wire) { a.unreadBy(w, frame(pingFrame, "")) }

// unreadBy says something again and again meanwhile.
func (a *attacker) unreadBy(w *wire, again string) {
	until := time.Now().Add(patience)
	for w.say(again) {
		if time.Now().After(until) {
			failf("the connection goes on")
		}
	}
}
