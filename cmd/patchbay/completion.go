package main

import (
	"io"

	"github.com/alecthomas/kong"

	"patchbay/cmd/patchbay/complete"
)

// completionCommand prints the script that teaches a shell patchbay's command line.
type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"One of ${enum}."`
}

// Run prints the script. kong calls it.
func (c *completionCommand) Run(app *kong.Kong) error {
	script, err := complete.Script(c.Shell)
	if err != nil {
		return err
	}
	_, err = io.WriteString(app.Stdout, script)
	return err
}

// completes answers the question of a completion script, if the command line is one. The settings file and the environment are not
// read: completion works even where they are wrong.
func completes(w io.Writer, args []string) (bool, error) {
	if len(args) == 0 || args[0] != complete.Command {
		return false, nil
	}
	parser, err := (&cli{}).parser()
	if err != nil {
		return true, err
	}
	return true, complete.Words(parser.Model.Node, args[1:]).Write(w)
}
