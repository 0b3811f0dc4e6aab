package router

import (
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
)

func workerBeat(id string, epoch uint64, namespaces ...string) *backplane.WorkerBeat {
	return &backplane.WorkerBeat{Worker: id, Epoch: epoch, Namespaces: namespaces}
}

func TestChoose(t *testing.T) {
	loads := map[string]int{}
	w := newWorkers(func(id string) int { return loads[id] })
	if _, why := w.choose("/"); why != noneKnown {
		t.Errorf("without workers: %v", why)
	}
	w.beat(workerBeat("wa", 1, "/", "/chat"))
	w.beat(workerBeat("wb", 1, "/", `^/dynamic-\d+$`))
	w.beat(workerBeat("wc", 1, "/", "*"))
	loads["wa"], loads["wb"], loads["wc"] = 2, 1, 5
	for _, test := range []struct {
		nsp  string
		want string
	}{{"/", "wb"}, {"/chat", "wa"}, {"/dynamic-42", "wb"}, {"/dynamic-x", "wc"}, {"/else", "wc"}} {
		if got, why := w.choose(test.nsp); got != test.want || why != chosen {
			t.Errorf("%s: %s, %v; want %s", test.nsp, got, why, test.want)
		}
	}
	clear(loads)
	turns := ""
	for range 6 {
		got, _ := w.choose("/")
		turns += got
	}
	if turns != "wawbwcwawbwc" && turns != "wbwcwawbwcwa" && turns != "wcwawbwcwawb" {
		t.Errorf("ties do not go round: %s", turns)
	}
	w.missed("wa")
	loads["wb"], loads["wc"] = 9, 9
	if got, _ := w.choose("/"); got == "wa" {
		t.Error("an absent worker was chosen")
	}
	w.drop("wb", 1)
	w.drop("wc", 1)
	if _, why := w.choose("/chat"); why != noneAnswers {
		t.Errorf("only an absent worker: %v", why)
	}
	if _, why := w.choose("/none"); why != noneServes {
		t.Errorf("nobody serves it: %v", why)
	}
}

func TestBeats(t *testing.T) {
	leaving := &backplane.WorkerBeat{Worker: "wa", Epoch: 2, Leaving: true}
	tests := []struct {
		name  string
		beats []*backplane.WorkerBeat
		want  beatResult // of the last
		known []string
	}{
		{"first", []*backplane.WorkerBeat{workerBeat("wa", 1, "/")}, beatResult{Changed: true}, []string{"wa"}},
		{"the same again", []*backplane.WorkerBeat{workerBeat("wa", 1, "/"), workerBeat("wa", 1, "/")}, beatResult{}, []string{"wa"}},
		{"other namespaces", []*backplane.WorkerBeat{workerBeat("wa", 1, "/"), workerBeat("wa", 1, "/", "/b")}, beatResult{Changed: true}, []string{"wa"}},
		{"older epoch", []*backplane.WorkerBeat{workerBeat("wa", 2, "/"), workerBeat("wa", 1, "/b")}, beatResult{Ignored: true}, []string{"wa"}},
		{"newer epoch", []*backplane.WorkerBeat{workerBeat("wa", 1, "/"), workerBeat("wa", 2, "/")}, beatResult{Changed: true, Lost: &backplane.Lost{Worker: "wa", Epoch: 1}}, []string{"wa"}},
		{"leaving", []*backplane.WorkerBeat{workerBeat("wa", 2, "/"), leaving}, beatResult{Lost: &backplane.Lost{Worker: "wa", Epoch: 2, Leaving: true}}, nil},
		{"leaving, newer epoch", []*backplane.WorkerBeat{workerBeat("wa", 1, "/"), leaving}, beatResult{Lost: &backplane.Lost{Worker: "wa", Epoch: 1}}, nil},
		{"leaving, unknown", []*backplane.WorkerBeat{leaving}, beatResult{Lost: &backplane.Lost{Worker: "wa", Epoch: 2, Leaving: true}}, nil},
		{"bad id", []*backplane.WorkerBeat{workerBeat("w.>", 1, "/")}, beatResult{Ignored: true}, nil},
		{"too many namespaces", []*backplane.WorkerBeat{workerBeat("wa", 1, make([]string, maxWorkerNamespaces+1)...)}, beatResult{Ignored: true}, nil},
		{"bad patterns", []*backplane.WorkerBeat{workerBeat("wa", 1, "", "(", "/ok")}, beatResult{Changed: true, Bad: []string{"", "("}}, []string{"wa"}},
		{"long pattern", []*backplane.WorkerBeat{workerBeat("wa", 1, strings.Repeat("x", maxPattern+1))}, beatResult{Changed: true, Bad: []string{strings.Repeat("x", maxPattern+1)}}, []string{"wa"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorkers(func(string) int { return 0 })
			var got beatResult
			for _, b := range test.beats {
				got = w.beat(b)
			}
			if got.Ignored != test.want.Ignored || got.Changed != test.want.Changed || !slices.Equal(got.Bad, test.want.Bad) ||
				(got.Lost == nil) != (test.want.Lost == nil) || got.Lost != nil && *got.Lost != *test.want.Lost {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			var known []string
			for _, e := range w.list {
				known = append(known, e.id)
			}
			if !slices.Equal(known, test.known) {
				t.Errorf("known %v, want %v", known, test.known)
			}
		})
	}
}
