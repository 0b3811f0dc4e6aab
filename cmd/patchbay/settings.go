package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"

	"patchbay/internal/ops"
)

var (
	errUnknownKey = errors.New("unknown key")
	errNoScalar   = errors.New("not a single value")
	errNoCommand  = errors.New("no such subcommand")
)

// settings is a settings file. Its keys are names of flags; under a subcommand's name, they
// are that subcommand's alone, and win:
//
//	log-level: debug
//	nats: nats://10.0.0.1:4222
//	gateway:
//	  listen: :8080
//	  ping-interval: 20s
type settings struct {
	path     string
	general  section
	sections map[string]section
}

// section maps names of flags to their values' places in the file.
type section map[string]*yaml.Node

func readSettings(path string) (*settings, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("settings file: %w", err)
	}
	defer func() { _ = f.Close() }() // read only: nothing can be lost
	var top map[string]*yaml.Node
	// An empty file, io.EOF, sets nothing.
	if err := decodeNodes(yaml.NewDecoder(f), &top); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("settings file %s: %w", path, err)
	}
	s := &settings{path: path, general: section{}, sections: map[string]section{}}
	for key, value := range top {
		if value.Kind != yaml.MappingNode {
			s.general[key] = value
			continue
		}
		var nested map[string]*yaml.Node
		if err := decodeNodes(value, &nested); err != nil {
			return nil, fmt.Errorf("settings file %s: %w", path, err)
		}
		s.sections[key] = nested
	}
	return s, nil
}

// decodeNodes decodes a mapping, one level deep.
func decodeNodes(from interface{ Decode(any) error }, into *map[string]*yaml.Node) error {
	var nodes map[string]yaml.Node // yaml.v3 fills nodes, not pointers to them
	if err := from.Decode(&nodes); err != nil {
		return err
	}
	*into = make(map[string]*yaml.Node, len(nodes))
	for key, node := range nodes {
		(*into)[key] = &node
	}
	return nil
}

// Validate refuses keys that no flag has, so that a slip of the pen is not silently without
// effect. Keys of other subcommands are fine: several processes may share one file.
func (s *settings) Validate(app *kong.Application) error {
	general := flagNames(app.Node)
	commands := map[string]bool{}
	for _, child := range app.Children {
		commands[child.Name] = true
		own := flagNames(child)
		for name := range own {
			general[name] = true
		}
		if err := s.check(s.sections[child.Name], own, child.Name+"."); err != nil {
			return err
		}
	}
	for key := range s.sections {
		if !commands[key] {
			return fmt.Errorf("settings file %s: %w %q: it has keys of its own, but is no subcommand", s.path, errUnknownKey, key)
		}
	}
	return s.check(s.general, general, "")
}

func flagNames(node *kong.Node) map[string]bool {
	names := map[string]bool{}
	for _, flag := range node.Flags {
		names[flag.Name] = flag.Name != "help" && flag.Name != "config" && flag.Name != "version"
	}
	return names
}

func (s *settings) check(keys section, known map[string]bool, prefix string) error {
	for key, value := range keys {
		if !known[key] {
			return fmt.Errorf("settings file %s, line %d: %w %q", s.path, value.Line, errUnknownKey, prefix+key)
		}
	}
	return nil
}

// Resolve returns the file's word on a flag, nil if it has none or the environment goes before
// it.
func (s *settings) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	if setInEnvironment(flag) {
		return nil, nil
	}
	value, ok := s.sections[parent.Node().Name][flag.Name]
	if !ok {
		value, ok = s.general[flag.Name]
	}
	switch {
	case !ok || value.Tag == "!!null":
		return nil, nil
	case value.Kind != yaml.ScalarNode:
		return nil, fmt.Errorf("settings file %s, line %d: %w", s.path, value.Line, errNoScalar)
	}
	return value.Value, nil
}

// setInEnvironment tells whether one of the flag's variables is set.
func setInEnvironment(flag *kong.Flag) bool {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return true
		}
	}
	return false
}

// resolvePort follows the custom of hosting platforms: PORT is the port of the public
// listener, on all addresses, unless PATCHBAY_LISTEN says something else.
func resolvePort(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	command := parent.Node().Name
	if flag.Name != "listen" || command != "gateway" && command != "demo" {
		return nil, nil
	}
	if _, set := os.LookupEnv(ops.Variable(flag)); set {
		return nil, nil
	}
	if port := os.Getenv("PORT"); port != "" {
		return ":" + port, nil
	}
	return nil, nil
}
