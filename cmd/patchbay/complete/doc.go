// Package complete finds what can follow on a command line of patchbay's, from the same definitions that parse it, and has the
// scripts that ask for it in bash, zsh and fish.
package complete
