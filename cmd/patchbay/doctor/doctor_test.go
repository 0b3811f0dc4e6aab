package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"patchbay/backplane"
)

// proc makes a /proc of its own.
func proc(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMachine(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		want  map[string]Verdict
	}{
		{map[string]string{"sys/net/core/somaxconn": "4096\n", "sys/net/ipv4/ip_local_port_range": "1024\t65000\n"},
			map[string]Verdict{"somaxconn": Fine, "port range": Fine}},
		{map[string]string{"sys/net/core/somaxconn": "128\n", "sys/net/ipv4/ip_local_port_range": "32768\t40000\n"},
			map[string]Verdict{"somaxconn": Warning, "port range": Warning}},
		{nil, map[string]Verdict{"somaxconn": Warning, "port range": Warning}},
	} {
		for _, f := range Machine(proc(t, c.files)) {
			if want, ok := c.want[f.What]; ok && f.Verdict != want {
				t.Errorf("%v: %+v, want %d", c.files, f, want)
			}
			if f.Found == "" {
				t.Errorf("%s: nothing found", f.What)
			}
		}
	}
}

func TestSecret(t *testing.T) {
	for secret, want := range map[string]Verdict{
		"": Warning, "short": Wrong, "please-change-me-now": Wrong, "pE9vZk0vXl2hC9ZJ3rTfQw==": Fine,
	} {
		if f := Secret(secret); f.Verdict != want || (f.Remedy == "") != (want == Fine) {
			t.Errorf("%q: %+v", secret, f)
		}
	}
}

// Without NATS, with NATS alone, and with too small a NATS: what is wrong is said, with what mends it.
func TestCluster(t *testing.T) {
	verdicts := func(o backplane.Options, maxPayload int) map[string]Verdict {
		all := map[string]Verdict{}
		for _, f := range Cluster(t.Context(), o, maxPayload) {
			all[f.What] = f.Verdict
			if f.Verdict != Fine && f.Remedy == "" {
				t.Errorf("no remedy for %+v", f)
			}
		}
		return all
	}
	if got := verdicts(backplane.Options{URL: "nats://127.0.0.1:1"}, 1000); got["NATS"] != Wrong {
		t.Errorf("without NATS: %v", got)
	}
	nats, err := backplane.StartServer(backplane.ServerOptions{MaxPayload: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Stop()
	got := verdicts(backplane.Options{Server: nats}, 1_000_000)
	want := map[string]Verdict{"NATS": Warning, "NATS max_payload": Wrong, "NATS permissions": Fine, "routers": Wrong}
	for what, verdict := range want {
		if got[what] != verdict {
			t.Errorf("%s: %d, want %d", what, got[what], verdict)
		}
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	well, err := Print(&b, []Finding{{What: "a", Found: "fine"}, {Verdict: Wrong, What: "b", Found: "broken", Remedy: "mend it"}})
	if err != nil || well || !strings.Contains(b.String(), "→ mend it") || strings.Count(b.String(), "\n") != 3 {
		t.Errorf("%t, %v:\n%s", well, err, b.String())
	}
}
