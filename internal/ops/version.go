package ops

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
)

// The release's version and revision, and the time of the revision. The linker alone sets them (-X), where the toolchain itself cannot know: in an
// image's build and in a release from an archive.
var version, revision, date string

// Version says what a program is built from, in one line: its version, the revision of its source and its time, if that
// is known, the toolchain and the platform. What the linker was not told comes from what the toolchain has put into the binary.
func Version(program string) string {
	v, r := built()
	when := dated()
	if when != "" {
		when += ", "
	}
	return fmt.Sprintf("%s %s (revision %s, %s%s, %s/%s)", program, v, r, when, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// dated is the revision's time, empty if nobody knows.
func dated() string {
	info, ok := debug.ReadBuildInfo()
	if date != "" || !ok {
		return date
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.time" {
			return setting.Value
		}
	}
	return ""
}

func built() (v, r string) {
	v, r = "unknown", "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = info.Main.Version
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				r = setting.Value
			}
		}
	}
	if version != "" {
		v = version
	}
	if revision != "" {
		r = revision
	}
	return v, r
}

// NewBuildInfo returns a metric that is 1, with the version in its labels.
func NewBuildInfo() prometheus.Collector {
	v, r := built()
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "patchbay", Name: "build_info",
		Help:        "1; the labels say what the program is built from.",
		ConstLabels: prometheus.Labels{"version": v, "revision": r, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}
