package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"

	"patchbay/loadtest/plot"
	"patchbay/loadtest/scenario"
)

//go:embed page.html
var pageText string

// page is what the template shows.
type page struct {
	Title   string
	Reports []*Report
	Rows    []Row
	Unlike  []string // in what the reports differ beside the server
	Plots   []template.HTML
	Single  *Report // the only report, nil in a comparison
}

// WriteHTML writes a page about one run, or one that compares several. It is one file: plots, style and all.
func WriteHTML(w io.Writer, reports ...*Report) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"ms": millis, "bytes": func(n int64) string { return bytesText(float64(n)) }, "number": plot.Number, "plural": plural,
		"rate": func(r *Report, n uint64) float64 { return r.perSecond(n) },
		"sum":  func(a, b uint64) uint64 { return a + b },
		"dict": func(name string, p Percentiles) map[string]Percentiles { return map[string]Percentiles{name: p} },
		"us":   func(v float64) string { return fmt.Sprintf("%.2f µs", v) },
		"of":   counted, "interruption": (*Report).interruption,
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	p := page{Reports: reports, Rows: Compare(reports...), Unlike: Differences(reports...)}
	for _, svg := range plots(reports) {
		p.Plots = append(p.Plots, template.HTML(svg)) // package plot escapes all names
	}
	p.Title = "Comparison of load reports"
	if len(reports) == 1 {
		p.Single, p.Title = reports[0], reports[0].Name()
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// Name tells a report from others: its label, or its scenario.
func (r *Report) Name() string {
	if r.Head.Label != "" {
		return r.Head.Label + " · " + r.Head.Scenario
	}
	return r.Head.Scenario
}

func plots(reports []*Report) []string {
	var list []string
	if line := percentiles(reports); len(line.Series) > 0 {
		list = append(list, line.SVG())
	}
	for _, c := range []struct {
		title, y string
		of       func(Moment) (float64, bool)
	}{
		{"Deliveries and acknowledgements", "per second", func(m Moment) (float64, bool) { return m.Delivered, true }},
		{"99th percentile of latency", "ms", func(m Moment) (float64, bool) { return m.Latency.P99, m.Latency.Count > 0 }},
		{"Clients connected", "clients", func(m Moment) (float64, bool) { return float64(m.Present), true }},
	} {
		chart := plot.Lines{Title: c.title + " over time", X: "seconds", Y: c.y}
		highest := 0.0
		for _, r := range reports {
			s := plot.Series{Name: r.Name()}
			for _, m := range r.Timeline {
				if v, ok := c.of(m); ok {
					s.Points = append(s.Points, plot.Point{X: m.At, Y: v})
					highest = max(highest, v)
				}
			}
			chart.Series = append(chart.Series, s)
		}
		if highest > 0 {
			list = append(list, chart.SVG())
		}
	}
	for _, c := range []struct {
		title, y string
		of       func(Moment, string) (float64, bool)
	}{
		{"Resident memory", "MB", func(m Moment, name string) (float64, bool) {
			v, read := m.Resident[name]
			return float64(v) / 1e6, read
		}},
		{"CPU", "cores", func(m Moment, name string) (float64, bool) {
			v, read := m.CPU[name]
			return v, read
		}},
	} {
		list = append(list, byServer(reports, c.title+" over time", c.y, c.of).SVG())
	}
	return list
}

// percentiles is the chart of whole latency distributions.
func percentiles(reports []*Report) plot.Lines {
	chart := plot.Lines{Title: "Latency by percentile", X: "percentile", Y: "ms", LogY: true, Nines: true}
	for _, r := range reports {
		if r.Latency.Count() == 0 {
			continue
		}
		s := plot.Series{Name: r.Name()}
		for _, p := range []float64{0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99} {
			// A percentile needs values beyond it to mean something.
			if float64(r.Latency.Count())*(1-p/100) >= 1 {
				s.Points = append(s.Points, plot.Point{X: p, Y: float64(r.Latency.At(p).Microseconds()) / 1000})
			}
		}
		chart.Series = append(chart.Series, s)
	}
	return chart
}

// byServer is a chart of one run with a line for each server and for the generator, or of several with one line each, the sum of its servers.
// A moment at which something could not be read has no point there, nor in the sum.
func byServer(reports []*Report, title, y string, of func(Moment, string) (float64, bool)) plot.Lines {
	chart := plot.Lines{Title: title, X: "seconds", Y: y}
	for _, r := range reports {
		names := r.servers()
		lines := make([]plot.Series, len(names))
		sum := plot.Series{Name: r.Name()}
		for _, m := range r.Timeline {
			total, whole := 0.0, true
			for i, name := range names {
				v, read := of(m, name)
				if read {
					lines[i].Points = append(lines[i].Points, plot.Point{X: m.At, Y: v})
				}
				if name != scenario.Generator {
					total, whole = total+v, whole && read
				}
			}
			if whole {
				sum.Points = append(sum.Points, plot.Point{X: m.At, Y: total})
			}
		}
		if len(reports) > 1 {
			chart.Series = append(chart.Series, sum)
			continue
		}
		for i, name := range names {
			lines[i].Name = name
			chart.Series = append(chart.Series, lines[i])
		}
	}
	return chart
}

// servers are the names of all whose usage was to be read, the generator's among them.
func (r *Report) servers() []string {
	names := map[string]bool{}
	for _, c := range r.named() {
		names[c.Name] = true
	}
	for _, m := range r.Timeline {
		for name := range m.Resident {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
