package plot_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"patchbay/loadtest/plot"
)

// elements counts the elements of an SVG, and fails if it is not well-formed XML or has a number that is none.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || strings.Contains(svg, "%!") {
		t.Errorf("no number in %s", svg)
	}
	found := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if start, ok := token.(xml.StartElement); ok {
			found[start.Name.Local]++
		}
	}
}

func TestLines(t *testing.T) {
	points := []plot.Point{{X: 0, Y: 0}, {X: 1, Y: 3}, {X: 2, Y: 120_000}}
	for name, c := range map[string]struct {
		chart          plot.Lines
		lines, circles int
	}{
		"plain":       {plot.Lines{Title: `a < b & "c"`, Series: []plot.Series{{Name: "<x>", Points: points}, {Points: points}}}, 2, 6},
		"log":         {plot.Lines{LogY: true, Series: []plot.Series{{Points: points}}}, 1, 2},
		"nines":       {plot.Lines{Nines: true, Series: []plot.Series{{Points: []plot.Point{{X: 0, Y: 1}, {X: 50, Y: 2}, {X: 99.99, Y: 9}}}}}, 1, 3},
		"empty":       {plot.Lines{Series: []plot.Series{{}}}, 0, 0},
		"one":         {plot.Lines{Series: []plot.Series{{Points: points[:1]}}}, 0, 1},
		"log, empty":  {plot.Lines{LogY: true}, 0, 0},
		"log, zeroes": {plot.Lines{LogY: true, Series: []plot.Series{{Points: points[:1]}}}, 0, 0},
	} {
		found := elements(t, c.chart.SVG())
		if found["polyline"] != c.lines || found["circle"] != c.circles {
			t.Errorf("%s: got %v, want %d lines and %d points", name, found, c.lines, c.circles)
		}
	}
}

func TestBars(t *testing.T) {
	chart := plot.Bars{Groups: []plot.Group{
		{Name: "first", Bars: []plot.Bar{{Name: "a", Value: 1, Low: 0.5, High: 2}, {Name: "b", Value: 3}}},
		{Name: "second", Bars: []plot.Bar{{Name: "a", Value: 0}}},
	}}
	svg := chart.SVG()
	// Three bars, two squares of the legend, the background; a whisker for the first bar.
	if found := elements(t, svg); found["rect"] != 6 || found["path"] != 1 {
		t.Errorf("got %v in %s", found, svg)
	}
	elements(t, plot.Bars{}.SVG())
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.1234: "0.123", 1.5: "1.5", 12.34: "12.3", 999.6: "1000", 5000: "5000", 12_345: "12.3k", 250_000: "250k", 2_500_000: "2.5M", 3e9: "3G", 0.0005: "0.0005",
	} {
		if got := plot.Number(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
}
