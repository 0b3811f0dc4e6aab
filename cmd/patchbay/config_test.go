package main

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// model is the command line's.
func model(t *testing.T) *kong.Kong {
	t.Helper()
	app, err := kong.New(&cli{}, loadVariables(), kong.Vars{"version": "test"}, kong.PostBuild(demoDefaults))
	if err != nil {
		t.Fatal(err)
	}
	return app
}

// The defaults that are printed are a settings file, once they are no comments any more.
func TestDefaultsAreSettings(t *testing.T) {
	cleanEnvironment(t)
	app := model(t)
	setting := regexp.MustCompile(`(?m)^  # ([a-z0-9-]+: .*)$`)
	for _, command := range app.Model.Children {
		if !serves(command) {
			continue
		}
		var b bytes.Buffer
		if err := printDefaults(&b, command); err != nil {
			t.Fatal(err)
		}
		text := setting.ReplaceAllString(b.String(), "  $1")
		if strings.Count(text, "\n  ") < len(command.Flags) {
			t.Errorf("%s: settings are missing:\n%s", command.Name, text)
		}
		if err := (&checkCommand{File: file(t, text)}).Run(app); err != nil {
			t.Errorf("%s: %v", command.Name, err)
		}
	}
}

func TestCheckFinds(t *testing.T) {
	cleanEnvironment(t)
	app := model(t)
	for _, text := range []string{"gateway:\n  ping-interval: soon\n", "gateway:\n  ping: 1s\n", "elsewhere:\n  a: 1\n", "log-level: loud\n", "router: [1]\n"} {
		if err := (&checkCommand{File: file(t, text)}).Run(app); err == nil {
			t.Errorf("%q is fine", text)
		}
	}
	if err := (&defaultsCommand{Command: "elsewhere"}).Run(app); !errors.Is(err, errNoCommand) {
		t.Errorf("defaults of what is no subcommand: %v", err)
	}
}
