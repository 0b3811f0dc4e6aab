package scenario

import (
	"cmp"
	"time"

	"patchbay/loadtest/process"
)

// Usage is what each process has used so far, by name. What could not be read is not in it.
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
	Plan        *Plan     `json:"plan"`
	Started     time.Time `json:"started"`
	Before      Usage     `json:"before"`    // before the first connection
	Connected   Point     `json:"connected"` // when all clients were there
	Connecting  time.Duration
	Begin       Point   `json:"begin"`  // when the measured time began
	Points      []Point `json:"points"` // each with the histograms of its interval; the last ends the measured time
	Audit       Audit   `json:"audit"`
	Settling    time.Duration
	Notes       []string `json:"notes,omitempty"` // what went wrong beside the load
	Rest        Sample   `json:"rest"`            // what came after the measured time
	Interrupted bool     `json:"interrupted"`     // before the measured time was over, or all had arrived
	// Why a process's usage could not be read, by its name: what failed first.
	Unread map[string]string `json:"unread,omitempty"`
}

func (o *Outcome) unread(name string, err error) {
	if o.Unread == nil {
		o.Unread = map[string]string{}
	}
	if o.Unread[name] == "" {
		o.Unread[name] = err.Error()
	}
}

// Unknown says why it is not known what a process has used, which takes its usage before the first connection, when all clients were there,
// and at both ends of the measured time. It is empty if it is known.
func (o *Outcome) Unknown(name string) string {
	if len(o.Points) == 0 {
		return "nothing was measured"
	}
	for _, u := range []Usage{o.Before, o.Connected.Usage, o.Begin.Usage, o.Points[len(o.Points)-1].Usage} {
		if _, ok := u[name]; !ok {
			return cmp.Or(o.Unread[name], "it was not read")
		}
	}
	return ""
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
