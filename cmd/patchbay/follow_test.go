package main

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"patchbay/backplane"
	"patchbay/loadtest/cluster"
	"patchbay/worker"
)

// lines is what a tap prints. Safe for concurrent use.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// TestTapUser: all sockets of a user are shown, on whatever gateway and whenever they come, and nobody else's.
func TestTapUser(t *testing.T) {
	var app *worker.App
	c := cluster.Start(t, cluster.Shape{Gateways: 2, App: func(ctx context.Context, o backplane.Options) (cluster.Part, error) {
		w, err := worker.New(worker.Options{Backplane: o})
		if err != nil {
			return nil, err
		}
		io := w.Namespace("/")
		io.Use(func(ctx context.Context, s *worker.Socket) error {
			var who struct{ User string }
			if err := s.Handshake().Auth(&who); err != nil {
				return err
			}
			return s.SetUser(ctx, who.User)
		})
		worker.OnAck(io, "say", func(_ context.Context, _ *worker.Socket, text string) (string, error) { return "heard " + text, nil })
		app = w
		return w, w.Start(ctx)
	}})
	r := &running{TB: t}
	connect := func(gateway int, user string) (say func(text string), id string, leave func()) {
		conn, buffered, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(c.URL(gateway), "http")+"/socket.io/?EIO=4&transport=websocket")
		if err != nil {
			t.Fatal(err)
		}
		if buffered != nil {
			t.Cleanup(func() { ws.PutReader(buffered) })
		}
		t.Cleanup(func() { _ = conn.Close() })
		send := func(packet string) {
			if err := wsutil.WriteClientText(conn, []byte(packet)); err != nil {
				t.Fatal(err)
			}
		}
		read := func(begins string) string {
			for {
				text, err := wsutil.ReadServerText(conn)
				if err != nil {
					t.Fatal(err)
				}
				if rest, ok := strings.CutPrefix(string(text), begins); ok {
					return rest
				}
			}
		}
		if buffered == nil {
			read("0{")
		}
		send(`40{"user":"` + user + `"}`)
		id, _, _ = strings.Cut(read(`40{"sid":"`), `"`)
		return func(text string) {
			send(`421["say","` + text + `"]`)
			read("431[")
		}, id, func() { send("41") }
	}
	for _, redact := range []bool{false, true} {
		first, a, leave := connect(0, "ada")
		other, _, _ := connect(1, "bob")
		core, logs := observer.New(zap.InfoLevel)
		out := &lines{}
		command := tapCommand{Namespace: "/", User: "ada", Redact: redact, out: out}
		command.Backplane.URL = c.Servers[0].URL()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		done := make(chan error, 1)
		go func() { done <- command.Run(ctx, zap.New(core)) }()
		knows := func(field, id string) bool {
			for _, entry := range logs.FilterMessage("the user's sockets").All() {
				list, _ := entry.ContextMap()[field].([]any)
				for _, one := range list {
					if one == id {
						return true
					}
				}
			}
			return false
		}
		r.await("it has found the first socket", func() bool { return knows("came", a) })
		other("bob's secret")
		first("ada's secret")
		if err := app.Namespace("/").User("ada").Emit("note", "parcel"); err != nil {
			t.Fatal(err)
		}
		second, b, _ := connect(1, "ada")
		r.await("it has found the second one", func() bool { return knows("came", b) })
		second("the second's secret")
		show := func(text, hidden string) string {
			if redact {
				return hidden
			}
			return text
		}
		for _, line := range []string{
			"← event of " + a + "  " + show(`["say","ada's secret"]`, `["say","‹12›"]`),
			"→ acknowledgement to " + a + "  " + show(`["heard ada's secret"]`, `["‹18›"]`),
			"→ user / ada  " + show(`["note","parcel"]`, `["note","‹6›"]`),
			"← event of " + b + "  " + show(`["say","the second's secret"]`, `["say","‹19›"]`),
		} {
			r.await(line, func() bool { return out.has(line) })
		}
		leave()
		r.await("it has noticed that the first has gone", func() bool { return knows("gone", a) })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if out.has("bob") || redact && (out.has("secret") || out.has("parcel")) {
			t.Errorf("it shows too much:\n%s", &out.text)
		}
	}
}
