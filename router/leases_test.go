package router

import (
	"testing"
	"time"

	"patchbay/backplane"
)

func at(seconds float64) time.Time { return start().Add(time.Duration(seconds * float64(time.Second))) }

func TestLeases(t *testing.T) {
	// Each step is a pulse: sent and read at these seconds, with what was heard just before.
	type pulse struct {
		sent, read float64
		heard      string
		lost       string
		deaf       bool
	}
	steady := func(from, to int, heard string) (list []pulse) {
		for s := from; s <= to; s++ {
			list = append(list, pulse{sent: float64(s), read: float64(s) + .1, heard: heard})
		}
		return list
	}
	tests := []struct {
		name   string
		pulses []pulse
	}{
		{"kept by beats", steady(1, 20, "na")},
		{"runs out after five seconds of silence", append(steady(1, 3, "na"), append(steady(4, 8, ""), pulse{9, 9, "", "na", false}, pulse{10, 10, "", "", false})...)},
		{"suspended: nobody is lost, then silence counts again", append(steady(1, 3, "na"),
			pulse{60, 60, "", "", true}, pulse{61, 61, "", "", false}, pulse{62, 62, "", "", false}, pulse{63, 63, "", "", false}, pulse{64, 64, "", "", false}, pulse{65, 65, "", "na", false})},
		{"NATS away: its late pulses count for nothing", append(steady(1, 3, "na"),
			pulse{4, 20, "", "", false}, pulse{9, 20, "", "", false}, pulse{19, 20.2, "", "", false}, pulse{20, 20, "", "", true})},
		{"flooded inbox: what is read is old", append(steady(1, 3, "na"), pulse{8.5, 10, "", "", false})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLeases(5*time.Second, time.Second, start())
			for i, p := range test.pulses {
				if p.heard != "" {
					l.renew(holderNode, p.heard, 7, at(p.read))
				}
				lost, deaf := l.beaten(at(p.sent), at(p.read))
				got := ""
				if len(lost) > 0 {
					got = lost[0].Node
					if lost[0].Epoch != 7 || lost[0].Worker != "" {
						t.Errorf("pulse %d: %+v", i, lost[0])
					}
				}
				if got != p.lost || deaf != p.deaf {
					t.Errorf("pulse %d: lost %q, deaf %v; want %q, %v", i, got, deaf, p.lost, p.deaf)
				}
			}
		})
	}
}

func TestLeaseKinds(t *testing.T) {
	l := newLeases(time.Second, time.Second, start())
	l.renew(holderNode, "same", 1, start())
	l.renew(holderWorker, "same", 2, start())
	l.renew(holderWorker, "gone", 3, start())
	l.drop(holderWorker, "gone")
	lost, _ := l.beaten(at(1), at(1))
	want := map[backplane.Lost]bool{{Node: "same", Epoch: 1}: true, {Worker: "same", Epoch: 2}: true}
	for _, one := range lost {
		if !want[one] {
			t.Errorf("lost %+v", one)
		}
		delete(want, one)
	}
	if len(want) != 0 {
		t.Errorf("not lost: %v", want)
	}
	if l.age(holderNode, "same", at(9)) != 0 {
		t.Error("a lost lease has an age")
	}
}
