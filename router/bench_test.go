package router

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"patchbay/backplane"
)

// maxSocketBytes pins what a socket with three rooms costs in the index. The race detector and Go
// versions may move it a little; today it is some 200.
const maxSocketBytes = 250

// fill builds a table of sockets on ten nodes, each in three random rooms of rooms, through
// encoded batches as they come from feeds, and returns it with its bytes per socket.
func fill(tb testing.TB, sockets, rooms int) (*table, float64) {
	tb.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	t := newTable(time.Second)
	versions := map[string]uint64{}
	const chunk = 1000
	for i := 0; i < sockets; i += chunk {
		node := fmt.Sprint("gateway", i/chunk%10)
		b := backplane.Batch{Node: node, Epoch: 1}
		for range chunk {
			b.Changes = append(b.Changes, added(backplane.NewSocketID(node, 0), "/", fmt.Sprint("worker", rnd.IntN(8)),
				roomName(rnd.IntN(rooms)), roomName(rnd.IntN(rooms)), roomName(rnd.IntN(rooms))))
		}
		versions[node] += chunk
		b.Version = versions[node]
		decoded, err := backplane.DecodeBatch(backplane.AppendBatch(nil, &b))
		if err != nil {
			tb.Fatal(err)
		}
		if got, _ := t.feed(&decoded, start()); got != applied {
			tb.Fatal(got)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	return t, float64(after.HeapAlloc-before.HeapAlloc) / float64(sockets)
}

func roomName(i int) string { return fmt.Sprintf("room-%06d", i) }

func TestSocketSize(t *testing.T) {
	table, bytes := fill(t, 50_000, 5_000)
	if bytes > maxSocketBytes {
		t.Errorf("%.0f bytes per socket with three rooms, want at most %d", bytes, maxSocketBytes)
	}
	t.Logf("%.0f bytes per socket", bytes)
	runtime.KeepAlive(table)
}

// BenchmarkMembership is the index at its goal: 1,000,000 sockets with three rooms each
// of 100,000.
func BenchmarkMembership(b *testing.B) {
	began := time.Now()
	table, bytes := fill(b, 1_000_000, 100_000)
	b.Logf("%.0f bytes per socket, built in %v", bytes, time.Since(began).Round(time.Millisecond))
	s := &queries{table: table, leases: newLeases(DefaultLease, DefaultBeat, start()), workers: newWorkers(nil), warm: true, budget: 6 << 20}
	run := func(name string, q backplane.Query) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if q.Room != nil {
					room := roomName(i % 100_000)
					q.Room = &room
				}
				s.answer(&q, start())
				i += 7919
			}
			b.ReportMetric(bytes, "B/socket")
		})
	}
	room := ""
	run("room count", backplane.Query{Op: backplane.QueryCount, Namespace: "/", Room: &room})
	run("room sockets", backplane.Query{Op: backplane.QuerySockets, Namespace: "/", Room: &room})
	run("namespace count", backplane.Query{Op: backplane.QueryCount, Namespace: "/"})
	run("namespace sockets page", backplane.Query{Op: backplane.QuerySockets, Namespace: "/"})
	run("namespace rooms page", backplane.Query{Op: backplane.QueryRooms, Namespace: "/"})
	b.Run("join and leave", func(b *testing.B) {
		b.ReportAllocs()
		n := table.nodes["gateway0"]
		set := table.index.nodes.at(n.ref)
		i := 0
		for b.Loop() {
			id := table.index.id(set.sockets[i%len(set.sockets)])
			changes := []backplane.Change{joined(id, "extra"), left(id, "extra")}
			table.feed(batch("gateway0", 1, n.version+2, changes...), start())
			i++
		}
	})
}
