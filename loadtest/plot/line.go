package plot

import (
	"fmt"
	"math"
	"strings"
)

// Point is one value.
type Point struct{ X, Y float64 }

// Series is one line.
type Series struct {
	Name   string
	Points []Point
}

// Lines is a chart of one or more lines.
type Lines struct {
	Title  string
	X, Y   string // labels of the axes
	LogY   bool   // all values must be positive then; others are left out
	Nines  bool   // X holds percentiles below 100, drawn so that 90, 99, 99.9 … are equally far apart
	Series []Series
}

// SVG draws the chart. Without a value it draws the empty field.
func (l Lines) SVG() string {
	var c canvas
	var names []string
	for _, s := range l.Series {
		names = append(names, s.Name)
	}
	c.frame(l.Title, names)
	x, y := l.axes()
	c.rows(y, l.Y)
	c.columns(x.ticks, l.X)
	for i, s := range l.Series {
		var path []string
		for _, p := range s.Points {
			if l.LogY && p.Y <= 0 {
				continue
			}
			px, py := left+x.place(l.across(p.X))*fieldWidth, top+(1-y.place(p.Y))*fieldHeight
			path = append(path, fmt.Sprintf("%.1f,%.1f", px, py))
			c.add(`<circle cx="%.1f" cy="%.1f" r="3" fill="%s" fill-opacity="0.35"><title>%s: %s at %s</title></circle>`, px, py, colour(i),
				text(s.Name), Number(p.Y), Number(p.X))
		}
		if len(path) > 1 {
			c.add(`<polyline points="%s" fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"/>`, strings.Join(path, " "), colour(i))
		}
	}
	return c.end()
}

// across is where a value stands on the X axis: a percentile by how many are above it.
func (l Lines) across(x float64) float64 {
	if l.Nines {
		return -math.Log10(1 - x/100)
	}
	return x
}

func (l Lines) axes() (x, y axis) {
	var right, low, high float64
	low = math.Inf(1)
	for _, s := range l.Series {
		for _, p := range s.Points {
			right = max(right, l.across(p.X))
			if l.LogY && p.Y <= 0 {
				continue
			}
			low, high = min(low, p.Y), max(high, p.Y)
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	if l.LogY {
		y = logarithmic(low, high, Number)
	} else {
		y = linear(0, high, Number)
	}
	if !l.Nines {
		return linear(0, right, Number).until(right), y
	}
	x = axis{high: max(right, 1)}
	for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
		if at := l.across(p); at <= x.high {
			x.ticks = append(x.ticks, tick{x.place(at), fmt.Sprint(p)})
		}
	}
	return x, y
}
