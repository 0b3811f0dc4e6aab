package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cleanEnvironment removes what would set flags behind a test's back.
func cleanEnvironment(t *testing.T) {
	t.Helper()
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "PATCHBAY_") || name == "PORT" || name == "NATS_URL" {
			t.Setenv(name, value) // puts it back afterwards
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func mustParse(t *testing.T, args ...string) *cli {
	t.Helper()
	c := &cli{}
	if _, err := c.parse(args); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return c
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "patchbay.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// These spellings are promised to whoever tests Patchbay from outside: they stay.
func TestSpellings(t *testing.T) {
	cleanEnvironment(t)
	for _, line := range []string{
		"nats --listen 127.0.0.1:4222",
		"router --nats nats://127.0.0.1:4222 --internal 127.0.0.1:9101",
		"gateway --nats nats://127.0.0.1:4222 --internal 127.0.0.1:9201 --listen 127.0.0.1:8081 --secret TEXT" +
			" --ping-interval 600ms --ping-timeout 500ms --connect-timeout 1s --upgrade-timeout 2s" +
			" --max-payload 1000000 --cors-origin * --recovery 2m --cookie io --engine-echo",
		"gateway --nats nats://127.0.0.1:4222,nats://127.0.0.1:4223 --recovery 0",
		"demo --listen 127.0.0.1:3000 --internal 127.0.0.1:3001 --ping-interval 600ms",
		"version",
	} {
		mustParse(t, strings.Fields(line)...)
	}
}

func TestDefaults(t *testing.T) {
	cleanEnvironment(t)
	c := mustParse(t, "gateway")
	for name, pair := range map[string][2]string{
		"gateway listen":   {c.Gateway.Gateway.Listen, ":8080"},
		"gateway internal": {c.Gateway.Ops.Internal, "127.0.0.1:9201"},
		"gateway nats":     {c.Gateway.Gateway.Backplane.URL, "nats://127.0.0.1:4222"},
		"router internal":  {mustParse(t, "router").Router.Ops.Internal, "127.0.0.1:9101"},
		"demo listen":      {mustParse(t, "demo").Demo.Gateway.Listen, "127.0.0.1:3000"},
		"demo internal":    {mustParse(t, "demo").Demo.Ops.Internal, "127.0.0.1:3001"},
		"nats listen":      {mustParse(t, "nats").NATS.Server.Listen, "127.0.0.1:4222"},
		"nats internal":    {mustParse(t, "nats").NATS.Ops.Internal, ""},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: got %q, want %q", name, pair[0], pair[1])
		}
	}
}

func TestPrecedence(t *testing.T) {
	cleanEnvironment(t)
	path := file(t, "log-level: warn\nping-interval: 1s\ngateway:\n  ping-interval: 2s\n  max-payload: 7\n  engine-echo: true\n")
	interval := func(args ...string) time.Duration {
		return mustParse(t, args...).Gateway.Gateway.Engine.PingInterval
	}
	c := mustParse(t, "gateway", "--config", path)
	if c.LogLevel != "warn" || c.Gateway.Gateway.Engine.MaxPayload != 7 || !c.Gateway.Gateway.Engine.Echo {
		t.Errorf("the file's settings are not there: %+v", c.Gateway.Gateway.Engine)
	}
	if got := interval("gateway", "--config", path); got != 2*time.Second {
		t.Errorf("a subcommand's own key: got %v, want 2s", got)
	}
	if got := mustParse(t, "demo", "--config", path).Demo.Gateway.Engine.PingInterval; got != time.Second {
		t.Errorf("a key for all subcommands: got %v, want 1s", got)
	}
	t.Setenv("PATCHBAY_PING_INTERVAL", "3s")
	if got := interval("gateway", "--config", path); got != 3*time.Second {
		t.Errorf("environment over file: got %v, want 3s", got)
	}
	if got := interval("gateway", "--config", path, "--ping-interval", "4s"); got != 4*time.Second {
		t.Errorf("flag over environment: got %v, want 4s", got)
	}
	t.Setenv("PATCHBAY_CONFIG", path)
	if got := mustParse(t, "gateway").LogLevel; got != "warn" {
		t.Errorf("file named in the environment: got level %q, want warn", got)
	}
}

func TestCustomaryVariables(t *testing.T) {
	cleanEnvironment(t)
	path := file(t, "listen: :1\nnats: nats://file:4222\n")
	t.Setenv("PORT", "5000")
	t.Setenv("NATS_URL", "nats://there:4222")
	c := mustParse(t, "gateway", "--config", path)
	if c.Gateway.Gateway.Listen != ":5000" || c.Gateway.Gateway.Backplane.URL != "nats://there:4222" {
		t.Errorf("got %q and %q, want PORT's and NATS_URL's", c.Gateway.Gateway.Listen, c.Gateway.Gateway.Backplane.URL)
	}
	if got := mustParse(t, "demo").Demo.Gateway.Listen; got != ":5000" {
		t.Errorf("demo: got %q, want PORT's", got)
	}
	if got := mustParse(t, "nats").NATS.Server.Listen; got != "127.0.0.1:4222" {
		t.Errorf("nats: got %q, but PORT is for clients", got)
	}
	if got := mustParse(t, "gateway", "--listen", ":7").Gateway.Gateway.Listen; got != ":7" {
		t.Errorf("got %q, want the flag's", got)
	}
	t.Setenv("PATCHBAY_LISTEN", ":6000")
	t.Setenv("PATCHBAY_NATS", "nats://here:4222")
	c = mustParse(t, "gateway")
	if c.Gateway.Gateway.Listen != ":6000" || c.Gateway.Gateway.Backplane.URL != "nats://here:4222" {
		t.Errorf("got %q and %q, want PATCHBAY_'s", c.Gateway.Gateway.Listen, c.Gateway.Gateway.Backplane.URL)
	}
}

func TestSettingsErrors(t *testing.T) {
	cleanEnvironment(t)
	for _, c := range []struct {
		name, text, mention string
		want                error
	}{
		{"unknown key", "log-level: info\npong-interval: 1s\n", `line 2: unknown key "pong-interval"`, errUnknownKey},
		{"unknown key of a subcommand", "gateway:\n  pong: 1\n", `"gateway.pong"`, errUnknownKey},
		{"key of another subcommand", "router:\n  engine-echo: true\n", `"router.engine-echo"`, errUnknownKey},
		{"unknown subcommand", "gatway:\n  listen: :1\n", `"gatway"`, errUnknownKey},
		{"file within the file", "config: other.yaml\n", `"config"`, errUnknownKey},
		{"list for a single value", "listen: [1, 2]\n", "line 1", errNoScalar},
		{"twice", "listen: :1\nlisten: :2\n", "already defined", nil},
		{"not YAML", "{\n", "settings file", nil},
		{"bad value", "ping-interval: soon\n", "ping-interval", nil},
	} {
		_, err := (&cli{}).parse([]string{"gateway", "--config", file(t, c.text)})
		if err == nil || !strings.Contains(err.Error(), c.mention) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want an error that mentions %q", c.name, err, c.mention)
		}
	}
	if _, err := (&cli{}).parse([]string{"gateway", "--config", "/no/such/file"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	mustParse(t, "gateway", "--config", file(t, ""))
	mustParse(t, "gateway", "--config", file(t, "max-held: 5\nnats: x\nrouter:\n  nats: y\n"))
}

func TestArgumentErrors(t *testing.T) {
	cleanEnvironment(t)
	for _, args := range [][]string{
		{}, {"gatway"}, {"gateway", "--no-such-flag"}, {"gateway", "--ping-interval", "soon"}, {"gateway", "--log-level", "loud"},
	} {
		if _, err := (&cli{}).parse(args); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
}
