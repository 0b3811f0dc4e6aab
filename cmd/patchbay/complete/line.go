package complete

import (
	"strings"

	"github.com/alecthomas/kong"
)

// line is a command line, read so far.
type line struct {
	node    *kong.Node
	args    int        // positional arguments of node that were read
	pending *kong.Flag // a flag whose value comes next
	noFlags bool       // "--" was read
}

// read takes a whole word.
func (l *line) read(word string) {
	switch {
	case l.pending != nil:
		l.pending = nil
	case !l.noFlags && word == "--":
		l.noFlags = true
	case !l.noFlags && len(word) > 1 && word[0] == '-':
		if !strings.Contains(word, "=") {
			l.pending = wantsValue(l.flag(word))
		}
	default:
		l.enter(word)
	}
}

// enter takes a subcommand or a positional argument.
func (l *line) enter(word string) {
	for _, child := range l.node.Children {
		if child.Name == word {
			l.node, l.args = child, 0
			return
		}
	}
	// The word belongs to the subcommand that is meant when none is named.
	if l.node.DefaultCmd != nil {
		l.node, l.args = l.node.DefaultCmd, 0
	}
	l.args++
}

// follow lists what can follow, of which word is the beginning.
func (l *line) follow(word string) Answer {
	name, _, assigned := strings.Cut(word, "=")
	switch {
	case l.pending != nil:
		return values(l.pending.Value, "")
	case !l.noFlags && assigned && strings.HasPrefix(name, "--"):
		if flag := wantsValue(l.flag(name)); flag != nil {
			return values(flag.Value, name+"=")
		}
		return Answer{}
	case !l.noFlags && strings.HasPrefix(word, "-"):
		return Answer{Candidates: l.flags()}
	}
	return l.arguments()
}

// flag finds a flag by its spelling.
func (l *line) flag(word string) *kong.Flag {
	for _, flag := range l.reachable() {
		if word == "--"+flag.Name || flag.Short != 0 && word == "-"+string(flag.Short) {
			return flag
		}
	}
	return nil
}

// reachable are the flags that can stand here.
func (l *line) reachable() []*kong.Flag {
	node := l.node
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	var all []*kong.Flag
	for _, level := range node.AllFlags(true) {
		all = append(all, level...)
	}
	return all
}

// wantsValue returns the flag if its value is a word of its own.
func wantsValue(flag *kong.Flag) *kong.Flag {
	if flag == nil || flag.IsBool() || flag.IsCounter() {
		return nil
	}
	return flag
}

func (l *line) flags() []Candidate {
	var all []Candidate
	for _, flag := range l.reachable() {
		all = append(all, Candidate{"--" + flag.Name, flag.Help})
		if flag.IsBool() && flag.Tag.Negatable != "" {
			all = append(all, Candidate{"--no-" + flag.Name, "Not: " + flag.Help})
		}
	}
	return all
}

// arguments lists subcommands, and what the next positional argument can be.
func (l *line) arguments() Answer {
	var answer Answer
	node := l.node
	if l.args == 0 {
		for _, child := range node.Children {
			if !child.Hidden {
				answer.Candidates = append(answer.Candidates, Candidate{child.Name, child.Help})
			}
		}
	}
	if node.DefaultCmd != nil {
		node = node.DefaultCmd
	}
	at := l.args
	if last := len(node.Positional) - 1; last >= 0 && at > last && node.Positional[last].IsCumulative() {
		at = last
	}
	if at < len(node.Positional) {
		more := values(node.Positional[at], "")
		answer.Candidates = append(answer.Candidates, more.Candidates...)
		answer.Files, answer.Dirs = more.Files, more.Dirs
	}
	return answer
}

// values lists what a flag or an argument can be.
func values(v *kong.Value, prefix string) Answer {
	var answer Answer
	if v.Enum != "" {
		for _, word := range v.EnumSlice() {
			answer.Candidates = append(answer.Candidates, Candidate{Word: prefix + word})
		}
		return answer
	}
	switch {
	case v.Tag.Type == "existingdir" || v.Tag.PlaceHolder == "DIR":
		answer.Dirs = true
	case v.Tag.Type == "path", v.Tag.Type == "existingfile", v.Tag.PlaceHolder == "FILE":
		answer.Files = true
	}
	return answer
}
