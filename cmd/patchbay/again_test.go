package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"patchbay/backplane"
)

// running is a subcommand that runs in this process, with a settings file.
type running struct {
	testing.TB
	file     string
	internal string
	level    zap.AtomicLevel
	logs     *observer.ObservedLogs
	stop     func() // tells it to stop, and waits for its end; the test's end does it as well
}

// start runs a subcommand until the test's end, and returns once it is ready.
func start(t *testing.T, text string, args ...string) *running {
	t.Helper()
	r := begin(t, text, args...)
	r.awaitReady()
	return r
}

func (r *running) awaitReady() {
	r.Helper()
	r.await("it is ready", func() bool { status, _ := r.ask(http.MethodGet, "/readyz"); return status == http.StatusOK })
}

// begin is start without the wait.
func begin(t *testing.T, text string, args ...string) *running {
	t.Helper()
	cleanEnvironment(t)
	core, logs := observer.New(zapcore.DebugLevel)
	r := &running{TB: t, file: file(t, text), internal: freeAddress(t), level: zap.NewAtomicLevel(), logs: logs}
	args = append(args, "--config", r.file, "--internal", r.internal)
	command, err := (&cli{}).parse(args)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- command(ctx, zap.New(core), &again{args: args, level: r.level}) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

// given counts the addresses that freeAddress has given.
var given atomic.Uint32

// freeAddress is a host:port on a loopback address of its own. On 127.0.0.1 the next call could get the same port, and any connection of this or
// another process take it, before it is listened on.
func freeAddress(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 128+pid>>8%64, pid%256, 1+given.Add(1)%254))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (r *running) await(what string, condition func() bool) {
	r.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			r.Fatalf("never: %s", what)
		}
	}
}

