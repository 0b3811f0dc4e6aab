package gateway

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// crowd makes sockets of a loop that runs, without sessions' transports.
func crowd(r *rig, l *loop, n int) []*socket {
	all := make([]*socket, n)
	for i := range all {
		s := &session{loop: l}
		k := &socket{id: r.gw.birth.NewSocketID("g1", l.index), session: s, nsp: l.enter("/crowd")}
		if err := k.nsp.add(k); err != nil {
			r.Error(err)
		}
		all[i] = k
	}
	return all
}

// disperse takes them all out again.
func disperse(all []*socket) {
	for _, k := range all {
		for len(k.rooms) > 0 {
			k.leaveAt(len(k.rooms) - 1)
		}
		k.nsp.drop(k)
		k.nsp.exit()
	}
}

// Joining and leaving at random is what a map of sets says, and each place knows its counterpart.
func TestRoomsAgainstNaive(t *testing.T) {
	r := newRig(t)
	l := r.gw.loops[0]
	random := rand.New(rand.NewPCG(9, 10))
	r.onLoop(l, func() {
		all := crowd(r, l, 20)
		naive := make([]map[string]bool, len(all))
		for i := range naive {
			naive[i] = map[string]bool{}
		}
		for range 20_000 {
			i, room := random.IntN(len(all)), fmt.Sprint("r", random.IntN(12))
			if random.IntN(2) == 0 {
				is, err := all[i].join(room)
				if err != nil || is == naive[i][room] {
					t.Errorf("join %s: %v %v", room, is, err)
				}
				naive[i][room] = true
			} else {
				if all[i].leave(room) != naive[i][room] {
					t.Errorf("leave %s", room)
				}
				delete(naive[i], room)
			}
		}
		sizes := map[string]int{}
		for i, k := range all {
			if got, want := k.roomNames(), slices.Sorted(maps.Keys(naive[i])); !slices.Equal(got, want) {
				t.Errorf("rooms %v, want %v", got, want)
			}
			for j, m := range k.rooms {
				if p := m.room.members[m.place]; p.socket != k || int(p.index) != j {
					t.Errorf("membership %d points to place %d, which points to %d", j, m.place, p.index)
				}
				sizes[m.room.name]++
			}
			if k.nsp.members[k.place] != k {
				t.Error("wrong place in the namespace")
			}
		}
		for name, room := range all[0].nsp.rooms {
			if len(room.members) != sizes[name] || len(room.members) == 0 {
				t.Errorf("%s has %d members, want %d", name, len(room.members), sizes[name])
			}
		}
		disperse(all)
		if l.namespaces["/crowd"] != nil {
			t.Error("the namespace is left")
		}
	})
	if n := value(r.gw.metrics.rooms); n != 0 {
		t.Errorf("%v rooms counted", n)
	}
	for i := range 12 {
		if r.gw.interest.Shards(r.gw.conn.Room("/crowd", fmt.Sprint("r", i))) != 0 {
			t.Errorf("room %d is claimed", i)
		}
	}
}

// What an idle client costs. A million of them are a million times each of these numbers: whoever raises one
// should know, and say why in the commit.
func TestSizes(t *testing.T) {
	for name, c := range map[string]struct{ got, most uintptr }{
		"conn":       {unsafe.Sizeof(conn{}), 128},
		"session":    {unsafe.Sizeof(session{}), 208},
		"socket":     {unsafe.Sizeof(socket{}), 192},
		"timer":      {unsafe.Sizeof(timer{}), 40},
		"membership": {unsafe.Sizeof(membership{}), 24},
		"place":      {unsafe.Sizeof(place{}), 16},
	} {
		if c.got > c.most {
			t.Errorf("%s has %d bytes; %d was the most", name, c.got, c.most)
		}
	}
}

// Delivering a packet to one more recipient allocates nothing, once queues have their size.
func TestDeliveryAllocates(t *testing.T) {
	r := newRig(t)
	for range 10 {
		c, _ := r.join("/room")
		go func() { // keep the kernel's buffers empty
			for {
				if _, err := c.r.Discard(1); err != nil {
					return
				}
			}
		}()
	}
	b := &broadcast{target: target{nsp: "/room", whole: true}, wire: encodeEvent("/room", payload(`["e"]`), "")}
	for _, l := range r.gw.loops {
		r.onLoop(l, func() {
			if n := testing.AllocsPerRun(200, func() {
				b.run(l)
				l.endTurn()
			}); n != 0 {
				t.Errorf("%v allocations per broadcast", n)
			}
		})
	}
}

func BenchmarkRoom(b *testing.B) {
	r := newRig(b)
	l := r.gw.loops[0]
	r.onLoop(l, func() {
		all := crowd(r, l, 1000)
		for _, k := range all {
			if _, err := k.join("all"); err != nil {
				b.Error(err)
			}
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			k := all[i%len(all)]
			i++
			k.leave("all")
			if _, err := k.join("all"); err != nil {
				b.Error(err)
			}
		}
		disperse(all)
	})
}

// BenchmarkBroadcast is one emit to a thousand WebSockets of one loop, without the system calls.
func BenchmarkBroadcast(b *testing.B) { benchmarkBroadcast(b, 0) }

// BenchmarkBroadcastMsgpack is the same when a tenth of them speak msgpack.
func BenchmarkBroadcastMsgpack(b *testing.B) { benchmarkBroadcast(b, flagMsgpack) }

// benchmarkBroadcast gives every tenth session some flags.
func benchmarkBroadcast(b *testing.B, flags sessionFlags) {
	r := newRig(b)
	l := r.gw.loops[0]
	r.onLoop(l, func() {
		once, end := broadcasts(r, l, flags)
		b.ReportAllocs()
		for b.Loop() {
			once()
		}
		end()
	})
}

// broadcasts returns what makes one broadcast to a thousand sockets, of which every tenth has some flags, and what ends it. For the loop's goroutine.
func broadcasts(r *rig, l *loop, flags sessionFlags) (once, end func()) {
	all := crowd(r, l, 1000)
	for i, k := range all {
		k.session.conn = &conn{loop: l, state: connOpen, session: k.session}
		if i%10 == 0 {
			k.session.speak(flags)
		}
	}
	e := payload(`["news",{"a":1,"b":"some text of a common length"}]`)
	return func() {
		(&broadcast{target: target{nsp: "/crowd", whole: true}, wire: encodeEvent("/crowd", e, "")}).run(l)
		for i, c := range l.pending.dirty { // as if all were written
			c.written(c.queued)
			c.out, c.dirty = c.out[:0], false
			l.pending.dirty[i] = nil
		}
		l.pending.dirty = l.pending.dirty[:0]
	}, func() { disperse(all) }
}

// A broadcast allocates a little for itself and nothing for its recipients; if some speak msgpack, once more for all of them.
func TestBroadcastAllocates(t *testing.T) {
	for flags, most := range map[sessionFlags]float64{0: 5, flagMsgpack: 16} {
		r := newRig(t)
		l := r.gw.loops[0]
		r.onLoop(l, func() {
			once, end := broadcasts(r, l, flags)
			once() // queues get their size
			if n := testing.AllocsPerRun(50, once); n > most {
				t.Errorf("flags %b: %v allocations a broadcast to 1,000, %v were the most", flags, n, most)
			}
			end()
		})
	}
}
