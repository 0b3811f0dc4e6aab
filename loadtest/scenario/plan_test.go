package scenario

import (
	"errors"
	"testing"
)

// Trouble befalls the share that was asked for, one client at least, and each loop its own part of it.
func TestTroubledSpread(t *testing.T) {
	for _, c := range []struct {
		clients, loops, per int
		share               float64
		want                int
	}{
		{50, 1, 100, 0.01, 1}, {1000, 1, 2000, 0.01, 10}, {6, 2, 100, 0.5, 3}, {1000, 2, 100, 0.5, 500}, {1001, 3, 100, 0.25, 250}, {10, 16, 100, 0.3, 3}, {7, 1, 100, 1, 7}, {5, 2, 10, 0, 0},
	} {
		o := Options{Clients: c.clients, Publishers: 1, Traffic: Traffic{InFlight: 1}, Trouble: Trouble{Share: c.share}, Shape: Shape{c.loops, c.per}}
		p := &Plan{Scenario: "slow", Options: o}
		p.Processes = (p.Total() + c.per - 1) / c.per
		sum := 0
		for part := range p.parts() {
			n, members := 0, 0
			for _, s := range p.seats(part) {
				if s.member {
					members++
				}
				if p.mute(s) {
					n++
				}
			}
			if fair := c.share * float64(members); float64(n) > fair+1 || float64(n) < fair-1 {
				t.Errorf("%+v: %d of the %d in part %d", c, n, members, part)
			}
			if p.reads(part) != (n < members) {
				t.Errorf("%+v: part %d has %d of %d mute, reads is %v", c, part, n, members, p.reads(part))
			}
			sum += n
		}
		if sum != c.want {
			t.Errorf("%+v: %d, want %d", c, sum, c.want)
		}
	}
}

// What would never end, or has nobody in trouble, is refused.
func TestSlowRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"nobody is slow":     {Clients: 5},
		"nobody reads":       {Clients: 5, Trouble: Trouble{Share: 1}},
		"one client":         {Clients: 1, Trouble: Trouble{Share: 0.1}},
		"nobody in one room": {Clients: 5, RoomSize: 4, Trouble: Trouble{Share: 0.2}},
	} {
		o.Publishers, o.Server.URLs = 1, []string{"http://127.0.0.1:1"}
		o.Traffic, o.Timing, o.Shape = Traffic{Rate: 1, Payload: 100}, Timing{Duration: 1, Connecting: 1}, Shape{1, 100}
		if _, err := NewPlan("slow", o); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: got %v, want %v", name, err, ErrOptions)
		}
	}
}
