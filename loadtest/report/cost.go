package report

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"patchbay/loadtest/scenario"
)

// Cost is what one server used.
type Cost struct {
	Name       string  `json:"name"`
	CPU        float64 `json:"cpu"`              // seconds, in the measured time
	PerUnit    float64 `json:"per_unit"`         // microseconds of CPU for each delivery or acknowledgement
	Connect    float64 `json:"connect"`          // seconds of CPU until all clients were in their rooms
	PerConnect float64 `json:"per_connect"`      // microseconds of that for each client
	Before     int64   `json:"before"`           // resident bytes before the first connection
	Connected  int64   `json:"connected"`        // when all clients were there
	Highest    int64   `json:"highest"`          // the most in the measured time
	End        int64   `json:"end"`              // at its end
	PerClient  float64 `json:"per_client"`       // growth from before to the end, for each client
	Unread     string  `json:"unread,omitempty"` // why none of this is known; empty if it is
}

// MarshalJSON implements json.Marshaler. A cost that is not known has no figures.
func (c Cost) MarshalJSON() ([]byte, error) {
	if c.Unread != "" {
		return json.Marshal(struct {
			Name   string `json:"name"`
			Unread string `json:"unread"`
		}{c.Name, c.Unread})
	}
	type plain Cost
	return json.Marshal(plain(c))
}

// Sum is what all servers used together; nil if no server was named. It is unread if one of them is.
func (r *Report) Sum() *Cost {
	if len(r.Costs) == 0 {
		return nil
	}
	return &r.Costs[len(r.Costs)-1] // the only one, or the sum
}

// named are the costs without their sum.
func (r *Report) named() []Cost {
	if len(r.Costs) > 1 {
		return r.Costs[:len(r.Costs)-1]
	}
	return r.Costs
}

// Sum is the name of the sum of several servers.
const Sum = "all"

func costs(o *scenario.Outcome, names []string) []Cost {
	var list []Cost
	sum := Cost{Name: Sum}
	for _, name := range unique(names) {
		c := costOf(o, name)
		list = append(list, c)
		if c.Unread != "" {
			sum.Unread = strings.TrimPrefix(sum.Unread+", "+name, ", ")
		}
		sum.CPU, sum.Connect = sum.CPU+c.CPU, sum.Connect+c.Connect
		sum.Before, sum.Connected = sum.Before+c.Before, sum.Connected+c.Connected
		sum.Highest, sum.End = sum.Highest+c.Highest, sum.End+c.End
	}
	if sum.Unread != "" {
		sum = Cost{Name: Sum, Unread: "without " + sum.Unread + " there is no sum"}
	}
	if len(list) > 1 {
		list = append(list, sum)
	}
	counts, clients := o.Counters(), float64(o.Plan.Total())
	for i := range list {
		c := &list[i]
		if units := counts.Delivered + counts.Acked; units > 0 {
			c.PerUnit = c.CPU * 1e6 / float64(units)
		}
		c.PerConnect = c.Connect * 1e6 / clients
		c.PerClient = float64(c.End-c.Before) / clients
	}
	return list
}

// costOf is the cost of one name, but for the shares of a delivery and a client.
func costOf(o *scenario.Outcome, name string) Cost {
	if why := o.Unknown(name); why != "" {
		return Cost{Name: name, Unread: why}
	}
	cpu, end := o.Used(name)
	c := Cost{
		Name: name, CPU: cpu.Seconds(), End: end,
		Connect: (o.Connected.Usage[name].CPU - o.Before[name].CPU).Seconds(),
		Before:  o.Before[name].Resident, Connected: o.Connected.Usage[name].Resident,
	}
	for _, p := range o.Points {
		c.Highest = max(c.Highest, p.Usage[name].Resident)
	}
	return c
}

// unique keeps the first of equal names: servers of one name are counted together.
func unique(names []string) []string {
	var list []string
	seen := map[string]bool{}
	for _, n := range names {
		if !seen[n] {
			list = append(list, n)
		}
		seen[n] = true
	}
	return list
}

// When the generator, and not the server, is said to have set the pace.
const (
	busyLoop  = 0.9                  // of a core, for each loop
	lateSends = 5 * time.Millisecond // 99th percentile of the open loop's delay
)

func load(o *scenario.Outcome, r *Report) Load {
	shape := o.Plan.Options.Shape
	cpu, resident := o.Used(scenario.Generator)
	l := Load{Processes: o.Plan.Processes, Loops: shape.Loops, Resident: resident}
	if r.Seconds > 0 {
		l.Cores = cpu.Seconds() / r.Seconds
	}
	loops := float64(l.Processes * l.Loops)
	switch late := time.Duration(r.Times.Late.P99 * float64(time.Millisecond)); {
	case l.Cores > busyLoop*loops:
		l.Bottle = fmt.Sprintf("the generator's %d loops used %.2f cores: more --loops or processes may show more", int(loops), l.Cores)
	case r.Totals.Unsent > 0:
		l.Bottle = fmt.Sprintf("%d messages were due, and the generator had no time to send them", r.Totals.Unsent)
	case late > lateSends:
		l.Bottle = fmt.Sprintf("1 %% of the sends left more than %v late: the machine had no time for the generator", late.Round(time.Millisecond))
	}
	return l
}
