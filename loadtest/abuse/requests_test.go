package abuse_test

import (
	"net/http"
	"slices"
	"strings"
)

const (
	pollLine = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"
	hostLine = "Host: h\r\n"
)

// asks makes an abuse of a request that is sent as it is: the answer has one of some statuses.
func asks(name, sees, request string, statuses ...int) abuse {
	return abuse{name: name, sees: sees, do: func(a *attacker) {
		w := a.dial()
		w.say(request)
		w.answered(statuses...)
	}}
}

// requests are those that no client makes.
func requests() []abuse {
	return []abuse{
		asks("headers without end", "431", pollLine+strings.Repeat("X: "+strings.Repeat("y", 90)+"\r\n", 1000), 431),
		asks("one header without end", "431", pollLine+"X: "+strings.Repeat("y", 100_000), 431),
		asks("ten thousand headers", "431", pollLine+hostLine+strings.Repeat("X: y\r\n", 10_000)+"\r\n", 431),
		asks("a thousand headers", "an answer: they are short", pollLine+hostLine+strings.Repeat("X: y\r\n", 1000)+"\r\n", 200),
		asks("a request line without end", "431", "GET /socket.io/?"+strings.Repeat("q", 100_000), 431),
		asks("a query as large as may be", "an answer", "GET /socket.io/?EIO=4&transport=polling&x="+strings.Repeat("q", 15_000)+" HTTP/1.1\r\n"+hostLine+"\r\n", 200),
		asks("a thousand parameters", "an answer", "GET /socket.io/?EIO=4&transport=polling"+strings.Repeat("&a=b", 1000)+" HTTP/1.1\r\n"+hostLine+"\r\n", 200),
		asks("a query with line ends in it", "400", "GET /socket.io/?EIO=4&transport=polling&x=\r\nX: y HTTP/1.1\r\n"+hostLine+"\r\n", 400),
		asks("a method that there is none", "Engine.IO's error 2", "BREW /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n"+hostLine+"\r\n", 400),
		asks("HTTP/2 from the start", "an error", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 404, 405, 505),
		asks("no HTTP at all", "400", "\x00\x01\x02\x03\r\n\r\n", 400),
		asks("TLS where there is none", "400", "\x16\x03\x01\x00\x05hello\r\n\r\n", 400),
		asks("a path out of the directory", "404", "GET /socket.io/../../../../etc/passwd HTTP/1.1\r\n"+hostLine+"\r\n", 301, 404),
		asks("the same, encoded", "404", "GET /socket.io/%2e%2e%2f%2e%2e%2fetc%2fpasswd HTTP/1.1\r\n"+hostLine+"\r\n", 400, 404),
		asks("a transport that there is none", "Engine.IO's error 0", "GET /socket.io/?EIO=4&transport=carrier%0d%0apigeon HTTP/1.1\r\n"+hostLine+"\r\n", 400),
		asks("a protocol that there is none", "Engine.IO's error 5", "GET /socket.io/?EIO=99&transport=polling HTTP/1.1\r\n"+hostLine+"\r\n", 400),
		asks("a WebSocket without a key", "400", "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"+hostLine+"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", 400),
		asks("a WebSocket of another version", "426", strings.Replace("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"+upgradeHead+"\r\n", "13", "99", 1), 400, 426),
		asks("a WebSocket without Connection", "400", strings.Replace("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n"+upgradeHead+"\r\n", "Connection", "X", 1), 400),
		asks("a length beyond all bounds", "413", "POST /socket.io/?EIO=4&transport=polling&sid=SID HTTP/1.1\r\n"+hostLine+"Content-Length: 10000000000\r\n\r\n", 400, 413),
		asks("a length that is no number", "400", "POST /socket.io/?EIO=4&transport=polling&sid=SID HTTP/1.1\r\n"+hostLine+"Content-Length: 99999999999999999999999\r\n\r\n", 400),
		asks("a negative length", "400", "POST /socket.io/?EIO=4&transport=polling&sid=SID HTTP/1.1\r\n"+hostLine+"Content-Length: -1\r\n\r\n", 400),
		{name: "a POST that announces ten gigabytes", sees: "413, and its session lives", do: func(a *attacker) {
			session := a.polled()
			a.tooMuch(session, 10_000_000_000)
			a.posts(session, `42["message"]`, http.StatusOK)
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "a POST of chunks without end", sees: "413, or a reset", do: func(a *attacker) {
			session, w := a.polled(), a.dial()
			w.say("POST /socket.io/?EIO=4&transport=polling" + session + " HTTP/1.1\r\n" + hostLine + "Transfer-Encoding: chunked\r\n\r\n")
			for w.say("1000\r\n" + strings.Repeat("4", 0x1000) + "\r\n") {
			}
			if status, body, err := w.response(); err == nil && status != http.StatusRequestEntityTooLarge {
				failf("got %d %s", status, body)
			}
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "a POST that breaks off", sees: "its session is over", do: func(a *attacker) {
			session, w := a.poll(), a.dial()
			w.say("POST /socket.io/?EIO=4&transport=polling" + session + " HTTP/1.1\r\n" + hostLine + "Content-Length: 100\r\n\r\n40")
			must(w.Close(), "close")
			a.gone(session)
		}},
		{name: "two POSTs at once", sees: "400, and the session is over", do: func(a *attacker) {
			session, one := a.poll(), a.dial()
			one.say("POST /socket.io/?EIO=4&transport=polling" + session + " HTTP/1.1\r\n" + hostLine + "Content-Length: 100\r\n\r\n40")
			for {
				if status, _ := a.do(http.MethodPost, session, strings.NewReader("3")); status != http.StatusOK {
					break
				}
			}
			a.gone(session)
		}},
		{name: "two GETs at once", sees: "the first gets packet 1, the second 400", do: func(a *attacker) {
			session, one, two := a.polled(), a.dial(), a.dial()
			a.settle(session)
			for _, w := range []*wire{one, two} {
				w.say("GET /socket.io/?EIO=4&transport=polling" + session + " HTTP/1.1\r\n" + hostLine + "\r\n")
			}
			if text := one.answered(200, 400) + two.answered(200, 400); !strings.HasPrefix(text, "1") && text != "" {
				failf("got %q", text)
			}
			a.gone(session)
		}},
	}
}

// settle takes what the session has been sent so far, and answers the last ping.
func (a *attacker) settle(session string) {
	a.posts(session, `429["message-with-ack","settled"]`, http.StatusOK)
	for {
		status, text := a.do(http.MethodGet, session, nil)
		if status != http.StatusOK {
			failf("GET: %d %s", status, text)
		}
		if slices.Contains(strings.Split(text, "\x1e"), "2") {
			a.posts(session, "3", http.StatusOK)
		}
		if strings.Contains(text, "439[") {
			return
		}
	}
}

// smuggling are requests of which two readers make different things.
func smuggling() []abuse {
	const hidden = "GET /socket.io/?EIO=4&transport=polling&hidden=1 HTTP/1.1\r\nHost: h\r\n\r\n"
	post := "POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n"
	return []abuse{
		{name: "a length and chunks", sees: "an answer, and the end: what follows is not read", do: func(a *attacker) {
			w := a.dial()
			w.say(post + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
			w.answered(400)
			w.endedUnanswered()
		}},
		asks("two lengths that differ", "400", post+"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
		asks("two lengths in one", "400", post+"Content-Length: 5, 6\r\n\r\nhello", 400),
		asks("a length with a sign", "400", post+"Content-Length: +5\r\n\r\nhello", 400),
		asks("chunks that are none", "501", post+"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400, 501),
		asks("chunks twice", "501", post+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400, 501),
		asks("a space before the colon", "400", post+"Content-Length : 5\r\n\r\nhello", 400),
		asks("a folded header", "400, or taken as one", pollLine+hostLine+"X: a\r\n Content-Length: 5\r\n\r\n", 200, 400),
		asks("two hosts", "400", pollLine+hostLine+"Host: other\r\n\r\n", 400),
		asks("no host", "400", pollLine+"\r\n", 400),
		asks("NUL in a header", "400", pollLine+hostLine+"X: a\x00b\r\n\r\n", 400),
		{name: "a chunk with a bad size", sees: "400, and the end", do: func(a *attacker) {
			session, w := a.poll(), a.dial()
			w.say("POST /socket.io/?EIO=4&transport=polling" + session + " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n" + hidden)
			w.ended()
			a.gone(session)
		}},
		{name: "a request behind a WebSocket handshake that is refused", sees: "one answer, and the end", do: func(a *attacker) {
			w := a.dial()
			w.say("GET /socket.io/?EIO=4&transport=websocket&sid=forged HTTP/1.1\r\n" + upgradeHead + "\r\n" + hidden)
			w.answered(400)
			w.endedUnanswered()
		}},
		{name: "a request behind a WebSocket handshake that is accepted", sees: "frames that break the protocol: 1002", do: func(a *attacker) {
			w := a.dial()
			w.say("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + upgradeHead + "Content-Length: 5\r\n\r\n" + hidden)
			w.answered(http.StatusSwitchingProtocols)
			w.closed(1002)
		}},
	}
}
