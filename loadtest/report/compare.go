package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"

	"patchbay/loadtest/plot"
)

// Read reads what --json has written.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("read the report %s: %w", path, err)
	}
	return &r, nil
}

// Row is one measure of several reports: the first's value, and of the others also the ratio to the first.
type Row struct {
	Name  string
	Cells []string
}

// Compare lists the measures that at least one of the reports has, in the order of Measures; of counts those that are not 0 everywhere, and
// always what was lost, repeated and reordered.
func Compare(reports ...*Report) []Row {
	var rows []Row
	for _, m := range measures() {
		row := Row{Name: m.name}
		measured := false
		var first float64
		for i, r := range reports {
			v := m.of(r)
			if i == 0 {
				first = v
			}
			measured = measured || !math.IsNaN(v) && (v != 0 || m.name == "lost" || m.name == "repeated" || m.name == "reordered")
			row.Cells = append(row.Cells, cell(v, first, m.unit, i > 0))
		}
		if measured {
			rows = append(rows, row)
		}
	}
	return rows
}

func cell(v, first float64, unit string, ratio bool) string {
	if math.IsNaN(v) {
		return "–"
	}
	text := plot.Number(v)
	switch unit {
	case millisecond:
		text = millis(v)
	case "":
	case "/s":
		text += unit
	default:
		text += " " + unit
	}
	if ratio && first > 0 {
		text += fmt.Sprintf(" (%.2f×)", v/first)
	}
	return text
}

// WriteComparison writes a table of several reports.
func WriteComparison(w io.Writer, reports ...*Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range reports {
		fmt.Fprintf(t, "%d\t%s\t%s\n", i+1, r.Name(), r.Head.Description)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "\n\t")
	for i := range reports {
		fmt.Fprintf(t, "%d\t", i+1)
	}
	fmt.Fprintln(t)
	for _, row := range Compare(reports...) {
		fmt.Fprintf(t, "%s\t", row.Name)
		for _, text := range row.Cells {
			fmt.Fprintf(t, "%s\t", text)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}
