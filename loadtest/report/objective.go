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

// Measures are the names that objectives may have.
func Measures() []string {
	return []string{
		"p50", "p90", "p99", "p999", "max", "mean", "connect_p99", "connect_max", "back_p99", "back_max", "late_p99",
		"lost", "repeated", "reordered", "stray", "damaged", "failures", "closes", "renewed", "stalls", "skipped",
		"rate", "cpu", "connect_cpu", "memory", "bottleneck",
	}
}

// value is what a run has of a measure; times are in milliseconds.
//
//patchbay:function a table of names and values
func (r *Report) value(name string) (value float64, isTime, known bool) {
	count := func(n uint64) (float64, bool, bool) { return float64(n), false, true }
	none := math.NaN() // what was not measured meets no objective
	ms := func(p Percentiles, v float64) (float64, bool, bool) {
		if p.Count == 0 {
			v = none
		}
		return v, true, true
	}
	all := Cost{PerUnit: none, PerConnect: none, PerClient: none}
	if len(r.Costs) > 0 {
		all = r.Costs[len(r.Costs)-1]
	}
	switch name {
	case "p50":
		return ms(r.Times.Latency, r.Times.Latency.P50)
	case "p90":
		return ms(r.Times.Latency, r.Times.Latency.P90)
	case "p99":
		return ms(r.Times.Latency, r.Times.Latency.P99)
	case "p999":
		return ms(r.Times.Latency, r.Times.Latency.P999)
	case "max":
		return ms(r.Times.Latency, r.Times.Latency.Max)
	case "mean":
		return ms(r.Times.Latency, r.Times.Latency.Mean)
	case "connect_p99":
		return ms(r.Times.Connect, r.Times.Connect.P99)
	case "connect_max":
		return ms(r.Times.Connect, r.Times.Connect.Max)
	case "back_p99":
		return ms(r.Times.Back, r.Times.Back.P99)
	case "back_max":
		return ms(r.Times.Back, r.Times.Back.Max)
	case "late_p99":
		return ms(r.Times.Late, r.Times.Late.P99)
	case "lost":
		return count(r.Audit.Lost + r.Audit.LostAcks)
	case "repeated":
		return count(r.Audit.Repeated)
	case "reordered":
		return count(r.Audit.Reordered)
	case "stray":
		return count(r.Totals.Stray)
	case "damaged":
		return count(r.Totals.Damaged)
	case "failures":
		return count(r.Totals.Failures)
	case "closes":
		return count(r.Totals.Closes)
	case "renewed":
		return count(r.Totals.Renewed)
	case "stalls":
		return count(r.Totals.Stalls)
	case "skipped":
		return count(r.Totals.Skipped)
	case "rate":
		return r.perSecond(r.Units()), false, true
	case "cpu":
		return all.PerUnit, false, true
	case "connect_cpu":
		return all.PerConnect, false, true
	case "memory":
		return all.PerClient, false, true
	case "bottleneck":
		return float64(min(len(r.Load.Bottle), 1)), false, true
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
