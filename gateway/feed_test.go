package gateway

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
)

// follower keeps a table by the feed alone, as a router does.
type follower struct {
	version uint64
	sockets map[string]*followed
}

type followed struct {
	nsp, worker, data string
	rooms             map[string]bool
}

// apply takes a batch that continues the table.
func (f *follower) apply(t *testing.T, b *backplane.Batch) {
	t.Helper()
	if f.version != b.Version-uint64(len(b.Changes)) {
		t.Fatalf("gap: at %d came %d changes up to %d", f.version, len(b.Changes), b.Version)
	}
	f.version = b.Version
	for _, c := range b.Changes {
		f.change(c)
	}
}

func (f *follower) change(c backplane.Change) {
	s := f.sockets[c.Socket]
	switch c.Op {
	case backplane.SocketAdded:
		s = &followed{nsp: c.Namespace, worker: c.Worker, data: string(c.Data), rooms: map[string]bool{}}
		f.sockets[c.Socket] = s
		for _, room := range c.Rooms {
			s.rooms[room] = true
		}
	case backplane.SocketRemoved:
		delete(f.sockets, c.Socket)
	case backplane.RoomsJoined:
		for _, room := range c.Rooms {
			s.rooms[room] = true
		}
	case backplane.RoomsLeft:
		for _, room := range c.Rooms {
			delete(s.rooms, room)
		}
	case backplane.DataChanged:
		s.data = string(c.Data)
	case backplane.WorkerChanged:
		s.worker = c.Worker
	}
}

