package scenario

import (
	"time"

	"patchbay/loadtest/process"
)

// Usage is what each process has used so far, by name.
type Usage map[string]process.Usage

// Generator is the name of the load generator's own processes, together, in a Usage.
const Generator = "generator"

// Point is the state at a moment of a run.
type Point struct {
	At     time.Duration `json:"at"` // since the measured time began; negative before
	Sample Sample        `json:"sample"`
	Usage  Usage         `json:"usage"`
}

// Outcome is what a run has found.
type Outcome struct {
	Plan       *Plan     `json:"plan"`
	Started    time.Time `json:"started"`
	Before     Usage     `json:"before"`    // before the first connection
	Connected  Point     `json:"connected"` // when all clients were there
	Connecting time.Duration
	Begin      Point   `json:"begin"`  // when the measured time began
	Points     []Point `json:"points"` // each with the histograms of its interval; the last ends the measured time
	Audit      Audit   `json:"audit"`
	Settling   time.Duration
	Notes      []string `json:"notes,omitempty"` // what went wrong beside the load
	Rest       Sample   `json:"rest"`            // what came after the measured time
}

// Measured is how long was measured.
func (o *Outcome) Measured() time.Duration {
	if len(o.Points) == 0 {
		return 0
	}
	return o.Points[len(o.Points)-1].At
}

// Counters are those of the measured time.
func (o *Outcome) Counters() Counters {
	if len(o.Points) == 0 {
		return Counters{}
	}
	return o.Points[len(o.Points)-1].Sample.Counters.Minus(o.Begin.Sample.Counters)
}

// Histograms are those of the measured time and of what was under way at its end. Those of connections are of the whole run.
func (o *Outcome) Histograms() Histograms {
	var sum Histograms
	for _, p := range o.Points {
		sum.Add(p.Sample.Histograms)
	}
	sum.Add(o.Rest.Histograms)
	for _, s := range []Sample{o.Connected.Sample, o.Begin.Sample} {
		sum.Connect.Add(s.Histograms.Connect)
	}
	return sum
}

// Used is the CPU time and the growth of memory of a process during the measured time.
func (o *Outcome) Used(name string) (cpu time.Duration, resident int64) {
	if len(o.Points) == 0 {
		return 0, 0
	}
	last := o.Points[len(o.Points)-1].Usage[name]
	return last.CPU - o.Begin.Usage[name].CPU, last.Resident
}
