package architecture

import (
	"slices"
	"strconv"
	"strings"
)

// layers says which other top-level directories of the module each may import. What is not listed may import nothing
// of the module.
//
// gateway, router and worker meet in backplane's envelopes, never in each other.
func layers(from string) []string {
	switch from {
	case "protocol", "internal":
		return nil
	case "backplane":
		return []string{"protocol"}
	case "gateway", "router", "worker":
		return []string{"backplane", "protocol"}
	case "examples":
		return []string{"gateway", "router", "worker", "backplane", "protocol", "internal"}
	case "loadtest", "cmd":
		return []string{"examples", "loadtest", "gateway", "router", "worker", "backplane", "protocol", "internal"}
	}
	return nil
}

// natsModules are the NATS client and server, which backplane alone imports.
const natsModules = "github.com/nats-io/"

func checkImports(s *Source) []Fault {
	from, _, _ := strings.Cut(s.Path, "/")
	var found []Fault
	for _, spec := range s.file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it already
		}
		own, isOwn := strings.CutPrefix(name, Module+"/")
		to, _, _ := strings.Cut(own, "/")
		first, _, _ := strings.Cut(name, "/")
		switch {
		case isOwn && to != from && !slices.Contains(layers(from), to):
			found = append(found, s.fault("import", spec.Pos(), "%s must not import %s", from, name)...)
		case strings.HasPrefix(name, natsModules) && from != "backplane":
			found = append(found, s.fault("import", spec.Pos(), "backplane alone imports NATS, not %s", from)...)
		case !isOwn && from == "protocol" && strings.Contains(first, "."):
			found = append(found, s.fault("import", spec.Pos(), "protocol imports the standard library alone, not %s", name)...)
		case from == "protocol" && slices.Contains([]string{"net", "os", "sync"}, name) && !s.Test:
			found = append(found, s.fault("import", spec.Pos(), "protocol has no I/O and no goroutines, and so no use for %s", name)...)
		}
	}
	return found
}
