package complete

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Answer is what can stand in the place of the last word of a command line.
type Answer struct {
	Candidates []Candidate
	// Files and Dirs tell that names of files, or of directories, can stand there too.
	Files, Dirs bool
}

// Candidate is one word, whole, and what it means.
type Candidate struct {
	Word, Help string
}

// Words completes the last of the words that follow the program's name. It may be empty, and so may the list.
func Words(app *kong.Node, words []string) Answer {
	if len(words) == 0 {
		words = []string{""}
	}
	l := line{node: app}
	for _, word := range words[:len(words)-1] {
		l.read(word)
	}
	last := words[len(words)-1]
	all := l.follow(last)
	answer := Answer{Files: all.Files, Dirs: all.Dirs}
	for _, c := range all.Candidates {
		if strings.HasPrefix(c.Word, last) {
			answer.Candidates = append(answer.Candidates, c)
		}
	}
	return answer
}

// Write writes an answer as the scripts read it: a candidate a line, its meaning behind a tab; ":files" and ":dirs" stand for
// names of those.
func (a Answer) Write(w io.Writer) error {
	var b strings.Builder
	for _, c := range a.Candidates {
		b.WriteString(c.Word + "\t" + firstSentence(c.Help) + "\n")
	}
	if a.Files {
		b.WriteString(":files\n")
	}
	if a.Dirs {
		b.WriteString(":dirs\n")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write candidates: %w", err)
	}
	return nil
}

// firstSentence keeps lists of candidates narrow.
func firstSentence(help string) string {
	help, _, _ = strings.Cut(help, "\n")
	for _, end := range []string{". ", "; ", ": "} {
		help, _, _ = strings.Cut(help, end)
	}
	return strings.TrimSuffix(help, ".")
}
