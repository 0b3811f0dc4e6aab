package router

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"patchbay/backplane"
)

// These pin what a socket with three rooms costs in the index. The race detector and Go
// versions may move it a little; today it is some 150, and some 240 if each has a user of its own as well.
const (
	maxSocketBytes  = 200
	maxSharedBytes  = 250 // with a user for each two sockets
	maxOwnUserBytes = 280 // with a user for each
)

// fill builds a table of sockets on ten nodes, each in three random rooms of rooms, through
// encoded batches as they come from feeds, and returns it with its bytes per socket. If there are users, each
// socket is one's.
func fill(tb testing.TB, sockets, rooms, users int) (*table, float64) {
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
		for j := range chunk {
			names := []string{roomName(rnd.IntN(rooms)), roomName(rnd.IntN(rooms)), roomName(rnd.IntN(rooms))}
			if users > 0 {
				names = append(names, backplane.UserRoom(fmt.Sprintf("u%07d", (i+j)%users)))
			}
			b.Changes = append(b.Changes, added(backplane.NewSocketID(node, 0), "/", fmt.Sprint("worker", rnd.IntN(8)), names...))
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
	for users, most := range map[int]float64{0: maxSocketBytes, 15_000: maxSharedBytes, 30_000: maxOwnUserBytes} {
		t.Run(fmt.Sprintf("%d users", users), func(t *testing.T) {
			table, bytes := fill(t, 30_000, 3_000, users)
			if bytes > most {
				t.Errorf("%.0f bytes per socket with three rooms, want at most %.0f", bytes, most)
			}
			estimate := float64(table.index.bytes()) / 30_000
			if estimate < bytes*.75 || estimate > bytes*1.25 {
				t.Errorf("the metric would say %.0f bytes per socket; it is %.0f", estimate, bytes)
			}
			t.Logf("%.0f bytes per socket, estimated %.0f", bytes, estimate)
			runtime.KeepAlive(table)
		})
	}
}

// BenchmarkMembership is the index at its goal: 1,000,000 sockets with three rooms each
// of 100,000, and 500,000 users.
func BenchmarkMembership(b *testing.B) {
	began := time.Now()
	table, bytes := fill(b, 1_000_000, 100_000, 500_000)
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
	run("room users", backplane.Query{Op: backplane.QueryUsers, Namespace: "/", Room: &room})
	run("room nodes", backplane.Query{Op: backplane.QueryWhere, Namespace: "/", Room: &room})
	run("namespace users page", backplane.Query{Op: backplane.QueryUsers, Namespace: "/"})
	middle := middleID(table.index)
	run("namespace sockets page in the middle", backplane.Query{Op: backplane.QuerySockets, Namespace: "/", After: middle})
	run("namespace sockets page less a room", backplane.Query{Op: backplane.QuerySockets, Namespace: "/", Except: []string{roomName(1)}})
	benchmarkStatus(b, s)
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

// middleID is the id of a socket in the middle of the root namespace.
func middleID(x *index) string {
	o := &x.namespaces.at(x.byName["/"]).sockets
	return x.id(o.blocks[len(o.blocks)/2][0])
}

// benchmarkStatus is what the status page costs the router's loop: its overview, a step and a whole pass of the search for the
// largest rooms, and a name that is looked up.
func benchmarkStatus(b *testing.B, s *queries) {
	l := &loop{table: s.table, leases: s.leases, workers: s.workers, queries: s, admission: &admission{}, watches: newWatches(s.table, DefaultLease, 1, 1)}
	l.queries.ranking = newRanking(s.table.index)
	for !l.queries.ranking.top.Known {
		l.queries.ranking.want(start())
		l.queries.ranking.step(start())
	}
	b.Run("overview", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.overview(start())
		}
	})
	r := newRanking(s.table.index)
	b.Run("largest rooms, one step", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.wanted, r.top.Known = start(), false
			r.step(start())
		}
	})
	b.Run("largest rooms, all steps", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.top.Known, r.busy, r.wanted = false, false, start()
			for !r.top.Known {
				r.step(start())
			}
		}
	})
	b.Run("find a user", func(b *testing.B) {
		for b.Loop() {
			s.table.index.lookUp("u0000001")
		}
	})
	b.Run("find a socket", func(b *testing.B) {
		id := middleID(s.table.index)
		for b.Loop() {
			s.table.index.lookUp(id)
		}
	})
}
