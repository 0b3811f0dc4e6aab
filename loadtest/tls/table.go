package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// table writes the medians, each with the span of its rounds.
func table(s settings, all map[string][]figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d connections, %d rounds: median (least to most)\n\n| TLS is ended by | CPU to connect, ms | memory of an idle connection, KB |\n|-|-|-|\n", s.clients, s.rounds)
	for _, a := range arrangements() {
		var cpu, memory []float64
		for _, f := range all[a.title] {
			cpu = append(cpu, float64(f.cpu)/float64(time.Millisecond))
			memory = append(memory, f.memory/1024)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", a.title, span("%.2f", cpu), span("%.1f", memory))
	}
	return b.String()
}

func span(format string, values []float64) string {
	if len(values) == 0 {
		return ""
	}
	slices.Sort(values)
	return fmt.Sprintf(format+" ("+format+" to "+format+")", values[len(values)/2], values[0], values[len(values)-1])
}
