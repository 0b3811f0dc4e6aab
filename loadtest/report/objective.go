package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
		m, known := find(o.Name)
		if !known {
			return o, fmt.Errorf("%w: %q is not measured; known are %s", ErrObjective, o.Name, strings.Join(Measures(), ", "))
		}
		limit = strings.TrimSpace(limit)
		if d, err := time.ParseDuration(limit); err == nil && limit != "0" {
			if m.unit != millisecond {
				return o, fmt.Errorf("%w: %q is no time: %s", ErrObjective, o.Name, text)
			}
			o.Limit = float64(d) / float64(time.Millisecond)
			return o, nil
		}
		n, err := strconv.ParseFloat(limit, 64)
		if err != nil {
			return o, fmt.Errorf("%w: %q", ErrObjective, text)
		}
		if m.unit == millisecond && n != 0 {
			return o, fmt.Errorf("%w: a time needs a unit, such as 50ms: %q", ErrObjective, text)
		}
		o.Limit = n
		return o, nil
	}
	return Objective{}, fmt.Errorf("%w: %q", ErrObjective, text)
}

// Judge returns nil if the run meets all objectives, and otherwise an error that wraps ErrMissed and names those missed.
func (r *Report) Judge(objectives []Objective) error {
	var missed []string
	for _, o := range append(slices.Clone(objectives), implied(objectives)...) {
		m, _ := find(o.Name)
		part := ""
		if m.partial != nil {
			part = m.partial(r)
		}
		switch v := m.of(r); {
		case part != "":
			missed = append(missed, fmt.Sprintf("%s (%s)", o.text, part))
		case o.met(v):
		case math.IsNaN(v):
			missed = append(missed, fmt.Sprintf("%s (%s)", o.text, m.unknown(r)))
		case m.unit == millisecond:
			missed = append(missed, fmt.Sprintf("%s (it is %.6gms)", o.text, v))
		default:
			missed = append(missed, fmt.Sprintf("%s (it is %.6g)", o.text, v))
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("%w: %s", ErrMissed, strings.Join(missed, ", "))
	}
	return nil
}

// implied are the objectives that go without saying, as long as none is about the same: that those who were connected are so at the end, and,
// where it is about losses or latency, that whatever was due was sent.
func implied(objectives []Objective) []Objective {
	var all, sent []string
	named := map[string]bool{}
	for _, o := range objectives {
		named[o.Name] = true
		all = append(all, o.text)
		if m, _ := find(o.Name); m.sent {
			sent = append(sent, o.text)
		}
	}
	var list []Objective
	for _, one := range []struct {
		name string
		of   []string
	}{{"skipped", sent}, {"unsent", sent}, {"away", all}} {
		if len(one.of) > 0 && !named[one.name] {
			list = append(list, Objective{Name: one.name, Sign: "=", text: fmt.Sprintf("%s=0, which goes with %s", one.name, strings.Join(one.of, " and "))})
		}
	}
	return list
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