func (f *follower) String() string {
	var lines []string
	for id, s := range f.sockets {
		rooms := make([]string, 0, len(s.rooms))
		for room := range s.rooms {
			rooms = append(rooms, room)
		}
		slices.Sort(rooms)
		lines = append(lines, fmt.Sprintln(id, s.nsp, s.worker, s.data, rooms))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// The feed has no gap, and what it adds up to is the truth; so is a snapshot.
func TestFeed(t *testing.T) {
	r := newRigWithoutApp(t)
	inboxOf := func(subject string) *backplane.Inbox {
		inbox := backplane.NewInbox(r.app.conn, 0)
		if _, err := inbox.Subscribe(subject); err != nil {
			t.Fatal(err)
		}
		r.app.flush()
		return inbox
	}
	r.app = newApp(t, r.nats)
	feed := inboxOf(r.app.conn.FeedAll())
	snapshots := inboxOf("test.snapshot")
	r.app.serve(r.app.conn.ConnectAll())
	r.app.onConnect(func(c backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Worker: "w1", Rooms: []string{"start"}, Data: json.RawMessage(`{"n":1}`)}
	})
	random := rand.New(rand.NewPCG(3, 4))
	var ids []string
	clients := map[string]*wsClient{}
	var last backplane.Seen
	for step := range 200 {
		pick := func() string { return ids[random.IntN(len(ids))] }
		control := func(c backplane.Control) { last = r.app.control(pick(), c).Seen }
		room := fmt.Sprint("r", random.IntN(5))
		switch action := random.IntN(10); {
		case len(ids) < 3 || action == 0:
			c, id := r.join("/n")
			ids, clients[id] = append(ids, id), c
		case action < 5:
			control(backplane.Control{Op: backplane.OpJoin, Rooms: []string{room, room + "x"}})
		case action < 7:
			control(backplane.Control{Op: backplane.OpLeave, Rooms: []string{room}})
		case action < 8:
			control(backplane.Control{Op: backplane.OpData, Data: json.RawMessage(fmt.Sprint(`{"step":`, step, `}`))})
		case action < 9:
			id := pick()
			ids = slices.DeleteFunc(ids, func(other string) bool { return other == id })
			clients[id].Send("41/n,")
			next(t, r.app.leaves)
		default:
			r.app.publish(&backplane.Msg{Subject: r.app.conn.Hello()})
		}
	}
	last = r.app.control(ids[0], backplane.Control{Op: backplane.OpJoin, Rooms: []string{"end"}}).Seen
	table := &follower{sockets: map[string]*followed{}}
	beats := 0
	for table.version < last.Version {
		b, err := backplane.DecodeBatch(next(t, feed.C).Data)
		if err != nil || b.Node != "g1" || b.Epoch != r.gw.epoch.Load() || b.Snapshot {
			t.Fatalf("%+v %v", b, err)
		}
		if len(b.Changes) == 0 {
			beats++
		}
		table.apply(t, &b)
	}
	if beats == 0 {
		t.Error("no beat came at a hello")
	}
	truth := &follower{sockets: map[string]*followed{}}
	for _, l := range r.gw.loops {
		r.onLoop(l, func() {
			for _, k := range l.sockets {
				truth.change(k.added())
			}
		})
	}
	if table.String() != truth.String() || len(truth.sockets) != len(ids) {
		t.Errorf("by the feed:\n%sin truth:\n%s", table, truth)
	}
	r.app.publish(&backplane.Msg{Subject: r.app.conn.Node("g1", "snapshot", ""), Reply: "test.snapshot"})
	snapshot := &follower{sockets: map[string]*followed{}}
	for more, part := true, uint64(0); more; part++ {
		b, err := backplane.DecodeBatch(next(t, snapshots.C).Data)
		if err != nil || !b.Snapshot || b.Part != part || b.Version != last.Version {
			t.Fatalf("%+v %v", b, err)
		}
		for _, c := range b.Changes {
			snapshot.change(c)
		}
		more = b.More
	}
	if snapshot.String() != truth.String() {
		t.Errorf("snapshot:\n%sin truth:\n%s", snapshot, truth)
	}
}

// Large changes go in messages that NATS takes.
func TestFeedBatchesFit(t *testing.T) {
	r := newRig(t)
	inbox := backplane.NewInbox(r.app.conn, 0)
	if _, err := inbox.Subscribe(r.app.conn.FeedAll()); err != nil {
		t.Fatal(err)
	}
	r.app.flush()
	data := []byte(`"` + strings.Repeat("x", 100_000) + `"`)
	const n = 300 // 30 MB in all, where a message may have 8
	for i := range n {
		r.gw.feed.add(backplane.Change{Op: backplane.DataChanged, Socket: fmt.Sprint(i), Data: data})
	}
	got := 0
	for got < n {
		b, err := backplane.DecodeBatch(next(t, inbox.C).Data)
		if err != nil {
			t.Fatal(err)
		}
		got += len(b.Changes)
		if len(b.Changes) > 0 && b.Version != uint64(got) {
			t.Fatalf("version %d after %d changes", b.Version, got)
		}
	}
	small := make([]backplane.Change, 3*batchSize)
	if fit := r.gw.feed.fit(small); fit != batchSize {
		t.Errorf("%d small changes fit", fit)
	}
	if n := value(r.gw.metrics.failures); n != 0 {
		t.Errorf("%v publishes failed", n)
	}
}

// A gateway that stops takes its sockets back, says so, and is silent then.
func TestFeedAtStop(t *testing.T) {
	r := newRig(t)
	r.join("")
	inbox := backplane.NewInbox(r.app.conn, 0)
	if _, err := inbox.Subscribe(r.app.conn.FeedAll()); err != nil {
		t.Fatal(err)
	}
	r.app.flush()
	if err := r.gw.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	removed := false
	for leaving := false; !leaving; {
		b, err := backplane.DecodeBatch(next(t, inbox.C).Data)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Changes {
			removed = removed || c.Op == backplane.SocketRemoved
		}
		leaving = b.Leaving
	}
	if !removed {
		t.Error("the socket is not taken back")
	}
	select {
	case m := <-inbox.C:
		t.Errorf("after the last word: %q", m.Data)
	default:
	}
}
