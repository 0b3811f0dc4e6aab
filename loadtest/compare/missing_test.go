package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What cannot be run here is named with what mends it, and the rest is measured all the same.
func TestMissing(t *testing.T) {
	s := settings{root: t.TempDir(), bin: t.TempDir()}
	t.Setenv("PATH", t.TempDir())
	var all results
	lack := all.lacking(s)
	for _, one := range systems() {
		if peer := !one.ours() && one.name != bareLoop; lack[one.name] != peer {
			t.Errorf("%s: missing is %v, want %v", one.name, lack[one.name], peer)
		}
	}
	if text := strings.Join(all.Missing, "\n"); !strings.Contains(text, "apt-get install redis-server") || !strings.Contains(all.markdown(), all.Missing[0]) {
		t.Errorf("not told in the results, or on the page: %s", text)
	}
	for name, want := range map[string]string{nodeOne: "npm ci", nodeTwo: "redis-server", goPort: "make compare"} {
		write(t, filepath.Join(os.Getenv("PATH"), "node"), "#!")
		if err := os.Chmod(filepath.Join(os.Getenv("PATH"), "node"), 0o700); err != nil {
			t.Fatal(err)
		}
		one, _ := find(name)
		if why := one.missing(s); !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q", name, why, want)
		}
	}
	for _, path := range []string{filepath.Join(s.root, nodeModules), filepath.Join(s.bin, goPortProgram)} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{nodeOne, goPort} {
		one, _ := find(name)
		if why := one.missing(s); why != "" {
			t.Errorf("%s is here, and yet: %s", name, why)
		}
	}
}

// A run without a result must not empty the page.
func TestNothingMeasured(t *testing.T) {
	s := settings{root: t.TempDir(), results: "results", page: "page.md", only: "fanout5", rounds: 1}
	page := filepath.Join(s.root, s.page)
	write(t, page, sectionBegin+"\nold\n"+sectionEnd)
	if err := run(t.Context(), s); err == nil || !strings.Contains(err.Error(), "fanout4") {
		t.Errorf("a benchmark that does not exist: %v", err)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "old") {
		t.Errorf("the page is now %q, %v", text, err)
	}
}
