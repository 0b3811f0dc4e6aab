package scenario

import "time"

// absence is how long a member stays away after its connection has ended.
func (c *crew) absence(m *member, present bool) time.Duration {
	o := c.plan.Options.Trouble
	switch {
	case !present || !m.willed:
		return m.backoff()
	case c.plan.Scenario == "jitter", c.plan.Scenario == "avalanche":
		return o.Away
	}
	return m.backoff()
}

// trouble begins what the scenario has in store. The squad posts it when measuring begins.
func (c *crew) trouble() {
	switch c.plan.Scenario {
	case "avalanche":
		for _, m := range c.members {
			m.sever()
		}
	case "jitter":
		every := int64(c.plan.Options.Trouble.Every)
		for i, m := range c.members {
			if c.plan.troubled(m.seat) {
				// The first cuts are spread over a whole period.
				c.loop.At(c.loop.Time()+every*int64(i)/int64(len(c.members)), m.severAgain)
			}
		}
	}
}

// sever cuts the member's connection.
func (m *member) sever() {
	m.willed = true
	m.client.Cut()
	m.willed = false
}

// severAgain cuts the connection, and again after each time that it was back for a while.
func (m *member) severAgain() {
	c := m.crew
	if !c.traffic.sending() {
		return
	}
	pause := c.plan.Options.Trouble.Every
	if m.joined {
		m.sever()
		pause += c.plan.Options.Trouble.Away
	}
	c.loop.After(pause, m.severAgain)
}
