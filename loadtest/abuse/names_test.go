package abuse_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// odd are names that mean something to NATS, to a terminal, or to whoever splits lines.
func odd() []string {
	return []string{
		"*", ">", "a.>", "a.*.b", ".", "..", "a b", "\t", "\r\nPUB pb.room.-.honest 2\r\n[]\r\n", "\x00", "honest\x00", "$SYS.REQ.SERVER.PING", "_INBOX.>",
		"-", "%2e", "pb.room.-.honest", "\u202ehonest", "\u2028", "hon\u0435st", strings.Repeat("x", 400), strings.Repeat("\u00e9", 200), "", "/", "#", "?", "{}", "\"",
	}
}

func quoted(name string) string {
	text, err := json.Marshal(name)
	must(err, "quote")
	return string(text)
}

// names are those that clients choose. That honest clients hear nothing of what is said under them is seen by those.
func names() []abuse {
	return []abuse{
		{name: "rooms with odd names", sees: "what is said there is heard there, and nowhere else", do: func(a *attacker) {
			w := a.joined()
			for _, name := range odd() {
				w.text(`421["join",` + quoted(name) + `]`)
				w.next("431[")
				w.text(`422["in-room",` + quoted(name) + `,"odd",` + quoted(name) + `]`)
				w.next(`42["odd",`)
				w.text(`423["leave",` + quoted(name) + `]`)
				w.next("433[")
			}
			w.alive()
		}},
		{name: "a room with a name that is too long", sees: "no acknowledgement: the application's join fails", do: func(a *attacker) {
			w := a.joined()
			w.text(`421["join",` + quoted(strings.Repeat("x", 90_000)) + `]`)
			w.alive()
		}},
		{name: "a thousand rooms and one", sees: "no acknowledgement: the application's join fails", do: func(a *attacker) {
			w := a.joined()
			many, err := json.Marshal(strings.Split(strings.Repeat("abcdefgh,", 1001), ","))
			must(err, "encode")
			numbered := make([]string, 1001)
			for i := range numbered {
				numbered[i] = fmt.Sprint("room", i)
			}
			each, err := json.Marshal(numbered)
			must(err, "encode")
			w.text(`421["join",`+string(many)+`]`, `422["join",`+string(each)+`]`)
			w.alive()
		}},
		{name: "namespaces with odd names", sees: "connect_error, or the end", do: func(a *attacker) {
			for _, name := range odd() {
				if strings.ContainsAny(name, ",") {
					continue
				}
				w := a.joined()
				w.text(strings.Replace(connectPacket("/NAME"), "NAME", name, 1))
				for {
					h, text, err := w.message()
					if err != nil || h.OpCode == 8 || strings.HasPrefix(text, "44") {
						break
					}
					if strings.HasPrefix(text, "40/") {
						failf("let into %q: %s", name, text)
					}
				}
				must(w.Close(), "close")
			}
		}},
		{name: "a namespace with a name that is too long", sees: "the end, or connect_error", do: func(a *attacker) {
			w := a.joined()
			w.text(connectPacket("/" + strings.Repeat("x", 90_000)))
			for {
				h, text, err := w.message()
				if err != nil || h.OpCode == 8 || strings.HasPrefix(text, "44") {
					return
				}
			}
		}},
		{name: "events with odd names", sees: "they come to the application as they are", do: func(a *attacker) {
			w := a.joined()
			for _, name := range odd() {
				w.text(`42[` + quoted(name) + `,1]`)
				w.text(`421["in-room",` + quoted("of "+name) + `,` + quoted(name) + `]`)
				w.next("431[")
			}
			w.text(`42[` + quoted(strings.Repeat("e", 90_000)) + `]`)
			w.alive()
		}},
		{name: "socket ids for rooms", sees: "others' own rooms can be written to by the application alone", do: func(a *attacker) {
			w := a.joined()
			for _, id := range []string{"AAAAAAAAAAAAAAAA_g0", "AAAAAAAAAAAAAAAA_*", "AAAAAAAAAAAAAAAA_g0.emit", "_g1", ">_g0"} {
				w.text(`421["to-room",` + quoted(id) + `,"odd"]`)
				w.next("431[")
			}
			w.alive()
		}},
		{name: "data with odd keys", sees: "they are kept, or the application's call fails", do: func(a *attacker) {
			w := a.joined()
			for _, name := range odd() {
				w.text(`421["set-data",` + quoted(name) + `,"x"]`)
				w.next("431[")
			}
			w.text(`42["set-data","big",` + quoted(strings.Repeat("x", 99_000)) + `]`)
			w.text(`42["set-data","more",` + quoted(strings.Repeat("x", 99_000)) + `]`)
			w.alive()
		}},
		{name: "a handshake with odd words", sees: "an answer", do: func(a *attacker) {
			for _, name := range odd() {
				query := "&token=" + strings.NewReplacer(" ", "%20", "\r", "%0d", "\n", "%0a", "\x00", "%00", "\t", "%09", "%", "%25", "#", "%23", "?", "%3f").Replace(name)
				if status, text := a.do(http.MethodGet, query, nil); status != http.StatusOK {
					failf("%q: %d %s", name, status, text)
				}
			}
		}},
	}
}
