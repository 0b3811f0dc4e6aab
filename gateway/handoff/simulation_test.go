package handoff

import (
	"os"
	"strconv"
	"testing"
)

// seedsEnv is how many worlds TestSimulation plays; seedEnv is one to play alone, with a trace.
const (
	seedsEnv = "HANDOFF_SEEDS"
	seedEnv  = "HANDOFF_SEED"
)

// defaultSeeds takes about two seconds.
const defaultSeeds = 2000

func envUint(t testing.TB, name string, otherwise uint64) (uint64, bool) {
	text, set := os.LookupEnv(name)
	if !set || text == "" {
		return otherwise, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n, true
}

// TestSimulation plays many worlds. A failure names its seed: HANDOFF_SEED=n go test -run Simulation -v
// replays it.
func TestSimulation(t *testing.T) {
	if seed, set := envUint(t, seedEnv, 0); set {
		w := newWorld(seed)
		w.trace = t.Logf
		t.Logf("climate %+v", w.climate)
		if err := w.run(); err != nil {
			t.Fatal(err)
		}
		return
	}
	seeds, _ := envUint(t, seedsEnv, defaultSeeds)
	var total counts
	for seed := range seeds {
		w := newWorld(seed)
		if err := w.run(); err != nil {
			t.Fatalf("%s=%d: %v", seedEnv, seed, err)
		}
		total.add(w.count)
	}
	t.Logf("%d worlds: %+v", seeds, total)
	if seeds >= defaultSeeds && total.vacuous() {
		t.Errorf("something never happened: %+v", total)
	}
}

func (c *counts) add(d counts) {
	c.moves += d.moves
	c.restores += d.restores
	c.fails += d.fails
	c.forwards += d.forwards
	c.dropped += d.dropped
	c.early += d.early
	c.torn += d.torn
	c.lost += d.lost
	c.finals += d.finals
}

func (c *counts) vacuous() bool {
	return c.moves == 0 || c.restores == 0 || c.fails == 0 || c.forwards == 0 || c.dropped == 0 ||
		c.early == 0 || c.lost == 0 || c.finals == 0
}

// BenchmarkSimulation plays one world after another, from a million on: go test -bench Simulation -benchtime
// 10m looks for what TestSimulation has no time for.
func BenchmarkSimulation(b *testing.B) {
	seed := uint64(1_000_000)
	for b.Loop() {
		if err := newWorld(seed).run(); err != nil {
			b.Fatalf("%s=%d: %v", seedEnv, seed, err)
		}
		seed++
	}
}
