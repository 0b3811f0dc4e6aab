package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"

	"patchbay/loadtest/plot"
	"patchbay/loadtest/scenario"
)

// ErrReport reports a file that is no report.
var ErrReport = errors.New("load: not a report that --json has written")

// Read reads what --json has written.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a report: %w", err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrReport, path, err)
	}
	// What every report has, of whatever version.
	if !slices.Contains(scenario.Scenarios(), r.Head.Scenario) || r.Clients <= 0 || r.Head.Started.IsZero() {
		return nil, fmt.Errorf("%w: %s", ErrReport, path)
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

// incidental are the options that do not change what is measured: where the server is, and how it is restarted.
var incidental = []string{"url", "path", "remote", "restart"}

// Differences says in what reports differ from the first, beside the server, so that their ratios may tell of something else than the servers.
func Differences(reports ...*Report) []string {
	var list []string
	for i, r := range reports {
		var words []string
		if first := reports[0]; i > 0 {
			if r.Head.Scenario != first.Head.Scenario {
				words = append(words, fmt.Sprintf("scenario %s, not %s", r.Head.Scenario, first.Head.Scenario))
			}
			words = append(words, unlike(reflect.ValueOf(r.Options), reflect.ValueOf(first.Options))...)
			if machine, other := r.Head.Machine, first.Head.Machine; machine.CPU != other.CPU || machine.Cores != other.Cores {
				words = append(words, "another machine")
			}
		}
		if len(words) > 0 {
			list = append(list, fmt.Sprintf("%d is not like 1: %s", i+1, strings.Join(words, "; ")))
		}
		if r.End.Interrupted {
			list = append(list, fmt.Sprintf("%d was interrupted: %s", i+1, r.interruption()))
		}
	}
	return list
}

// unlike lists the flags of options that differ from others.
func unlike(a, b reflect.Value) []string {
	var list []string
	for i := range a.NumField() {
		flag, isFlag := a.Type().Field(i).Tag.Lookup("name")
		one, other := a.Field(i), b.Field(i)
		switch {
		case !isFlag:
			list = append(list, unlike(one, other)...)
		case !slices.Contains(incidental, flag) && !reflect.DeepEqual(one.Interface(), other.Interface()):
			list = append(list, fmt.Sprintf("--%s %v, not %v", flag, one.Interface(), other.Interface()))
		}
	}
	return list
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
	for _, text := range Differences(reports...) {
		if _, err := fmt.Fprintf(w, "WARNING: %s\n", text); err != nil {
			return err
		}
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
