package architecture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Module is this module's path, the beginning of its own imports.
const Module = "patchbay"

// Source is one parsed Go file.
type Source struct {
	Path  string // from the module's root, with slashes
	Test  bool   // a _test.go file
	Lines int

	file    *ast.File
	set     *token.FileSet
	waivers []*waiver
}

// Fault is one place where a rule is broken.
type Fault struct {
	Rule string
	Path string
	Line int
	Text string
}

// String renders the fault as a compiler would.
func (f Fault) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.Path, f.Line, f.Rule, f.Text)
}

// waiver is a comment that excuses one line from one rule.
type waiver struct {
	rule, reason string
	line, covers int
	used         bool
}

const waiverMark = "//patchbay:"

// Parse reads one file's text.
func Parse(name string, text []byte) (*Source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	s := &Source{
		Path:  name,
		Test:  strings.HasSuffix(name, "_test.go"),
		Lines: strings.Count(string(text), "\n"),
		file:  file,
		set:   set,
	}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if rest, ok := strings.CutPrefix(comment.Text, waiverMark); ok {
				rule, reason, _ := strings.Cut(rest, " ")
				s.waivers = append(s.waivers, &waiver{
					rule:   rule,
					reason: strings.TrimSpace(reason),
					line:   s.line(comment.Pos()),
					covers: s.line(group.End()) + 1,
				})
			}
		}
	}
	return s, nil
}

// Load parses every Go file below a directory, tests included.
func Load(root string) ([]*Source, error) {
	var sources []*Source
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch base := entry.Name(); {
			case name == root:
				return nil
			case base == "node_modules", base == "testdata", base[0] == '.':
				return filepath.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		source, err := Parse(filepath.ToSlash(relative), text)
		sources = append(sources, source)
		return err
	})
	return sources, err
}

func (s *Source) line(pos token.Pos) int { return s.set.Position(pos).Line }

// fault makes a fault at a place, unless a waiver covers it.
func (s *Source) fault(rule string, pos token.Pos, format string, args ...any) []Fault {
	line := s.line(pos)
	for _, w := range s.waivers {
		if w.rule == rule && (w.covers == line || w.line == line) {
			w.used = true
			return nil
		}
	}
	return []Fault{{Rule: rule, Path: s.Path, Line: line, Text: fmt.Sprintf(format, args...)}}
}

// inspect visits every node of the file and collects what the visitor finds.
func (s *Source) inspect(visit func(ast.Node) []Fault) []Fault {
	var found []Fault
	ast.Inspect(s.file, func(n ast.Node) bool {
		if n != nil {
			found = append(found, visit(n)...)
		}
		return true
	})
	return found
}
