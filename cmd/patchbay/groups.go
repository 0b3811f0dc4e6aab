package main

import (
	"reflect"
	"slices"

	"github.com/alecthomas/kong"
)

// helpWidth keeps lines readable on wide terminals.
const helpWidth = 110

// helpOf is what the help says of a flag or an argument.
func helpOf(v *kong.Value) string {
	if v.Tag.Get("reload") != "yes" {
		return kong.DefaultHelpValueFormatter(v)
	}
	again := *v
	again.Help += " " + readAgain
	return kong.DefaultHelpValueFormatter(&again)
}

// readAgain is said of flags that can change in a running process.
const readAgain = "Read again on SIGHUP."

// groupFlags puts flags under headings, after the option structs that they are in: those that belong together in the code do so in the
// help, in the manual page and in what config prints.
func groupFlags(k *kong.Kong) error {
	for _, flag := range k.Model.Flags {
		flag.Group = &kong.Group{Key: "All commands", Title: "All commands:"}
	}
	for _, command := range k.Model.Leaves(false) {
		for _, flag := range command.Flags {
			if flag.Group == nil {
				title := heading(command.Target, flag.Target)
				flag.Group = &kong.Group{Key: title, Title: title + ":"}
			}
		}
	}
	return nil
}

// heading is the title for a field of a command's struct.
func heading(command, field reflect.Value) string {
	path := pathTo(reflect.Indirect(command), field)
	if len(path) > 1 && slices.Contains([]string{"Gateway", "Router", "Options"}, path[0]) {
		path = path[1:] // the parts of these have headings of their own; parts of parts go with them
	}
	name := "Flags"
	if len(path) > 0 {
		name = path[0]
	}
	if title, ok := headings()[name]; ok {
		return title
	}
	return name
}

// headings are the titles of option structs whose names would not tell enough.
func headings() map[string]string {
	return map[string]string{
		"Auth":        "Authentication",
		"Backplane":   "NATS",
		"Drain":       "Draining",
		"Embed":       "NATS server of its own",
		"Engine":      "Engine.IO and Socket.IO",
		"Gateway":     "This node",
		"Handoff":     "Sessions that move",
		"HTTP":        "Public listener",
		"LoopOptions": "Loops",
		"Ops":         "Operation",
		"Options":     "Clients",
		"Rate":        "Rates",
		"Router":      "This router",
		"Trace":       "Traces",
	}
}

// pathTo names the structs within v that hold the field, from the outside in.
func pathTo(v, field reflect.Value) []string {
	for i := range v.NumField() {
		part := v.Field(i)
		if part.Kind() != reflect.Struct || part.Type() == field.Type() {
			continue
		}
		from, at := part.Addr().Pointer(), field.Addr().Pointer()
		if at >= from && at < from+part.Type().Size() {
			return append([]string{v.Type().Field(i).Name}, pathTo(part, field)...)
		}
	}
	return nil
}
