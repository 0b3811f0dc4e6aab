package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

type versionCommand struct{}

// Run prints the version, from what the Go toolchain has put into the binary. kong calls it.
func (versionCommand) Run(k *kong.Kong) error {
	version, revision := "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		version = info.Main.Version
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				revision = setting.Value
			}
		}
	}
	_, err := fmt.Fprintf(k.Stdout, "patchbay %s (revision %s, %s, %s/%s)\n",
		version, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
