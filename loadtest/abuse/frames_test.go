package abuse_test

import (
	"bytes"
	"compress/flate"
	"net/http"
	"strings"

	"github.com/gobwas/ws"
)

// framed makes an abuse of bytes on a WebSocket that is in a namespace: it is closed with a code.
func framed(name, sees, bytes string, code ws.StatusCode) abuse {
	return abuse{name: name, sees: sees, do: func(a *attacker) {
		w := a.joined()
		w.say(bytes)
		w.closed(code)
	}}
}

// lives makes one that does no harm.
func lives(name, sees, bytes string) abuse {
	return abuse{name: name, sees: sees, do: func(a *attacker) {
		w := a.joined()
		w.say(bytes)
		w.alive()
	}}
}

// frames are WebSocket's (RFC 6455, section 5).
func frames() []abuse {
	const mask = "\x00\x00\x00\x00"
	return []abuse{
		framed("a frame of four exabytes", "1009, from the announced length alone", "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00"+mask, 1009),
		framed("a frame of a negative length", "1002", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"+mask, 1002),
		framed("a frame just over the payload", "1009", "\x81\xff\x00\x00\x00\x00\x00\x01\x86\xa1"+mask, 1009),
		{name: "fragments without end", sees: "1009", do: func(a *attacker) {
			w := a.joined()
			w.say(frame(0x01, `42["`))
			for range 3 * maxPayload / 1000 {
				w.say(frame(0x00, strings.Repeat("x", 1000)))
			}
			w.closed(1009)
		}},
		lives("a hundred thousand empty fragments", "nothing", frame(0x01, "42[")+strings.Repeat(frame(0x00, ""), 100_000)+frame(0x80, `"nothing"]`)),
		framed("a frame that is not masked", "1002", "\x81\x02hi", 1002),
		framed("reserved bit 1 without compression", "1002", frame(0xc1, "hi"), 1002),
		framed("reserved bit 2", "1002", frame(0xa1, "hi"), 1002),
		framed("reserved bit 3", "1002", frame(0x91, "hi"), 1002),
		framed("a reserved opcode", "1002", frame(0x83, "hi"), 1002),
		framed("a reserved control opcode", "1002", frame(0x8b, "hi"), 1002),
		framed("a continuation of nothing", "1002", frame(0x80, "hi"), 1002),
		framed("a message within another", "1002", frame(0x01, "4")+frame(textFrame, "2"), 1002),
		framed("a ping in fragments", "1002", frame(0x09, "hi"), 1002),
		framed("a ping of 126 bytes", "1002", frame(pingFrame, strings.Repeat("p", 126)), 1002),
		framed("text that is not UTF-8", "1007", frame(textFrame, "42[\"\xff\xfe\"]"), 1007),
		framed("UTF-8 that breaks off", "1007", frame(textFrame, "42[\"\xe2\x82"), 1007),
		framed("surrogates in UTF-8", "1007", frame(textFrame, "42[\"\xed\xa0\x80\"]"), 1007),
		framed("a close frame of one byte", "a close frame", frame(closeFrame, "\x03"), 0),
		framed("a close frame with a code that there is none", "a close frame", frame(closeFrame, "\x00\x01bad\xff"), 0),
		lives("pongs that nobody asked for", "nothing", strings.Repeat(frame(0x8a, "pong"), 5000)),
		{name: "a message that inflates without end", sees: "1009", do: func(a *attacker) {
			message := bomb(10 << 20)
			w := a.shake("", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n")
			w.answered(http.StatusSwitchingProtocols)
			w.say(frame(0xc1, message))
			w.closed(1009)
		}},
		{name: "a message that does not inflate", sees: "1007", do: func(a *attacker) {
			w := a.shake("", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n")
			w.answered(http.StatusSwitchingProtocols)
			w.say(frame(0xc1, "\xff\xff\xff\xff"))
			w.closed(1007)
		}},
		{name: "an offer of extensions without end", sees: "an answer, without them", do: func(a *attacker) {
			w := a.shake("", "Sec-WebSocket-Extensions: "+strings.Repeat("permessage-deflate; x=y, ", 400)+"z\r\n")
			w.answered(http.StatusSwitchingProtocols, http.StatusBadRequest)
		}},
	}
}

// bomb is so many equal bytes, compressed for a WebSocket.
func bomb(size int) string {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	must(err, "compress")
	block := bytes.Repeat([]byte("4"), 1<<20)
	for range size >> 20 {
		_, err := w.Write(block)
		must(err, "compress")
	}
	must(w.Flush(), "compress")
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
}
