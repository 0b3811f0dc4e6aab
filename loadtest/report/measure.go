package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// measure is something that objectives are about. Times are in milliseconds; what a run has not measured is NaN, and meets no objective.
type measure struct {
	name string
	unit string
	of   func(*Report) float64
	why  func(*Report) string // says more of what was not measured; may be nil
	// Says why what was measured is not the whole of it, and meets no objective; empty if it is, and nil if it always is.
	partial func(*Report) string
	sent    bool // of the messages sent, and says nothing of those that were not
}

// unknown says why a run has nothing of a measure.
func (m measure) unknown(r *Report) string {
	if m.why != nil {
		return "it is not known: " + m.why(r)
	}
	return "it was not measured"
}

// millisecond is the unit of times.
const millisecond = "ms"

// among is a count of things that a run has had if it has had any of another.
func among(n, all uint64) float64 {
	if all == 0 {
		return math.NaN()
	}
	return float64(n)
}

// measures are all of them, in the order in which they are listed.
func measures() []measure {
	bottleneck := measure{name: "bottleneck", of: func(r *Report) float64 { return float64(min(len(r.Load.Bottle), 1)) }}
	return slices.Concat(runMeasures(), costMeasures(), []measure{bottleneck})
}

// runMeasures are of what the clients saw.
func runMeasures() []measure {
	count := func(name string, of func(*Report) uint64) measure {
		return measure{name: name, of: func(r *Report) float64 { return float64(of(r)) }}
	}
	audited := func(name string, of func(*Report) uint64) measure {
		return measure{name: name, of: func(r *Report) float64 { return among(of(r), r.Audit.Expected) }}
	}
	of := func(name string, times func(*Report) Percentiles, one func(Percentiles) float64) measure {
		return measure{name: name, unit: millisecond, of: func(r *Report) float64 {
			if p := times(r); p.Count > 0 {
				return one(p)
			}
			return math.NaN()
		}}
	}
	ofLatency := func(name string, one func(Percentiles) float64) measure {
		m := of(name, func(r *Report) Percentiles { return r.Times.Latency }, one)
		m.sent = true
		return m
	}
	ofReturn := func(name string, one func(Percentiles) float64) measure {
		m := of(name, func(r *Report) Percentiles { return r.Times.Back }, one)
		m.partial = (*Report).notBack
		return m
	}
	lost := audited("lost", func(r *Report) uint64 { return r.Audit.Lost + r.Audit.LostAcks })
	lost.sent = true
	connect := func(r *Report) Percentiles { return r.Times.Connect }
	p99 := func(p Percentiles) float64 { return p.P99 }
	highest := func(p Percentiles) float64 { return p.Max }
	return []measure{
		ofLatency("p50", func(p Percentiles) float64 { return p.P50 }),
		ofLatency("p90", func(p Percentiles) float64 { return p.P90 }),
		ofLatency("p99", p99),
		ofLatency("p999", func(p Percentiles) float64 { return p.P999 }),
		ofLatency("max", highest),
		ofLatency("mean", func(p Percentiles) float64 { return p.Mean }),
		of("connect_p99", connect, p99), of("connect_max", connect, highest),
		ofReturn("back_p99", p99), ofReturn("back_max", highest),
		of("late_p99", func(r *Report) Percentiles { return r.Times.Late }, p99),
		lost,
		audited("repeated", func(r *Report) uint64 { return r.Audit.Repeated }),
		audited("reordered", func(r *Report) uint64 { return r.Audit.Reordered }),
		count("stray", func(r *Report) uint64 { return r.Totals.Stray }),
		count("damaged", func(r *Report) uint64 { return r.Totals.Damaged }),
		count("failures", func(r *Report) uint64 { return r.Totals.Failures }),
		count("closes", func(r *Report) uint64 { return r.Totals.Closes }),
		count("renewed", func(r *Report) uint64 { return r.Totals.Renewed }),
		count("stalls", func(r *Report) uint64 { return r.Totals.Stalls }),
		count("skipped", func(r *Report) uint64 { return r.Totals.Skipped }),
		count("unsent", func(r *Report) uint64 { return r.Totals.Unsent }),
		count("away", func(r *Report) uint64 { return uint64(r.End.Away) }),
		{name: "rate", unit: "/s", of: func(r *Report) float64 { return r.perSecond(r.Units()) }},
		{name: "bytes", of: (*Report).wire},
	}
}

// costMeasures are of what the servers used.
func costMeasures() []measure {
	cost := func(name, unit string, one func(*Report, Cost) float64) measure {
		return measure{name: name, unit: unit, why: (*Report).costless, of: func(r *Report) float64 {
			if sum := r.Sum(); sum != nil && sum.Unread == "" {
				return one(r, *sum)
			}
			return math.NaN()
		}}
	}
	return []measure{
		cost("cpu", "µs", func(r *Report, c Cost) float64 {
			if r.Units() == 0 {
				return math.NaN()
			}
			return c.PerUnit
		}),
		cost("connect_cpu", "µs", func(_ *Report, c Cost) float64 { return c.PerConnect }),
		cost("memory", "B", func(_ *Report, c Cost) float64 { return c.PerClient }),
	}
}

// wire is the bytes per delivery; a report of before they were counted has none.
func (r *Report) wire() float64 {
	if r.Counts.Bytes == 0 {
		return math.NaN()
	}
	return r.BytesPerUnit()
}

// notBack says who is not back, whose times are not among those that were measured.
func (r *Report) notBack() string {
	if r.End.Away == 0 {
		return ""
	}
	return fmt.Sprintf("%d clients are not back", r.End.Away)
}

// costless says why it is not known what the servers used.
func (r *Report) costless() string {
	var words []string
	for _, c := range r.named() {
		if c.Unread != "" {
			words = append(words, c.Name+": "+c.Unread)
		}
	}
	switch {
	case len(r.Costs) == 0:
		return "neither --pid nor --server-metrics named a server"
	case len(words) == 0:
		return "nothing was delivered"
	}
	return strings.Join(words, "; ")
}

// Measures are the names that objectives may have.
func Measures() []string {
	var names []string
	for _, m := range measures() {
		names = append(names, m.name)
	}
	return names
}

// find finds a measure by its name.
func find(name string) (measure, bool) {
	for _, m := range measures() {
		if m.name == name {
			return m, true
		}
	}
	return measure{}, false
}
