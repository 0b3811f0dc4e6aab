package main

import (
	"os"
	"strings"
	"testing"
)

// What README shows is this program, line by line.
func TestREADME(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```go\n")
	sample, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("README has no Go sample")
	}
	_, body, _ := strings.Cut(string(program), "\tio := ")
	body, _, _ = strings.Cut("\tio := "+body, "\n\tif err := app.Run")
	var want strings.Builder
	for line := range strings.Lines(body) {
		want.WriteString(strings.TrimPrefix(line, "\t"))
	}
	if got := strings.TrimSpace(sample); got != strings.TrimSpace(want.String()) {
		t.Errorf("README shows\n%s\nand the program is\n%s", got, want.String())
	}
}
