package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"patchbay/internal/ops"
)

// manCommand prints the manual page.
type manCommand struct{}

// Run prints the page. kong calls it.
func (manCommand) Run(app *kong.Kong) error {
	_, err := io.WriteString(app.Stdout, manual(app.Model.Node))
	return err
}

// manual is the page of all commands, in the language of man(7).
func manual(app *kong.Node) string {
	var p manPage
	p.line(`.TH PATCHBAY 1 "" %s "Patchbay"`, quoted(ops.Version("patchbay")))
	p.line(".SH NAME\npatchbay \\- Socket.IO at cluster scale")
	p.line(".SH SYNOPSIS\n.B patchbay\n.I command\n[flags]")
	p.line(".SH DESCRIPTION")
	p.text(app.Help)
	p.line(".SH FLAGS OF ALL COMMANDS")
	p.flags(app.Flags, false)
	for _, command := range app.Leaves(true) {
		p.line(".SH %s", quoted(strings.ToUpper(command.FullPath())))
		p.line(".B %s", roff(command.Summary()))
		p.line(".PP")
		p.text(command.Help + "\n\n" + command.Detail)
		for _, arg := range command.Positional {
			p.line(".TP\n.I %s", roff(arg.Summary()))
			p.text(arg.Help)
		}
		p.flags(command.Flags, true)
	}
	return p.String()
}

// manPage is a page in the making.
type manPage struct{ strings.Builder }

func (p *manPage) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// text writes paragraphs; indented lines stay as they are.
func (p *manPage) text(text string) {
	verbatim := false
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		code := strings.HasPrefix(line, "\t")
		switch {
		case code && !verbatim:
			p.line(".RS 4\n.nf")
		case !code && verbatim:
			p.line(".fi\n.RE")
		}
		verbatim = code
		if line = strings.TrimSpace(line); line == "" {
			p.line(".PP")
			continue
		}
		p.line("%s", roff(line))
	}
	if verbatim {
		p.line(".fi\n.RE")
	}
}

// flags writes a list of flags, under their headings.
func (p *manPage) flags(flags []*kong.Flag, headed bool) {
	group := ""
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		if headed && flag.Group != nil && flag.Group.Title != group {
			group = flag.Group.Title
			p.line(".SS %s", quoted(group))
		}
		p.line(".TP\n.B %s", roff(flag.String()))
		help := flag.Help
		if flag.Tag.Get("reload") == "yes" {
			help += " " + readAgain
		}
		if len(flag.Envs) > 0 {
			help += " Environment: " + strings.Join(flag.Envs, ", ") + "."
		}
		p.text(help)
	}
}

// roff escapes what would be a command or a special character in a line of text.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "…", "...").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// quoted is a text as one argument of a command.
func quoted(text string) string {
	return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"`
}
