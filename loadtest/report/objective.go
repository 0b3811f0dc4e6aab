package report

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrObjective reports a text that is no objective.
var ErrObjective = errors.New("load: not an objective")

// ErrMissed reports objectives that a run has missed.
var ErrMissed = errors.New("load: objectives missed")

// Objective is one demand on a run, such as p99<50ms.
type Objective struct {
	Name  string
	Sign  string // <, <=, =, >=, >
	Limit float64
	text  string
}

// ParseObjectives reads a comma-separated list. Times are durations (50ms), all else are numbers.
func ParseObjectives(text string) ([]Objective, error) {
	var list []Objective
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		o, err := parseObjective(part)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

func parseObjective(text string) (Objective, error) {
	for _, sign := range []string{"<=", ">=", "<", ">", "="} {
		name, limit, ok := strings.Cut(text, sign)
		if !ok {
			continue
		}
		o := Objective{Name: strings.TrimSpace(name), Sign: sign, text: text}
		if _, _, known := (&Report{}).value(o.Name); !known {
			return o, fmt.Errorf("%w: %q is not measured; known are %s", ErrObjective, o.Name, strings.Join(Measures(), ", "))
		}
		limit = strings.TrimSpace(limit)
		if d, err := time.ParseDuration(limit); err == nil && limit != "0" {
			if _, isTime, _ := (&Report{}).value(o.Name); !isTime {
				return o, fmt.Errorf("%w: %q is no time: %s", ErrObjective, o.Name, text)
			}
			o.Limit = float64(d) / float64(time.Millisecond)
			return o, nil
		}
		n, err := strconv.ParseFloat(limit, 64)
		if err != nil {
			return o, fmt.Errorf("%w: %q", ErrObjective, text)
		}
		if _, isTime, _ := (&Report{}).value(o.Name); isTime && n != 0 {
			return o, fmt.Errorf("%w: a time needs a unit, such as 50ms: %q", ErrObjective, text)
		}
		o.Limit = n
		return o, nil
	}
	return Objective{}, fmt.Errorf("%w: %q", ErrObjective, text)
}

// measure is something that objectives are about. Times are in milliseconds; what a run has not measured is NaN, and meets no objective.
type measure struct {
	name string
	unit string
	of   func(*Report) float64
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

func measures() []measure {
	count := func(name string, of func(*Report) uint64) measure {
		return measure{name, "", func(r *Report) float64 { return float64(of(r)) }}
	}
	audited := func(name string, of func(*Report) uint64) measure {
		return measure{name, "", func(r *Report) float64 { return among(of(r), r.Audit.Expected) }}
	}
	of := func(name string, times func(*Report) Percentiles, one func(Percentiles) float64) measure {
		return measure{name, millisecond, func(r *Report) float64 {
			if p := times(r); p.Count > 0 {
				return one(p)
			}
			return math.NaN()
		}}
	}
	cost := func(name, unit string, one func(Cost) float64) measure {
		return measure{name, unit, func(r *Report) float64 {
			if sum := r.Sum(); sum != nil {
				return one(*sum)
			}
			return math.NaN()
		}}
	}
	latency := func(r *Report) Percentiles { return r.Times.Latency }
	connect := func(r *Report) Percentiles { return r.Times.Connect }
	back := func(r *Report) Percentiles { return r.Times.Back }
	p99 := func(p Percentiles) float64 { return p.P99 }
	highest := func(p Percentiles) float64 { return p.Max }
	return []measure{
		of("p50", latency, func(p Percentiles) float64 { return p.P50 }),
		of("p90", latency, func(p Percentiles) float64 { return p.P90 }),
		of("p99", latency, p99),
		of("p999", latency, func(p Percentiles) float64 { return p.P999 }),
		of("max", latency, highest),
		of("mean", latency, func(p Percentiles) float64 { return p.Mean }),
		of("connect_p99", connect, p99), of("connect_max", connect, highest),
		of("back_p99", back, p99), of("back_max", back, highest),
		of("late_p99", func(r *Report) Percentiles { return r.Times.Late }, p99),
		audited("lost", func(r *Report) uint64 { return r.Audit.Lost + r.Audit.LostAcks }),
		audited("repeated", func(r *Report) uint64 { return r.Audit.Repeated }),
		audited("reordered", func(r *Report) uint64 { return r.Audit.Reordered }),
		count("stray", func(r *Report) uint64 { return r.Totals.Stray }),
		count("damaged", func(r *Report) uint64 { return r.Totals.Damaged }),
		count("failures", func(r *Report) uint64 { return r.Totals.Failures }),
		count("closes", func(r *Report) uint64 { return r.Totals.Closes }),
		count("renewed", func(r *Report) uint64 { return r.Totals.Renewed }),
		count("stalls", func(r *Report) uint64 { return r.Totals.Stalls }),
		count("skipped", func(r *Report) uint64 { return r.Totals.Skipped }),
		{"rate", "/s", func(r *Report) float64 { return r.perSecond(r.Units()) }},
		{"bytes", "", (*Report).wire}, {"cpu", "µs", (*Report).cpu},
		cost("connect_cpu", "µs", func(c Cost) float64 { return c.PerConnect }),
		cost("memory", "B", func(c Cost) float64 { return c.PerClient }),
		count("bottleneck", func(r *Report) uint64 { return uint64(min(len(r.Load.Bottle), 1)) }),
	}
}

// wire is the bytes per delivery; a report of before they were counted has none.
func (r *Report) wire() float64 {
	if r.Counts.Bytes == 0 {
		return math.NaN()
	}
	return r.BytesPerUnit()
}

// cpu is what all servers used for each delivery.
func (r *Report) cpu() float64 {
	if sum := r.Sum(); sum != nil && r.Units() > 0 {
		return sum.PerUnit
	}
	return math.NaN()
}

// Measures are the names that objectives may have.
func Measures() []string {
	var names []string
	for _, m := range measures() {
		names = append(names, m.name)
	}
	return names
}

// value is what a run has of a measure.
func (r *Report) value(name string) (value float64, isTime, known bool) {
	for _, m := range measures() {
		if m.name == name {
			return m.of(r), m.unit == millisecond, true
		}
	}
	return 0, false, false
}

// Judge returns nil if the run meets all objectives, and otherwise an error that wraps ErrMissed and names those missed.
func (r *Report) Judge(objectives []Objective) error {
	var missed []string
	for _, o := range objectives {
		if v, isTime, _ := r.value(o.Name); !o.met(v) {
			unit := ""
			if isTime {
				unit = "ms"
			}
			missed = append(missed, fmt.Sprintf("%s (it is %.6g%s)", o.text, v, unit))
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s", ErrMissed, strings.Join(missed, ", "))
	}
	return nil
}

func (o Objective) met(v float64) bool {
	switch o.Sign {
	case "<":
		return v < o.Limit
	case "<=":
		return v <= o.Limit
	case ">":
		return v > o.Limit
	case ">=":
		return v >= o.Limit
	}
	return v == o.Limit
}
