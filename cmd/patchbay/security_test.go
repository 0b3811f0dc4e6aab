package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

// limitRow is a row of the table of limits: what, option, default, what the client sees, metric.
var limitRow = regexp.MustCompile("(?m)^\\| ([^|]+) \\| `--([a-z-]+)` \\| ([^|]+) \\| ([^|]+) \\| `([a-z_]+)(?:\\{([a-z]+)(?:=\"([^\"]+)\")?\\})?` \\|$")

// inWords is a flag's default as people write it.
func inWords(flag *kong.Flag) string {
	number, err := strconv.Atoi(flag.Default)
	sized := strings.Contains(flag.Name, "bytes") || flag.Name == "max-payload" || flag.Name == "max-room-name"
	switch d, durationErr := time.ParseDuration(flag.Default); {
	case err == nil && number == 0:
		return "off"
	case err == nil && sized && number%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", number>>20)
	case err == nil && sized && number%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", number>>10)
	case err == nil && sized:
		return thousands(number) + " bytes"
	case err == nil:
		return thousands(number)
	case durationErr == nil && d >= time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	case durationErr == nil && d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	case durationErr == nil:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return flag.Default
}

func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// gatewaySource is the text of the gateway's packages, in which labels' values stand.
func gatewaySource(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, pattern := range []string{"../../gateway/*.go", "../../gateway/auth/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				all.Write(text)
			}
		}
	}
	return all.String()
}

// The table of limits names options, defaults and metrics as they are, says which reload, and lacks no limit.
func TestLimitsDocumented(t *testing.T) {
	cleanEnvironment(t)
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Limits\n")
	section, _, _ = strings.Cut(section, "\n## ")
	parsed, err := (&cli{}).read([]string{"gateway"})
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]*kong.Flag{}
	for _, flag := range parsed.Flags() {
		flags[flag.Name] = flag
	}
	metrics := map[string]described{}
	for _, d := range declared(t) {
		metrics[d.name] = d
	}
	source := gatewaySource(t)
	var listed []string
	for _, row := range limitRow.FindAllStringSubmatch(section, -1) {
		what, option, value, seen, metric, label, labelled := row[1], row[2], row[3], row[4], row[5], row[6], row[7]
		listed = append(listed, option)
		flag := flags[option]
		if flag == nil {
			t.Errorf("--%s is no option", option)
			continue
		}
		if want := inWords(flag); option != "max-conns" && !strings.HasPrefix(value, want) {
			t.Errorf("--%s: the default is %s, not %s", option, want, value)
		}
		if reloads := flag.Tag.Get("reload") == "yes"; reloads != strings.HasSuffix(what, "↻") {
			t.Errorf("--%s: it changes without a restart: %v", option, reloads)
		}
		if len(seen) < 3 {
			t.Errorf("--%s: what does the client see?", option)
		}
		d, known := metrics["patchbay_gateway_"+metric]
		if !known || !slices.Contains(strings.Split(d.labels, ", "), label) {
			t.Errorf("--%s: %s with label %q is no metric", option, metric, label)
		}
		if labelled != "" && !strings.Contains(source, `"`+labelled+`"`) {
			t.Errorf("--%s: nothing has the label %q", option, labelled)
		}
	}
	if rows := strings.Count(section, "\n| ") - 1; rows != len(listed) {
		t.Errorf("%d of %d rows can be read", len(listed), rows)
	}
	for name := range flags {
		if strings.HasPrefix(name, "max-") && !slices.Contains(listed, name) {
			t.Errorf("--%s is not in the table", name)
		}
	}
}
