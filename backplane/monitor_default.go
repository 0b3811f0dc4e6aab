//go:build !linux

package backplane

// QuietMonitor does nothing: only Linux has what it takes.
func QuietMonitor() {}
