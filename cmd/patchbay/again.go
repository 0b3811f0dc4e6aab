package main

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/alecthomas/kong"
	"go.uber.org/zap"

	"patchbay/gateway"
	"patchbay/internal/ops"
)

// again reads once more what this process was started with: the same command line and environment, and the settings file as it is
// now. It is used on one goroutine.
type again struct {
	args  []string
	level zap.AtomicLevel
	log   *zap.Logger

	start, last map[string]setting // as they were at the start, and when they were last put into force
}

// setting is a flag's value.
type setting struct {
	value   any
	reloads bool // it can change in a running process
}

// values are those of all flags of a command line.
func values(parsed *kong.Context) map[string]setting {
	all := map[string]setting{}
	for _, flag := range parsed.Flags() {
		all[flag.Name] = setting{parsed.FlagValue(flag), flag.Tag.Get("reload") == "yes"}
	}
	return all
}

// reload puts into force what can change: the log level, and what apply does, if there is something. Settings that cannot be read, or
// cannot work together, change nothing. Those that have changed and need a restart are named in the log.
func (a *again) reload(apply func(*cli) error) error {
	c := &cli{}
	parsed, err := c.read(a.args)
	if err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	level, err := ops.ParseLevel(c.LogLevel)
	if err != nil {
		return err
	}
	now := values(parsed)
	if apply != nil {
		err = apply(c)
	}
	if errors.Is(err, gateway.ErrOptions) {
		return err
	}
	if names := differ(a.last, now, true); len(names) > 0 {
		a.log.Info("settings changed", zap.Strings("options", names))
	}
	if names := differ(a.start, now, false); len(names) > 0 {
		a.log.Warn("settings that have changed need a restart", zap.Strings("options", names))
	}
	a.last = now
	a.level.SetLevel(level.Level())
	return err
}

// differ names the settings that differ, of those that can change or of the others.
func differ(before, now map[string]setting, reloads bool) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now[name].reloads == reloads && !reflect.DeepEqual(before[name].value, now[name].value) {
			names = append(names, name)
		}
	}
	return names
}
