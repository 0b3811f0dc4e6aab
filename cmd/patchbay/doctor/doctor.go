// Package doctor looks at a machine and at NATS for what keeps a gateway from running well, and says what mends it.
package doctor

import (
	"fmt"
	"io"
	"strings"
)

// Verdict is how bad a finding is.
type Verdict byte

// The verdicts.
const (
	Fine    Verdict = iota
	Warning         // works, but not as far as it could
	Wrong           // does not work, or is not safe
)

// Finding is what one look has shown.
type Finding struct {
	Verdict Verdict
	What    string // what was looked at
	Found   string
	Remedy  string // a command, or what to set; empty if all is fine
}

// Print writes findings for people, and reports whether none is wrong.
func Print(w io.Writer, findings []Finding) (well bool, err error) {
	well = true
	for _, f := range findings {
		mark := "ok   "
		switch f.Verdict {
		case Fine:
		case Warning:
			mark = "warn "
		case Wrong:
			mark, well = "wrong", false
		}
		if _, err := fmt.Fprintf(w, "%s  %-22s %s\n", mark, f.What, strings.ReplaceAll(f.Found, "\n", "; ")); err != nil {
			return well, err
		}
		if f.Remedy == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "       %-22s → %s\n", "", f.Remedy); err != nil {
			return well, err
		}
	}
	return well, nil
}
