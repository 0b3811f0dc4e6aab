package scenario_test

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"patchbay/loadtest/scenario"
)

// Times and rates that cannot be are refused with the flag's name; those that mean none or at once are not.
func TestTimes(t *testing.T) {
	for _, c := range []struct {
		flag, scenario string
		change         func(*scenario.Options)
	}{
		{"--warm-up", "fanout", func(o *scenario.Options) { o.Timing.WarmUp = -time.Second }},
		{"--patience", "fanout", func(o *scenario.Options) { o.Timing.Patience = -1 }},
		{"--connect-timeout", "idle", func(o *scenario.Options) { o.Timing.ConnectTimeout = 0 }},
		{"--connect-rate", "connect", func(o *scenario.Options) { o.Timing.ConnectRate = -1 }},
		{"--connect-rate", "connect", func(o *scenario.Options) { o.Timing.ConnectRate = math.NaN() }},
		{"--every", "jitter", func(o *scenario.Options) { o.Trouble.Every = -time.Second }},
		{"--every", "jitter", func(o *scenario.Options) { o.Trouble.Every = 0 }},
		{"--away", "avalanche", func(o *scenario.Options) { o.Trouble.Away = -time.Second }},
		{"", "fanout", func(o *scenario.Options) {
			o.Timing.WarmUp, o.Timing.Patience, o.Timing.ConnectRate, o.Trouble.Every, o.Trouble.Away = 0, 0, 0, 0, 0
		}},
	} {
		o := options("http://127.0.0.1:1")
		c.change(&o)
		_, err := scenario.NewPlan(c.scenario, o)
		if c.flag == "" && err != nil || c.flag != "" && (!errors.Is(err, scenario.ErrOptions) || !strings.Contains(err.Error(), c.flag)) {
			t.Errorf("got %v, want one about %q", err, c.flag)
		}
	}
}