// ask asks the internal listener; status 0 means that it does not answer.
func (r *running) ask(method, path string, headers ...string) (status int, text string) {
	request, err := http.NewRequest(method, "http://"+r.internal+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		r.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (r *running) write(text string) {
	r.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

// logged reports whether a line names these options, and no others.
func (r *running) logged(message string, options ...string) bool {
	for _, entry := range r.logs.FilterMessage(message).All() {
		named := slices.Sorted(slices.Values(entryStrings(entry)))
		if slices.Equal(named, options) {
			return true
		}
	}
	return false
}

func entryStrings(entry observer.LoggedEntry) []string {
	list, ok := entry.ContextMap()["options"].([]any)
	if !ok {
		return nil
	}
	var names []string
	for _, one := range list {
		name, ok := one.(string)
		if !ok {
			return nil
		}
		names = append(names, name)
	}
	return names
}

// origin asks for a handshake from a page of an origin.
func origin(t *testing.T, listen, from string) (status int) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+listen+"/socket.io/?EIO=4&transport=polling", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", from)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	return response.StatusCode
}

// Settings change in a running gateway, by SIGHUP and on request, and a client that is there notices nothing. A broken file leaves the
// old ones in force, and is told of in the log, the answer and the metrics.
func TestReload(t *testing.T) {
	nats, err := backplane.StartServer(backplane.ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Stop()
	listen := freeAddress(t)
	r := start(t, "log-level: info\n", "gateway", "--nats", nats.URL(), "--listen", listen, "--drain-timeout", "0")
	conn, buffered, _, err := ws.Dial(t.Context(), "ws://"+listen+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if buffered == nil {
		buffered = bufio.NewReader(conn)
	}

	r.write("log-level: debug\ngateway:\n  allow-origins: https://good.example\n  path: /elsewhere/\n")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	r.await("it has reloaded", func() bool { return r.logs.FilterMessage("reloaded").Len() == 1 })
	if r.level.Level() != zap.DebugLevel {
		t.Errorf("level %s", r.level)
	}
	if !r.logged("settings changed", "allow-origins", "log-level") || !r.logged("settings that have changed need a restart", "path") {
		t.Errorf("the log says %v", r.logs.All())
	}
	if good, evil := origin(t, listen, "https://good.example"), origin(t, listen, "https://evil.example"); good != http.StatusOK || evil != http.StatusForbidden {
		t.Errorf("origins: %d, %d", good, evil)
	}

	for name, text := range map[string]string{
		"not YAML": "{", "an unknown key": "gateway:\n  allow-origin: x\n", "no number": "max-rooms: many\n",
		"a limit that cannot be": "log-level: error\nmax-rooms: -1\n", "no origin": "allow-origins: nowhere\n",
	} {
		r.write(text)
		if status, body := r.ask(http.MethodPost, "/reload"); status != http.StatusInternalServerError || len(body) < 10 {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if _, body := r.ask(http.MethodGet, "/metrics"); !strings.Contains(body, "\npatchbay_reload_last_successful 0\n") {
			t.Errorf("%s: the metric does not tell", name)
		}
		if good, evil := origin(t, listen, "https://good.example"), origin(t, listen, "https://evil.example"); good != http.StatusOK || evil != http.StatusForbidden || r.level.Level() != zap.DebugLevel {
			t.Errorf("%s: origins: %d, %d; level %s", name, good, evil, r.level)
		}
	}
	if n := r.logs.FilterMessage("cannot reload all; what failed stays as it was").Len(); n != 5 {
		t.Errorf("%d failures in the log", n)
	}

	r.write("")
	if status, body := r.ask(http.MethodPost, "/reload", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("a page of another origin: %d %s", status, body)
	}
	if status, body := r.ask(http.MethodPost, "/reload"); status != http.StatusOK || origin(t, listen, "https://evil.example") != http.StatusOK || r.level.Level() != zap.InfoLevel {
		t.Errorf("an empty file: %d %s", status, body)
	}
	if _, body := r.ask(http.MethodGet, "/metrics"); !strings.Contains(body, "\npatchbay_reload_last_successful 1\n") {
		t.Error("the metric does not tell of a success")
	}
	// The client is as it was: its handshake is there, and it is answered.
	if err := wsutil.WriteClientMessage(conn, ws.OpPing, []byte("here")); err != nil {
		t.Fatal(err)
	}
	for {
		head, err := ws.ReadHeader(buffered)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(io.Discard, buffered, head.Length); err != nil {
			t.Fatal(err)
		}
		if head.OpCode == ws.OpPong {
			break
		}
	}
}

// A router has a log level to change, and nothing else.
func TestReloadRouter(t *testing.T) {
	nats, err := backplane.StartServer(backplane.ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Stop()
	r := start(t, "", "router", "--nats", nats.URL())
	r.write("log-level: error\nmax-watches: 5\n")
	if status, body := r.ask(http.MethodPost, "/reload"); status != http.StatusOK || r.level.Level() != zap.ErrorLevel {
		t.Errorf("%d %s, level %s", status, body, r.level)
	}
	if !r.logged("settings that have changed need a restart", "max-watches") {
		t.Errorf("the log says %v", r.logs.All())
	}
}

// The demo's gateway takes its settings from the demo's own section.
func TestReloadDemo(t *testing.T) {
	listen := freeAddress(t)
	r := start(t, "", "demo", "--listen", listen, "--drain-timeout", "0")
	r.write("demo:\n  allow-origins: https://good.example\ngateway:\n  allow-origins: https://other.example\n")
	if status, body := r.ask(http.MethodPost, "/reload"); status != http.StatusOK || !r.logged("settings changed", "allow-origins") {
		t.Errorf("%d %s; the log says %v", status, body, r.logs.All())
	}
	for from, want := range map[string]int{"https://good.example": http.StatusOK, "https://other.example": http.StatusForbidden} {
		if got := origin(t, listen, from); got != want {
			t.Errorf("%s: %d", from, got)
		}
	}
}

// The documentation lists exactly the settings that can change.
func TestReloadDocumented(t *testing.T) {
	cleanEnvironment(t)
	text, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "### Changing settings\n")
	section, _, ended := strings.Cut(section, "| files |")
	if !found || !ended {
		t.Fatal("docs/deploy.md has no list of what can change")
	}
	var listed, can []string
	for _, m := range regexp.MustCompile("`--([a-z-]+)`").FindAllStringSubmatch(section, -1) {
		listed = append(listed, m[1])
	}
	parsed, err := (&cli{}).read([]string{"gateway"})
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range values(parsed) {
		if one.reloads {
			can = append(can, name)
		}
	}
	slices.Sort(listed)
	slices.Sort(can)
	if !slices.Equal(listed, can) {
		t.Errorf("listed are %q\ncan change   %q", listed, can)
	}
}
