package abuse_test

import (
	"net/http"
	"net/url"
	"strings"
)

// forgeries are ids and tokens that nobody has given out.
func forgeries() []abuse {
	return []abuse{
		{name: "session ids of fancy", sees: "error 1", do: func(a *attacker) {
			for _, sid := range append(odd(), strings.Repeat("A", 10_000)) {
				if sid == "" {
					continue
				}
				if status, text := a.do(http.MethodGet, "&sid="+url.QueryEscape(sid), nil); status != http.StatusBadRequest || !strings.Contains(text, `"code":1`) {
					failf("%q: %d %s", sid, status, text)
				}
			}
		}},
		{name: "session ids with one letter changed", sees: "error 1, and the session goes on", do: func(a *attacker) {
			session := a.polled()
			sid := strings.TrimPrefix(session, "&sid=")
			for i := 0; i < len(sid); i += 5 {
				letter := byte('A')
				if sid[i] == letter {
					letter = 'B'
				}
				changed := sid[:i] + string(letter) + sid[i+1:]
				if status, text := a.do(http.MethodPost, "&sid="+changed, strings.NewReader("1")); status != http.StatusBadRequest || !strings.Contains(text, `"code":1`) {
					failf("letter %d: %d %s", i, status, text)
				}
			}
			a.settle(session)
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "a WebSocket for a session of fancy", sees: "400", do: func(a *attacker) {
			a.shake("&sid="+strings.Repeat("A", 40), "").answered(http.StatusBadRequest)
		}},
		{name: "private ids of fancy", sees: "a new socket", do: func(a *attacker) {
			for _, pid := range append(odd(), strings.Repeat("A", 16)+"AAAAAAAAAAAAAAAA_g0", strings.Repeat("A", 25_000)) {
				w := a.ws()
				w.text("40" + `{"pid":` + quoted(pid) + `,"offset":` + quoted(pid) + `,"token":"` + goodToken("attacker") + `"}`)
				w.next(`40{"sid"`)
				w.alive()
				must(w.Close(), "close")
			}
		}},
		{name: "a private id that is no text", sees: "a new socket, or the end", do: func(a *attacker) {
			for _, payload := range []string{`{"pid":{"a":1},"offset":[],`, `{"pid":null,"offset":null,`, `{"pid":1e99,`, `{"offset":"x","offset":7,"pid":"","pid":[],`} {
				w := a.ws()
				w.text("40" + payload + `"token":"` + goodToken("attacker") + `"}`)
				for {
					h, text, err := w.message()
					if err != nil || h.OpCode == 8 || strings.HasPrefix(text, `40{"sid"`) {
						break
					}
				}
				must(w.Close(), "close")
			}
		}},
		{name: "tokens that nobody has signed", sees: "connect_error, E_TOKEN", do: func(a *attacker) {
			for name, text := range badTokens() {
				w := a.ws()
				w.text(`40{"token":` + quoted(text) + `}`)
				if answer := w.next("4"); !strings.Contains(answer, "E_TOKEN") {
					failf("%s: %s", name, answer)
				}
				must(w.Close(), "close")
			}
		}},
		{name: "no token", sees: "connect_error, E_TOKEN", do: func(a *attacker) {
			for _, payload := range []string{"", "{}", `{"token":null}`, `{"token":{}}`, `{"token":""}`} {
				w := a.ws()
				w.text("40" + payload)
				if answer := w.next("4"); !strings.Contains(answer, "E_TOKEN") {
					failf("%s: %s", payload, answer)
				}
				must(w.Close(), "close")
			}
		}},
		{name: "a refresh with another's token", sees: "an error", do: func(a *attacker) {
			w := a.joined()
			w.text(`421["auth:refresh",` + quoted(goodToken("somebody else")) + `]`)
			if answer := w.next("431["); !strings.Contains(answer, "error") {
				failf("%s", answer)
			}
			w.text(`422["auth:refresh",{"not":"text"}]`, `423["auth:refresh"]`)
			w.next("432[")
			w.next("433[")
			w.alive()
		}},
	}
}
