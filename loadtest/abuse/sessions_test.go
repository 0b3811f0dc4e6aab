package abuse_test

import (
	"net/http"
	"strings"
	"sync"
)

// spoken makes an abuse of a message on a WebSocket that is in a namespace: it is closed without a code.
func spoken(name, sees string, packets ...string) abuse {
	return abuse{name: name, sees: sees, do: func(a *attacker) {
		w := a.joined()
		w.text(packets...)
		w.closed(0)
	}}
}

// sessions are Engine.IO's rules.
func sessions() []abuse {
	return []abuse{
		spoken("a client's ping", "the end: it is the server who pings", "2"),
		spoken("a packet type that there is none", "the end", "9"),
		spoken("an empty message", "the end", ""),
		spoken("base64 that is none", "the end", "b!!!!"),
		lives("packets that mean nothing", "nothing", strings.Repeat(frame(textFrame, "3")+frame(textFrame, "5")+frame(textFrame, "6")+frame(textFrame, `0{"sid":"x"}`)+frame(textFrame, "3probe"), 500)),
		{name: "a payload of separators alone", sees: "the session is over", do: func(a *attacker) {
			session := a.polled()
			a.posts(session, strings.Repeat("\x1e", maxPayload), http.StatusOK)
			a.gone(session)
		}},
		{name: "a payload of fifty thousand packets", sees: "the session is over", do: func(a *attacker) {
			session := a.polled()
			a.posts(session, strings.TrimSuffix(strings.Repeat("3\x1e", maxPayload/2), "\x1e"), http.StatusOK)
			a.gone(session)
		}},
		{name: "a payload just over the limit", sees: "413, and the session lives", do: func(a *attacker) {
			session := a.polled()
			a.tooMuch(session, maxPayload+1)
			a.settle(session)
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "a payload of bytes", sees: "400, and the session is over", do: func(a *attacker) {
			session := a.polled()
			status, _ := a.do(http.MethodPost, session, strings.NewReader("\x00\x01"), "Content-Type", "application/octet-stream")
			if status != http.StatusBadRequest {
				failf("got %d", status)
			}
			a.gone(session)
		}},
		{slow: true, name: "twenty upgrades of a session at once", sees: "one may probe, the others are closed; polling goes on", do: func(a *attacker) {
			session := a.polled()
			var all sync.WaitGroup
			wires := make([]*wire, 20)
			for i := range wires {
				wires[i] = a.shake(session, "")
			}
			for _, w := range wires {
				all.Go(func() {
					// Those that are closed end; the one that is not gives up in time.
					_ = a.run(func(*attacker) {
						if status, _, err := w.response(); err != nil || status != http.StatusSwitchingProtocols {
							return
						}
						w.text("2probe")
						w.closed(0)
					})
				})
			}
			a.settle(session)
			all.Wait()
			a.settle(session)
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "probes without end", sees: "3probe for each; polling goes on", do: func(a *attacker) {
			session, w := a.upgrading()
			for range 1000 {
				w.text("2probe")
			}
			w.next("3probe")
			must(w.Close(), "close")
			a.settle(session)
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "something else in place of a probe", sees: "the WebSocket ends; polling goes on", do: func(a *attacker) {
			session, w := a.upgrading()
			w.text(`42["message"]`)
			w.closed(0)
			a.settle(session)
			a.posts(session, "1", http.StatusOK)
		}},
		{name: "requests for a session that has upgraded", sees: "400", do: func(a *attacker) {
			session, w := a.upgrading()
			w.text("2probe")
			w.next("3probe")
			w.text("5")
			w.alive()
			for range 10 {
				if status, text := a.do(http.MethodGet, session, nil); status != http.StatusBadRequest {
					failf("GET: %d %s", status, text)
				}
				a.posts(session, "41", http.StatusBadRequest)
			}
			w.alive()
		}},
		{name: "a session of one gateway on the other", sees: "the same rules: 413, error 1 at the end", do: func(a *attacker) {
			session := a.polled()
			a.first = 1 - a.first
			a.tooMuch(session, maxPayload+1)
			a.settle(session)
			a.posts(session, "1", http.StatusOK)
			a.gone(session)
		}},
	}
}
