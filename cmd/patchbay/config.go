package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// configCommand is what helps with settings files.
type configCommand struct {
	Defaults defaultsCommand `cmd:"" help:"Print a settings file of all that can be set, with its defaults, as comments."`
	Check    checkCommand    `cmd:"" help:"Check a settings file, for every subcommand that it has settings of."`
}

type defaultsCommand struct {
	Command string `arg:"" optional:"" help:"A subcommand, such as gateway; all that run as servers if none is given."`
}

// Run prints the defaults. kong calls it.
func (c *defaultsCommand) Run(app *kong.Kong) error {
	found := false
	for _, command := range app.Model.Children {
		if command.Name == c.Command || c.Command == "" && serves(command) {
			found = true
			if err := printDefaults(os.Stdout, command); err != nil {
				return fmt.Errorf("print defaults: %w", err)
			}
		}
	}
	if !found {
		return fmt.Errorf("%w: %q", errNoCommand, c.Command)
	}
	return nil
}

// serves reports whether a subcommand runs until it is stopped: those have an internal listener.
func serves(command *kong.Node) bool {
	for _, flag := range command.Flags {
		if flag.Name == "internal" {
			return true
		}
	}
	return false
}

func printDefaults(w io.Writer, command *kong.Node) error {
	if _, err := fmt.Fprintf(w, "# %s\n%s:\n", command.Help, command.Name); err != nil {
		return err
	}
	for _, flag := range command.Flags {
		if flag.Name == "help" {
			continue
		}
		value := flag.Default
		if value == "" && flag.IsBool() {
			value = "false"
		}
		if value == "" || strings.ContainsAny(value, ":#*{}[]") {
			value = fmt.Sprintf("%q", value)
		}
		help := flag.Help
		if flag.Tag.Get("reload") == "yes" {
			help += " " + readAgain
		}
		if _, err := fmt.Fprintf(w, "\n  # %s\n  # %s: %s\n", help, flag.Name, value); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

type checkCommand struct {
	File string `arg:"" type:"existingfile" help:"The settings file."`
}

// Run checks a file by parsing each subcommand's command line with it. kong calls it.
func (c *checkCommand) Run(app *kong.Kong) error {
	file, err := readSettings(c.File)
	if err != nil {
		return err
	}
	checked := 0
	for _, command := range app.Model.Children {
		if _, own := file.sections[command.Name]; !own && !serves(command) {
			continue
		}
		if len(command.Children) > 0 {
			continue
		}
		if _, err := (&cli{}).parse([]string{command.Name, "--config", c.File}); err != nil {
			return fmt.Errorf("%s: %w", command.Name, err)
		}
		checked++
	}
	if _, err := fmt.Fprintf(os.Stdout, "%s: fine, for %d subcommands\n", c.File, checked); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
