package architecture

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
)

// How long things may be, in lines and fields: what a reader can hold in view.
const (
	MaxFileLines     = 500
	MaxFunctionLines = 60
	MaxSwitchLines   = 90 // with a waiver of the rule function: a switch over a wire format
	MaxFields        = 15
)

// Check applies every rule to a file.
func Check(s *Source) []Fault {
	var found []Fault
	for _, rule := range []func(*Source) []Fault{
		checkImports, checkGoroutines, checkSleeps, checkSkips, checkInits, checkComments,
		checkFile, checkFunctions, checkStructs, checkRaceDetector,
	} {
		found = append(found, rule(s)...)
	}
	return append(found, checkWaivers(s)...)
}

// checkGoroutines wants a waiver that names the owner on each go statement; sync.WaitGroup.Go, which
// has its owner in sight, needs none. In tests goroutine leak checks do this work.
func checkGoroutines(s *Source) []Fault {
	if s.Test {
		return nil
	}
	return s.inspect(func(n ast.Node) []Fault {
		if statement, ok := n.(*ast.GoStmt); ok {
			return s.fault("goroutine", statement.Pos(), "a bare go statement: say above it who waits for it and how it is stopped")
		}
		return nil
	})
}

func checkSleeps(s *Source) []Fault {
	if !s.Test {
		return nil
	}
	return s.inspect(func(n ast.Node) []Fault {
		if call, ok := n.(*ast.CallExpr); ok && calls(call, "time", "Sleep") {
			return s.fault("sleep", call.Pos(), "a sleep in a test: wait for the condition itself, or use testing/synctest")
		}
		return nil
	})
}

func checkSkips(s *Source) []Fault {
	if !s.Test {
		return nil
	}
	return s.inspect(func(n ast.Node) []Fault {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return nil
		}
		for _, receiver := range []string{"t", "b", "f", "tb"} {
			if calls(call, receiver, "Skip") || calls(call, receiver, "Skipf") || calls(call, receiver, "SkipNow") {
				return s.fault("skip", call.Pos(), "a test that may skip itself proves nothing")
			}
		}
		return nil
	})
}

func calls(call *ast.CallExpr, receiver, name string) bool {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || selector.Sel.Name != name {
		return false
	}
	left, ok := selector.X.(*ast.Ident)
	return ok && left.Name == receiver
}

func checkInits(s *Source) []Fault {
	var found []Fault
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			found = append(found, s.fault("init", f.Pos(), "an init function: what a package needs is given to it")...)
		}
	}
	return found
}

// fileName is short lower-case nouns; an underscore only before test, a platform, a build variant or a
// version of the wire.
var fileName = regexp.MustCompile(`^[a-z][a-z0-9]*(_(linux|amd64|arm64|default|invariants|v[0-9]+))*(_test)?\.go$`)

var emptyNames = regexp.MustCompile(`^(utils?|commons?|types?|helpers?|misc|shared|base)$`)

func checkFile(s *Source) []Fault {
	var found []Fault
	at := s.file.Package
	if s.Lines > MaxFileLines {
		found = append(found, s.fault("file", at, "%d lines; %d are the limit", s.Lines, MaxFileLines)...)
	}
	base := path.Base(s.Path)
	if !fileName.MatchString(base) {
		found = append(found, s.fault("name", at, "file name %q is not a lower-case noun", base)...)
	}
	noun, _, _ := strings.Cut(strings.TrimSuffix(base, ".go"), "_")
	for _, name := range append(strings.Split(path.Dir(s.Path), "/"), noun, s.file.Name.Name) {
		if emptyNames.MatchString(name) {
			found = append(found, s.fault("name", at, "%q says nothing: name the thing", name)...)
		}
	}
	return found
}

// checkFunctions leaves tests alone: their length is mostly tables.
func checkFunctions(s *Source) []Fault {
	if s.Test {
		return nil
	}
	var found []Fault
	for _, d := range s.file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		lines := s.line(f.End()) - s.line(f.Pos()) + 1
		switch {
		case lines > MaxSwitchLines:
			found = append(found, Fault{"function", s.Path, s.line(f.Pos()), f.Name.Name + ": too long, with a waiver even"})
		case lines > MaxFunctionLines:
			found = append(found, s.fault("function", f.Pos(), "%s: %d lines; %d are the limit", f.Name.Name, lines, MaxFunctionLines)...)
		}
	}
	return found
}

func checkStructs(s *Source) []Fault {
	return s.inspect(func(n ast.Node) []Fault {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return nil
		}
		structure, ok := spec.Type.(*ast.StructType)
		if !ok || structure.Fields.NumFields() <= MaxFields {
			return nil
		}
		return s.fault("struct", spec.Pos(), "%s: %d fields; %d are the limit", spec.Name.Name, structure.Fields.NumFields(), MaxFields)
	})
}

var raceOptOut = regexp.MustCompile(`^//go:(norace\b|build\b.*\brace\b)`)

func checkRaceDetector(s *Source) []Fault {
	var found []Fault
	for _, group := range s.file.Comments {
		for _, comment := range group.List {
			if raceOptOut.MatchString(comment.Text) {
				found = append(found, s.fault("race", comment.Pos(), "the race detector is never switched off")...)
			}
		}
	}
	return found
}

// checkWaivers comes last: the other rules have marked the waivers that they needed.
func checkWaivers(s *Source) []Fault {
	var found []Fault
	for _, w := range s.waivers {
		switch {
		case w.reason == "":
			found = append(found, Fault{"waiver", s.Path, w.line, "no reason is given"})
		case !w.used:
			found = append(found, Fault{"waiver", s.Path, w.line, "nothing here breaks the rule " + w.rule})
		}
	}
	return found
}
