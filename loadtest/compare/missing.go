package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Where peers are, below the repository's root and the directory of programs.
const (
	peerDirectory = "loadtest/peers/node"
	nodeModules   = peerDirectory + "/node_modules/socket.io"
	goPortProgram = "peers/zishang"
)

// logTail is how much of a server's log an error shows.
const logTail = 600

// missing says what a system needs and this machine has not, with what mends it; empty if nothing.
func (s system) missing(settings settings) string {
	for _, need := range s.needs {
		switch {
		case need == nodeModules:
			if _, err := os.Stat(filepath.Join(settings.root, need)); err != nil {
				return "its packages are not installed: npm ci --prefix " + peerDirectory
			}
		case need == goPortProgram:
			if _, err := os.Stat(filepath.Join(settings.bin, need)); err != nil {
				return "it is not built: make compare builds it, with a module from the network"
			}
		default:
			if _, err := exec.LookPath(need); err != nil {
				return fmt.Sprintf("there is no %s on this machine (Debian: apt-get install %s)", need, packageOf(need))
			}
		}
	}
	return ""
}

func packageOf(program string) string {
	if program == "node" {
		return "nodejs npm"
	}
	return program
}

// lacking says once for each system that cannot be measured here why not.
func (all *results) lacking(s settings) map[string]bool {
	lack := map[string]bool{}
	all.Missing = nil
	for _, one := range systems() {
		if why := one.missing(s); why != "" {
			lack[one.name] = true
			all.Missing = append(all.Missing, one.title+": "+why)
			fmt.Fprintf(os.Stderr, "not compared: %s: %s\n", one.title, why)
		}
	}
	return lack
}

// tail is the end of a log, for an error.
func tail(log *os.File) string {
	text, err := os.ReadFile(log.Name())
	if err != nil || len(text) == 0 {
		return ""
	}
	return "; its log ends: " + strings.TrimSpace(string(text[max(0, len(text)-logTail):]))
}
