package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteText writes the table for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	t := &table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	title := r.Head.Description
	if r.Head.Label != "" {
		title = r.Head.Label + " · " + title
	}
	fmt.Fprintf(t, "%s\n\n", title)
	if r.End.Interrupted {
		t.row("INTERRUPTED", "%s", r.interruption())
	}
	t.row("connected", "%d clients in %.2f s, %.0f/s; p50 %s, p99 %s, max %s", r.Clients, r.Connect.Seconds, r.Connect.Rate,
		millis(r.Times.Connect.P50), millis(r.Times.Connect.P99), millis(r.Times.Connect.Max))
	if r.Totals.Sent > 0 {
		t.row("measured", "%.1f s: %d sent, %.1f/s; %d %s, %.0f/s", r.Seconds, r.Counts.Sent, r.perSecond(r.Counts.Sent),
			r.Units(), plural(r.Unit()), r.perSecond(r.Units()))
		if r.Units() > 0 {
			t.row("on the wire", "%s received, %.0f bytes per %s", bytesText(float64(r.Counts.Bytes)), r.BytesPerUnit(), r.Unit())
		}
		t.percentiles("latency", r.Times.Latency)
	}
	if r.Times.Replay.Count > 0 {
		t.percentiles("replayed", r.Times.Replay)
	}
	if r.Times.Back.Count > 0 {
		t.percentiles("back after", r.Times.Back)
	}
	r.writeAudit(t)
	r.writeCosts(t)
	t.row("generator", "%.2f cores, %s in %s of %s%s", r.Load.Cores, bytesText(float64(r.Load.Resident)),
		counted(r.Load.Processes, "process", "processes"), counted(r.Load.Loops, "loop", "loops"), r.late())
	if r.Load.Bottle != "" {
		t.row("BOTTLENECK", "%s", r.Load.Bottle)
	}
	for _, n := range r.Notes {
		t.row("note", "%s", n)
	}
	return t.Flush()
}

// interruption says how far an interrupted run came.
func (r *Report) interruption() string {
	return fmt.Sprintf("%.1f s of %v were measured; what was under way may count as lost", r.Seconds, r.Options.Timing.Duration)
}

// late says how punctual an open loop was; of one that is saturated nothing is due.
func (r *Report) late() string {
	if r.Times.Late.Count == 0 {
		return ""
	}
	return "; 99 % of sends within " + millis(r.Times.Late.P99)
}

// table is aligned text. Its writer keeps the first error for Flush.
type table struct{ *tabwriter.Writer }

func (t *table) row(name, format string, args ...any) {
	fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
}

func (t *table) percentiles(name string, p Percentiles) {
	t.row(name, "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", millis(p.P50), millis(p.P90), millis(p.P99), millis(p.P999), millis(p.Max))
}

func (r *Report) writeAudit(t *table) {
	a, c := r.Audit, r.Totals
	if c.Sent > 0 {
		t.row("audit", "%d lost, %d repeated, %d reordered of %d expected; %d stray, %d damaged", a.Lost+a.LostAcks, a.Repeated, a.Reordered, a.Expected, c.Stray, c.Damaged)
	}
	if a.Away > 0 {
		t.row("", "%d of those lost were sent while their receiver was away", a.Away)
	}
	for _, f := range a.Faults[:min(len(a.Faults), 5)] {
		t.row("", "room %d, sender %d: %d lost, %d repeated, %d reordered", f.Room, f.Sender, f.Lost, f.Repeated, f.Reordered)
	}
	if c.Stalls > 0 {
		t.row("stalls", "%d times nothing came of what was in flight", c.Stalls)
	}
	if c.Skipped > 0 {
		t.row("skipped", "%d messages were due while no sender was connected", c.Skipped)
	}
	if c.Failures+c.Cuts+c.Closes > 0 {
		t.row("connections", "%d made, %d failed, %d cut, %d ended otherwise; %d came back to their socket, %d to a new one",
			c.Connects, c.Failures, c.Cuts, c.Closes, c.Recovered, c.Renewed)
	}
	for _, cause := range slices.Sorted(maps.Keys(a.Causes)) {
		t.row("", "%d × %s", a.Causes[cause], cause)
	}
	if n := r.End.Away; n > 0 {
		t.row("not back", "%d of %d clients at the end", n, r.Clients)
		for _, what := range slices.Sorted(maps.Keys(a.Waiting)) {
			t.row("", "%d wait %s", a.Waiting[what], what)
		}
	}
	if a.Unread.Clients > 0 {
		t.row("not reading", "%d clients, of which the server closed %d", a.Unread.Clients, a.Unread.Closed)
	}
}

func (r *Report) writeCosts(t *table) {
	for _, c := range r.Costs {
		if c.Unread != "" {
			t.row(c.Name, "NOT READ: %s", c.Unread)
			continue
		}
		words := []string{fmt.Sprintf("%.2f s CPU", c.CPU)}
		if c.PerUnit > 0 {
			words = append(words, fmt.Sprintf("%.2f µs per %s", c.PerUnit, r.Unit()))
		}
		words = append(words,
			fmt.Sprintf("connect %.0f µs a client", c.PerConnect),
			fmt.Sprintf("%s before, %s connected, %s at most, %s at the end", bytesText(float64(c.Before)), bytesText(float64(c.Connected)),
				bytesText(float64(c.Highest)), bytesText(float64(c.End))),
			fmt.Sprintf("%.0f bytes a client", c.PerClient))
		t.row(c.Name, "%s", strings.Join(words, "; "))
	}
}

// counted is a number with its noun.
func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func plural(unit string) string {
	if unit == "delivery" {
		return "deliveries"
	}
	return unit + "s"
}

// millis is a number of milliseconds with a sensible number of digits.
func millis(ms float64) string {
	switch {
	case ms >= 10_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	case ms >= 100:
		return fmt.Sprintf("%.0f ms", ms)
	case ms >= 1:
		return fmt.Sprintf("%.1f ms", ms)
	}
	return fmt.Sprintf("%.2f ms", ms)
}

// bytesText is a size for people.
func bytesText(n float64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f GB", n/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", n/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f KB", n/1e3)
	}
	return fmt.Sprintf("%.0f B", n)
}
