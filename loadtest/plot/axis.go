package plot

import (
	"math"
	"strconv"
)

// tick is a mark on an axis.
type tick struct {
	at    float64 // 0 to 1
	label string
}

// axis maps values to 0…1.
type axis struct {
	low, high float64
	log       bool
	ticks     []tick
}

// wanted is about how many marks an axis has.
const wanted = 5

// linear makes an axis from zero, or from low if that is negative, to a round number above high.
func linear(low, high float64, label func(float64) string) axis {
	low = min(low, 0)
	if high <= low {
		high = low + 1
	}
	step := roundStep((high - low) / wanted)
	a := axis{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step}
	for i := 0; ; i++ {
		v := a.low + float64(i)*step
		if v > a.high+step/2 {
			return a
		}
		a.ticks = append(a.ticks, tick{a.place(v), label(v)})
	}
}

// until ends a linear axis at a value, so that lines go to the edge.
func (a axis) until(high float64) axis {
	if high <= a.low {
		return a
	}
	cut := axis{low: a.low, high: high}
	for _, t := range a.ticks {
		if at := t.at * (a.high - a.low) / (high - a.low); at <= 1 {
			cut.ticks = append(cut.ticks, tick{at, t.label})
		}
	}
	return cut
}

// roundStep is the least of 1, 2, 2.5, 5 times a power of ten that is not below step.
func roundStep(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, factor := range []float64{1, 2, 2.5, 5} {
		if factor*power >= step {
			return factor * power
		}
	}
	return 10 * power
}

// logarithmic makes an axis of whole powers of ten around the values, which are positive.
func logarithmic(low, high float64, label func(float64) string) axis {
	from, to := math.Floor(math.Log10(low)), math.Ceil(math.Log10(high))
	if to <= from {
		to = from + 1
	}
	a := axis{low: math.Pow(10, from), high: math.Pow(10, to), log: true}
	for e := from; e <= to; e++ {
		v := math.Pow(10, e)
		a.ticks = append(a.ticks, tick{a.place(v), label(v)})
	}
	return a
}

func (a axis) place(v float64) float64 {
	if a.log {
		return math.Log10(max(v, a.low)/a.low) / math.Log10(a.high/a.low)
	}
	return (v - a.low) / (a.high - a.low)
}

// Number is a value with three digits that count, and k, M or G.
func Number(v float64) string {
	size := math.Abs(v)
	for _, unit := range []struct {
		from float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e4, "k"}} {
		if size >= unit.from {
			if unit.name == "k" {
				unit.from = 1e3
			}
			return digits(v/unit.from) + unit.name
		}
	}
	return digits(v)
}

func digits(v float64) string {
	if math.Abs(v) >= 100 {
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
	}
	text := strconv.FormatFloat(v, 'g', 3, 64)
	rounded, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}
