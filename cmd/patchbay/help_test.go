package main

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
)

func definitions(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := (&cli{}).parser()
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// Every command says what it is for, with examples, and every flag what it does, from which value on.
func TestHelpIsWhole(t *testing.T) {
	cleanEnvironment(t)
	identifier := regexp.MustCompile("[a-z][A-Z]")
	for _, command := range definitions(t).Leaves(true) {
		if !strings.HasSuffix(command.Help, ".") || !strings.Contains(command.Detail, "Example") {
			t.Errorf("%s: no sentence, or no examples: %q %q", command.Path(), command.Help, command.Detail)
		}
		for _, flag := range command.Flags {
			number := flag.Target.CanInt() || flag.Target.CanFloat()
			switch {
			case !strings.HasSuffix(flag.Help, ".") && !strings.HasSuffix(flag.Help, "?"):
				t.Errorf("%s --%s: help that is no sentence: %q", command.Path(), flag.Name, flag.Help)
			case number && !flag.HasDefault:
				t.Errorf("%s --%s: a number without a default", command.Path(), flag.Name)
			case flag.Target.Type() == reflect.TypeFor[time.Duration]() && flag.Default != "0" && !strings.ContainsAny(flag.Default, "smh"):
				t.Errorf("%s --%s: a duration without a unit: %q", command.Path(), flag.Name, flag.Default)
			case flag.Group == nil || identifier.MatchString(flag.Group.Title):
				t.Errorf("%s --%s: under no heading that a reader would understand: %+v", command.Path(), flag.Name, flag.Group)
			case len(flag.Envs) == 0:
				t.Errorf("%s --%s: no variable of the environment", command.Path(), flag.Name)
			}
		}
	}
}

// The examples are command lines that parse.
func TestHelpExamples(t *testing.T) {
	cleanEnvironment(t)
	t.Chdir(t.TempDir())
	for _, name := range []string{"patchbay.yaml", "before.json", "after.json"} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tried := 0
	for _, command := range definitions(t).Leaves(true) {
		for _, line := range strings.Split(command.Detail, "\n") {
			if !strings.HasPrefix(line, "\t") {
				continue
			}
			_, line, _ = strings.Cut(line, "patchbay ")
			for _, end := range []string{" | ", " > ", ")"} {
				line, _, _ = strings.Cut(line, end)
			}
			args := strings.Fields(strings.NewReplacer(`"`, "", "'", "").Replace(line))
			if _, err := (&cli{}).parse(args); err != nil {
				t.Errorf("%s: %q: %v", command.Path(), line, err)
			}
			tried++
		}
	}
	if tried < 20 {
		t.Errorf("%d examples, which cannot be all", tried)
	}
}

// --help has flags under headings, with their defaults and variables.
func TestHelpText(t *testing.T) {
	cleanEnvironment(t)
	var text bytes.Buffer
	parser, err := (&cli{}).parser()
	if err != nil {
		t.Fatal(err)
	}
	parser.Stdout = &text
	left := false
	parser.Exit = func(int) { left = true }
	_, _ = parser.Parse([]string{"gateway", "--help"}) // goes on behind Exit, which it takes for the end
	for _, want := range []string{
		"\nNATS:\n", "\nLimits:\n", "\nDraining:\n", "\nOperation:\n", "--ping-interval=25s", "$PATCHBAY_PING_INTERVAL", "Read again on SIGHUP", "Examples:\n", "Signals: SIGTERM",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the help has no %q", want)
		}
	}
	if !left {
		t.Error("--help went on to run the command")
	}
}

// The manual page has all that --help has, and no line of text that roff would take for a command.
func TestManual(t *testing.T) {
	cleanEnvironment(t)
	app := definitions(t)
	page := manual(app.Node)
	for _, command := range app.Leaves(true) {
		if !strings.Contains(page, "\n.SH \""+strings.ToUpper(strings.ReplaceAll(command.FullPath(), "-", `\-`))+"\"\n") {
			t.Errorf("no section of %s", command.FullPath())
		}
		for _, flag := range command.Flags {
			if !flag.Hidden && !strings.Contains(page, roff("--"+flag.Name)) {
				t.Errorf("no flag %s", flag.Name)
			}
		}
	}
	known := map[string]bool{".TH": true, ".SH": true, ".SS": true, ".B": true, ".I": true, ".PP": true, ".TP": true, ".RS": true, ".RE": true, ".nf": true, ".fi": true}
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".") && !known[strings.Fields(line)[0]] {
			t.Errorf("roff would not print %q", line)
		}
	}
	if got := roff(`.\ 'a-b`); got != `\&.\e 'a\-b` {
		t.Errorf("escaping gives %q", got)
	}
}
