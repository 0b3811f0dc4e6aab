package abuse_test

import (
	"fmt"
	"strings"
)

const placeholder = `{"_placeholder":true,"num":0}`

// attached makes an abuse of a packet with attachments: the session is closed.
func attached(name, sees, packet string, attachments ...string) abuse {
	return abuse{name: name, sees: sees, do: func(a *attacker) {
		w := a.joined()
		w.text(packet)
		for _, data := range attachments {
			w.say(frame(binaryFrame, data))
		}
		w.closed(0)
	}}
}

// payloads are Socket.IO's packets.
func payloads() []abuse {
	return []abuse{
		spoken("a packet type that there is none", "the end", "49"),
		spoken("a second CONNECT", "the end", connectPacket("")),
		spoken("an event for a namespace that is not joined", "the end", `42/custom,["message"]`),
		spoken("a packet that servers send", "the end", `44{"message":"x"}`),
		spoken("a goodbye with a payload", "the end", `41{"x":1}`),
		spoken("an event that is no JSON", "the end", `42["message",`),
		spoken("an event that is no array", "the end", `42{"message":1}`),
		spoken("a reserved event", "the end", `42["disconnect"]`),
		spoken("an ack id beyond all bounds", "the end", `42`+strings.Repeat("9", 1000)+`["message"]`),
		{name: "an event before CONNECT", sees: "the end", do: func(a *attacker) {
			w := a.ws()
			w.text(`42["message"]`)
			w.closed(0)
		}},
		spoken("JSON fifty thousand deep", "the end", `42["message",`+strings.Repeat("[", 49_000)+strings.Repeat("]", 49_000)+"]"),
		spoken("objects ten thousand deep", "the end", `42["message",`+strings.Repeat(`{"a":`, 9_000)+"1"+strings.Repeat("}", 9_000)+"]"),
		spoken("JSON that is only opened", "the end", `42["message",`+strings.Repeat("[{\"\":", 15_000)),
		{name: "JSON as deep as may be", sees: "it is echoed", do: func(a *attacker) {
			w := a.joined()
			w.text(`427["message-with-ack",` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "]")
			w.next("437[")
			w.alive()
		}},
		{name: "numbers beyond all bounds", sees: "they are echoed", do: func(a *attacker) {
			w := a.joined()
			w.text(`427["message-with-ack",1e999999,-0,` + strings.Repeat("9", 5000) + "]")
			w.next("437[")
			w.alive()
		}},
		{name: "keys that JavaScript knows", sees: "they are echoed", do: func(a *attacker) {
			w := a.joined()
			w.text(`427["message-with-ack",{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"hasOwnProperty":1}]`)
			w.next(`437[{"__proto__"`)
			w.alive()
		}},
		{name: "a hundred thousand keys", sees: "they are echoed", do: func(a *attacker) {
			w := a.joined()
			w.text(`427["message-with-ack",{"a":0` + strings.Repeat(`,"a":1`, 15_000) + "}]")
			w.next("437[")
			w.alive()
		}},
		spoken("more attachments than may be", "the end", "45999999-["+placeholder+"]"),
		spoken("eleven attachments", "the end", "4511-[\"message\""+elevenPlaceholders()+"]"),
		spoken("a placeholder beyond the attachments", "the end", `451-["message",{"_placeholder":true,"num":7}]`),
		spoken("a negative placeholder", "the end", `451-["message",{"_placeholder":true,"num":-1}]`),
		attached("text in place of an attachment", "the end", `452-["message",`+placeholder+`,{"_placeholder":true,"num":1}]`, "one", "two", "three"),
		spoken("an attachment that does not come", "the end", `451-["message",`+placeholder+`]`, `42["message"]`),
		attached("an attachment that nothing announced", "the end", `42["message"]`, "bytes"),
		{slow: true, name: "attachments that never come", sees: "the end, after the ping timeout", do: func(a *attacker) {
			w := a.joined()
			w.text(`4510-["message"` + strings.Repeat(","+placeholder, 10) + "]")
			w.say(strings.Repeat(frame(binaryFrame, strings.Repeat("x", maxPayload)), 9))
			w.ended()
		}},
		{name: "one attachment in three thousand places", sees: "an answer of bounded size, or none; the connection lives", do: func(a *attacker) {
			w := a.joined()
			w.text(`451-["message"` + strings.Repeat(","+placeholder, 3000) + "]")
			w.say(frame(binaryFrame, strings.Repeat("x", 50_000)))
			w.alive()
		}},
		{name: "the same with an acknowledgement", sees: "an answer of bounded size, or none; the connection lives", do: func(a *attacker) {
			w := a.joined()
			w.text(`451-8["message-with-ack"` + strings.Repeat(","+placeholder, 3000) + "]")
			w.say(frame(binaryFrame, strings.Repeat("x", 50_000)))
			w.alive()
		}},
		{name: "binary within binary", sees: "it is echoed", do: func(a *attacker) {
			w := a.joined()
			w.text(`451-["message","451-[\"message\",{\"_placeholder\":true,\"num\":0}]",` + placeholder + "]")
			w.say(frame(binaryFrame, `451-["x",`+placeholder+`]`))
			w.next("451-")
			w.alive()
		}},
		lives("two thousand acknowledgements of nothing", "nothing", acknowledgements()),
		{name: "a msgpack array of four billion", sees: "the end", do: msgpack("\x84\xa4type\x02\xa4data\xdd\xff\xff\xff\xff\xa3nsp\xa1/")},
		{name: "msgpack thirty thousand deep", sees: "the end", do: msgpack("\x83\xa4type\x02\xa3nsp\xa1/\xa4data" + strings.Repeat("\x91", 30_000) + "\x01")},
		{name: "a msgpack string of four gigabytes", sees: "the end", do: msgpack("\x83\xa4type\x02\xa3nsp\xdb\xff\xff\xff\xff/")},
		{name: "msgpack of no packet", sees: "the end", do: msgpack("\xc1\xc1\xc1")},
		{name: "ninety thousand bytes to join with", sees: "connect_error, E_AUTH_TOO_LARGE", do: func(a *attacker) {
			w := a.joined()
			w.text(`40/custom,{"token":"` + goodToken("attacker") + `","more":"` + strings.Repeat("x", 90_000) + `"}`)
			w.next(`44/custom,{"message":"auth payload too large"`)
			w.alive()
		}},
		{name: "CONNECTs to namespaces that there are none", sees: "connect_error for each", do: func(a *attacker) {
			w := a.joined()
			for i := range 60 {
				nsp := fmt.Sprintf("/none%d", i)
				w.text(connectPacket(nsp))
				w.next("44" + nsp + ",")
			}
			w.alive()
		}},
		{name: "CONNECTs to a thousand namespaces at once", sees: "connect_error beyond the limit", do: func(a *attacker) {
			w := a.joined()
			packet := connectPacket("/dynamic-N")
			for i := range 1000 {
				w.text(strings.Replace(packet, "N", fmt.Sprint(i), 1))
			}
			w.next(`44/dynamic-999,`)
			w.alive()
		}},
		{name: "the same namespace in and out, again and again", sees: "the socket comes and goes", do: func(a *attacker) {
			w := a.joined()
			packet := connectPacket("/custom")
			for range 60 {
				w.text(packet)
				w.next("40/custom,")
				w.text("41/custom,")
			}
			w.alive()
		}},
	}
}

func elevenPlaceholders() string {
	var b strings.Builder
	for i := range 11 {
		fmt.Fprintf(&b, `,{"_placeholder":true,"num":%d}`, i)
	}
	return b.String()
}

func acknowledgements() string {
	var b strings.Builder
	for i := range 2000 {
		b.WriteString(frame(textFrame, fmt.Sprintf("43%d[]", i)))
	}
	return b.String()
}

// msgpack sends bytes as the first packet of a session: from then on it speaks msgpack.
func msgpack(data string) func(a *attacker) {
	return func(a *attacker) {
		w := a.ws()
		w.say(frame(binaryFrame, data))
		w.closed(0)
	}
}
