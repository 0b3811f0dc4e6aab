package complete

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed patchbay.bash patchbay.zsh patchbay.fish
var scripts embed.FS

// Command is the word by which the scripts ask for candidates; the words of the command line follow it.
const Command = "__complete"

// Script returns the script for a shell: bash, zsh or fish.
func Script(shell string) (string, error) {
	text, err := scripts.ReadFile("patchbay." + shell)
	if err != nil {
		return "", fmt.Errorf("no completion for %s: %w", shell, err)
	}
	return strings.ReplaceAll(string(text), "COMMAND", Command), nil
}
