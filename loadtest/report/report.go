package report

import (
	"math"
	"time"

	"patchbay/loadtest/scenario"
)

// Report is a run, summed up. Its JSON is what --json writes and compare reads.
type Report struct {
	Head     Head               `json:"head"`
	Options  scenario.Options   `json:"options"`
	Clients  int                `json:"clients"` // publishers beside the members included
	Connect  Connect            `json:"connect"`
	Seconds  float64            `json:"seconds"` // measured
	Counts   scenario.Counters  `json:"counts"`  // in that time
	Totals   scenario.Counters  `json:"totals"`  // in the whole run
	Audit    scenario.Audit     `json:"audit"`
	Times    Times              `json:"times"`
	Costs    []Cost             `json:"costs,omitempty"` // of the servers named; the last is their sum, if there are several
	Load     Load               `json:"load"`
	Timeline []Moment           `json:"timeline"`
	Latency  scenario.Histogram `json:"latency_histogram"` // HDR, compressed
	End      End                `json:"end"`
	Notes    []string           `json:"notes,omitempty"`
}

// Head says what was run, when and where.
type Head struct {
	Scenario    string    `json:"scenario"`
	Label       string    `json:"label,omitempty"` // of the server, given by whoever ran it
	Description string    `json:"description"`
	Command     string    `json:"command,omitempty"`
	Started     time.Time `json:"started"`
	Machine     Machine   `json:"machine"`
}

// Connect is the time until all clients were in their rooms.
type Connect struct {
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"rate"` // clients per second
}

// End is how it stood when the run was over.
type End struct {
	Present     int  `json:"present"`     // clients in their place
	Away        int  `json:"away"`        // clients that have lost their place and are not back, though the scenario keeps them away no longer
	Interrupted bool `json:"interrupted"` // before the measured time was over, or all had arrived
}

// Times are the percentiles of all that was timed.
type Times struct {
	Latency Percentiles `json:"latency"` // from the intended send to the delivery, or the acknowledgement
	Replay  Percentiles `json:"replay"`  // of what came with a recovery
	Connect Percentiles `json:"connect"` // from the first SYN to the room
	Back    Percentiles `json:"back"`    // from the end of a connection until the client is in its room again
	Late    Percentiles `json:"late"`    // the generator's own delay before a send
}

// Percentiles are of one histogram, in milliseconds.
type Percentiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	Max   float64 `json:"max"`
}

// PercentilesOf sums up a histogram.
func PercentilesOf(h scenario.Histogram) Percentiles {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Percentiles{h.Count(), ms(h.Mean()), ms(h.At(50)), ms(h.At(90)), ms(h.At(99)), ms(h.At(99.9)), ms(h.At(100))}
}

// Load says how hard the generator itself worked.
type Load struct {
	Processes int     `json:"processes"`
	Loops     int     `json:"loops"`      // of each process
	Cores     float64 `json:"cores"`      // CPU time over time
	Resident  int64   `json:"resident"`   // bytes
	Bottle    string  `json:"bottleneck"` // why the generator, and not the server, may have set the pace; empty if it has not
}

// Moment is one point of the timeline.
type Moment struct {
	At        float64            `json:"at"`        // seconds since the measured time began
	Sent      float64            `json:"sent"`      // per second
	Delivered float64            `json:"delivered"` // deliveries and acknowledgements per second
	Latency   Percentiles        `json:"latency"`
	Present   int                `json:"present"`
	Resident  map[string]int64   `json:"resident,omitempty"` // bytes, by server; without what could not be read
	CPU       map[string]float64 `json:"cpu,omitempty"`      // cores in use, by server
}

// New sums up an outcome. names are the servers whose costs were read, in order.
func New(o *scenario.Outcome, names []string, label, command string) *Report {
	histograms := o.Histograms()
	r := &Report{
		Head:    Head{o.Plan.Scenario, label, o.Plan.Describe(), command, o.Started, ThisMachine()},
		Options: o.Plan.Options, Clients: o.Plan.Total(),
		Connect: Connect{Seconds: o.Connecting.Seconds()},
		Seconds: o.Measured().Seconds(), Counts: o.Counters(), Totals: o.Rest.Counters, Audit: o.Audit,
		Times: Times{
			Latency: PercentilesOf(histograms.Latency), Replay: PercentilesOf(histograms.Replay), Connect: PercentilesOf(histograms.Connect),
			Back: PercentilesOf(histograms.Back), Late: PercentilesOf(histograms.Late),
		},
		Latency: histograms.Latency, Notes: o.Notes, End: End{Present: o.Rest.Present, Away: o.Rest.Away, Interrupted: o.Interrupted},
	}
	if r.Connect.Seconds > 0 {
		r.Connect.Rate = float64(r.Clients) / r.Connect.Seconds
	}
	r.Costs = costs(o, names)
	r.Load = load(o, r)
	r.Timeline = timeline(o, names)
	return r
}

// Units is how many deliveries and acknowledgements the measured time had.
func (r *Report) Units() uint64 { return r.Counts.Delivered + r.Counts.Acked }

// BytesPerUnit is how many bytes clients have received for each delivery or acknowledgement, with all framing and pings; NaN without any.
func (r *Report) BytesPerUnit() float64 {
	if r.Units() == 0 {
		return math.NaN()
	}
	return float64(r.Counts.Bytes) / float64(r.Units())
}

// Unit is what is delivered: deliveries, or acknowledgements.
func (r *Report) Unit() string {
	if r.Counts.Acked > 0 {
		return "ack"
	}
	return "delivery"
}

// perSecond divides by the measured time.
func (r *Report) perSecond(n uint64) float64 {
	if r.Seconds == 0 {
		return 0
	}
	return float64(n) / r.Seconds
}

func timeline(o *scenario.Outcome, names []string) []Moment {
	var list []Moment
	before := o.Begin
	for _, p := range o.Points {
		seconds := (p.At - before.At).Seconds()
		if seconds <= 0 {
			continue
		}
		c := p.Sample.Counters.Minus(before.Sample.Counters)
		m := Moment{
			At: p.At.Seconds(), Sent: float64(c.Sent) / seconds, Delivered: float64(c.Delivered+c.Acked) / seconds,
			Latency: PercentilesOf(p.Sample.Histograms.Latency), Present: p.Sample.Present,
			Resident: map[string]int64{}, CPU: map[string]float64{},
		}
		for _, name := range append([]string{scenario.Generator}, names...) {
			now, read := p.Usage[name]
			if !read {
				continue
			}
			m.Resident[name] = now.Resident
			if earlier, read := before.Usage[name]; read {
				m.CPU[name] = (now.CPU - earlier.CPU).Seconds() / seconds
			}
		}
		list = append(list, m)
		before = p
	}
	return list
}
