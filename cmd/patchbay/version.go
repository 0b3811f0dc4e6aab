package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"patchbay/internal/ops"
)

type versionCommand struct{}

// Run prints the version. kong calls it.
func (versionCommand) Run(k *kong.Kong) error {
	_, err := fmt.Fprintln(k.Stdout, ops.Version("patchbay"))
	return err
}
