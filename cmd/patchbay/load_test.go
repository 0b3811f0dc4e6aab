package main

import (
	"slices"
	"testing"

	"patchbay/loadtest/scenario"
)

// Every scenario has a subcommand, whose defaults make a plan.
func TestLoadCommands(t *testing.T) {
	cleanEnvironment(t)
	c := mustParse(t, "load", "fanout", "--url", "http://127.0.0.1:1,http://127.0.0.1:2", "--pid", "gateway=1,nats=2")
	if got := c.Load.Fanout; len(got.Options.Server.URLs) != 2 || len(got.PID) != 2 {
		t.Errorf("lists: got %q and %q", got.Options.Server.URLs, got.PID)
	}
	for _, name := range scenario.Scenarios() {
		c := mustParse(t, "load", name)
		commands := map[string]loadScenario{
			"idle": c.Load.Idle, "connect": c.Load.Connect, "fanout": c.Load.Fanout, "rooms": c.Load.Rooms, "echo": c.Load.Echo,
			"avalanche": c.Load.Avalanche, "jitter": c.Load.Jitter, "drain": c.Load.Drain, "slow": c.Load.Slow,
		}
		o := commands[name].Options
		plan, err := scenario.NewPlan(name, o)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		silent := slices.Contains([]string{"idle", "connect", "avalanche"}, name)
		if (plan.Traffic() == "silence") != silent {
			t.Errorf("%s: its traffic is %s", name, plan.Traffic())
		}
		if recovers := name == "jitter" || name == "drain"; o.Trouble.Recover != recovers {
			t.Errorf("%s: recovery is %v", name, o.Trouble.Recover)
		}
	}
}
