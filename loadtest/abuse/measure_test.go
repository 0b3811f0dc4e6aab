package abuse_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Bounds of what abuse may leave and take, in this process, which holds the cluster, the attackers and the honest clients.
const (
	maxPeak      = 512 << 20 // bytes of heap at any time
	slackHeap    = 8 << 20
	keptHeap     = 32 << 20 // of a process that has been used: past emits to be said again (8 MiB each), ids of emits, buffers
	slackRoutine = 300      // a worker keeps 256 goroutines to use again
	slackFiles   = 20       // honest clients' connections come and go
)

// state is what the process and the cluster hold.
type state struct {
	heap        uint64
	goroutines  int
	descriptors int
	gauges      map[string]float64 // of the cluster's parts
}

// gauges that count what clients cause. Each is 0 when there are no clients.
func caused() []string {
	return []string{
		"patchbay_gateway_connections", "patchbay_gateway_sockets", "patchbay_gateway_detached_sockets", "patchbay_gateway_rooms",
		"patchbay_router_sockets", "patchbay_router_rooms", "patchbay_router_connects_held", "patchbay_worker_sockets", "patchbay_worker_replies_waiting",
		"sessions",
	}
}

func measure(t *testing.T, registries []*prometheus.Registry) state {
	t.Helper()
	runtime.GC()
	runtime.GC() // pools need two
	s := state{heap: heap(), goroutines: runtime.NumGoroutine(), gauges: read(t, registries)}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	s.descriptors = len(files)
	return s
}

func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// read sums what the parts tell, by metric; "sessions" is those opened less those closed.
func read(t testing.TB, registries []*prometheus.Registry) map[string]float64 {
	t.Helper()
	sums := map[string]float64{}
	for _, r := range registries {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				v := m.GetGauge().GetValue() + m.GetCounter().GetValue()
				sums[f.GetName()] += v
				switch f.GetName() {
				case "patchbay_gateway_sessions_opened_total":
					sums["sessions"] += v
				case "patchbay_gateway_sessions_closed_total":
					sums["sessions"] -= v
				}
			}
		}
	}
	return sums
}

// settled waits until only honest clients are left, and measures.
func settled(t *testing.T, registries []*prometheus.Registry, people *honest) state {
	t.Helper()
	people.check(t)
	most := float64(len(people.people) + 1) // and one who comes
	await(t, func() string {
		now := read(t, registries)
		for name, limit := range map[string]float64{
			"sessions": most, "patchbay_gateway_sockets": most, "patchbay_gateway_detached_sockets": 1, "patchbay_router_sockets": most,
			"patchbay_worker_sockets": most, "patchbay_gateway_connections": 4 * most,
		} {
			if now[name] > limit {
				return fmt.Sprintf("%s is %v, want %v", name, now[name], limit)
			}
		}
		return ""
	})
	return measure(t, registries)
}

// nobody waits until nothing is left that a client caused.
func nobody(t *testing.T, registries []*prometheus.Registry) {
	t.Helper()
	await(t, func() string {
		now := read(t, registries)
		for _, name := range caused() {
			if v, known := now[name]; v != 0 || !known {
				return fmt.Sprintf("%s is %v, want 0", name, v)
			}
		}
		return ""
	})
}

// await waits until a condition has nothing to complain of.
func await(t testing.TB, condition func() string) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		complaint := condition()
		if complaint == "" {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal(complaint)
		}
	}
}

func (s state) noMoreThan(t *testing.T, when string, before state, more uint64) {
	t.Helper()
	t.Logf("%s: heap %d KB (before %d), goroutines %d (%d), descriptors %d (%d)",
		when, s.heap>>10, before.heap>>10, s.goroutines, before.goroutines, s.descriptors, before.descriptors)
	if s.heap > before.heap+more || s.goroutines > before.goroutines+slackRoutine || s.descriptors > before.descriptors+slackFiles {
		var all strings.Builder
		buf := make([]byte, 1<<20)
		all.Write(buf[:runtime.Stack(buf, true)])
		t.Errorf("%s more is left than may be\n%s", when, all.String())
	}
}

// peakMeter watches the heap.
type peakMeter struct {
	quit chan struct{}
	done sync.WaitGroup
	most uint64
}

func (p *peakMeter) start() {
	p.quit = make(chan struct{})
	p.done.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			p.most = max(p.most, heap())
			select {
			case <-tick.C:
			case <-p.quit:
				return
			}
		}
	})
}

func (p *peakMeter) stop(t *testing.T) {
	close(p.quit)
	p.done.Wait()
	t.Logf("the heap was %d MB at most", p.most>>20)
	if p.most > maxPeak {
		t.Errorf("the heap came to %d MB", p.most>>20)
	}
}
