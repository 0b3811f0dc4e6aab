package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"patchbay/loadtest/scenario"
)

// barWidth is that of the progress bar, in characters.
const barWidth = 24

// loadProgress shows on standard error how a run goes on: a line that is drawn anew on a terminal, one line for each stage elsewhere.
type loadProgress struct {
	terminal bool
	stage    string
	last     scenario.Point
}

func newLoadProgress(plan *scenario.Plan) *loadProgress {
	info, err := os.Stderr.Stat()
	fmt.Fprintln(os.Stderr, plan.Describe())
	return &loadProgress{terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *loadProgress) show(stage string, share float64, at scenario.Point) {
	if !p.terminal {
		if stage != p.stage {
			fmt.Fprintf(os.Stderr, "%s…\n", stage)
		}
		p.stage = stage
		return
	}
	p.stage = stage
	c := at.Sample.Counters.Minus(p.last.Sample.Counters)
	seconds := (at.At - p.last.At).Seconds()
	rate := 0.0
	if seconds > 0 {
		rate = float64(c.Delivered+c.Acked) / seconds
	}
	p.last = at
	full := int(share * barWidth)
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	fmt.Fprintf(os.Stderr, "\r\033[K%-8s %s %3.0f %%  %d connected  %.0f/s  p99 %v", stage, bar, share*100, at.Sample.Present, rate,
		at.Sample.Histograms.Latency.At(99).Round(10*time.Microsecond))
}

// finish ends the line.
func (p *loadProgress) finish() {
	if p.terminal {
		fmt.Fprint(os.Stderr, "\r\033[K")
	}
}
