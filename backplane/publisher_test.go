package backplane

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// emitter opens a connection, and an inbox that hears all emits to rooms.
func emitter(tb testing.TB) (*Conn, *Inbox) {
	tb.Helper()
	server, err := StartServer(ServerOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Stop)
	var conns [2]*Conn
	for i := range conns {
		if conns[i], err = Open(context.Background(), Options{Server: server}); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(conns[i].Close)
	}
	inbox := NewInbox(conns[1], 0)
	if _, err := inbox.Subscribe("pb.room.>"); err != nil {
		tb.Fatal(err)
	}
	if err := conns[1].Flush(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return conns[0], inbox
}

// hear waits for an emit.
func hear(tb testing.TB, inbox *Inbox) (Emit, *Msg) {
	tb.Helper()
	select {
	case m := <-inbox.C:
		e, err := DecodeEmit(m)
		if err != nil {
			tb.Fatal(err)
		}
		return e, m
	case <-time.After(10 * time.Second):
		tb.Fatal("no emit")
	}
	return Emit{}, nil
}

// mark takes an id apart.
func mark(tb testing.TB, id string) (publisher string, sequence uint64) {
	tb.Helper()
	publisher, digits, _ := strings.Cut(id, ".")
	sequence, err := strconv.ParseUint(digits, 36, 64)
	if err != nil || publisher == "" || strconv.FormatUint(sequence, 36) != digits {
		tb.Fatalf("id %q: %v", id, err)
	}
	return publisher, sequence
}

func TestPublisherNames(t *testing.T) {
	var p publisher
	var names []string
	for want := range uint64(3) {
		name, sequence := mark(t, p.nextLocked())
		if sequence != want+1 {
			t.Errorf("%d, want %d", sequence, want+1)
		}
		if !ValidID(name) || name[0] != 'p' {
			t.Errorf("name %q", name)
		}
		names = append(names, name)
	}
	if names[0] != names[1] || names[1] != names[2] {
		t.Errorf("names %q", names)
	}
	p.sequence = 35
	if _, digits, _ := strings.Cut(p.nextLocked(), "."); digits != "10" {
		t.Errorf("36 is %q", digits)
	}
}

// TestEmitCopies: copies share an id and all else; the next emit has the next number, plain or not.
func TestEmitCopies(t *testing.T) {
	c, inbox := emitter(t)
	emits := []*Emit{
		{Payload: Payload{JSON: []byte(`["a"]`)}, ID: "mine"},
		{Payload: Payload{JSON: []byte(`["b"]`), Attachments: [][]byte{[]byte("xy")}}, Rooms: []string{"p", "q"}},
		{Payload: Payload{JSON: []byte(`["c"]`)}, Volatile: true, Except: []string{"z"}},
		{Payload: Payload{JSON: []byte(`["d"]`)}},
	}
	subjects := []string{c.Room("/", "p"), c.Room("/", "q")}
	publisher := ""
	for i, e := range emits {
		if err := c.Emit(e, "reply", subjects[:1+i%2]...); err != nil {
			t.Fatal(err)
		}
		name, sequence := mark(t, e.ID)
		if publisher == "" {
			publisher = name
		}
		if name != publisher || sequence != uint64(i+1) {
			t.Errorf("emit %d has id %s", i, e.ID)
		}
		for _, subject := range subjects[:1+i%2] {
			got, m := hear(t, inbox)
			if m.Subject != subject || m.Reply != "reply" || got.ID != e.ID || string(got.JSON) != string(e.JSON) ||
				len(got.Attachments) != len(e.Attachments) || len(got.Rooms) != len(e.Rooms) || len(got.Except) != len(e.Except) ||
				got.Volatile != e.Volatile {
				t.Errorf("%s: got %+v", m.Subject, got)
			}
		}
	}
	if err := c.Emit(emits[0], ""); err != nil {
		t.Error(err)
	}
	if err := c.Emit(emits[0], "", subjects[0]); err != nil {
		t.Error(err)
	}
	if got, m := hear(t, inbox); got.ID != publisher+".5" || m.Reply != "" {
		t.Errorf("got %+v", got)
	}
	c.Close()
	if err := c.Emit(emits[0], "", subjects...); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestEmitOrder: whoever emits, numbers arrive in order and without gaps.
func TestEmitOrder(t *testing.T) {
	const goroutines, each = 4, 500
	c, inbox := emitter(t)
	var group sync.WaitGroup
	for i := range goroutines {
		group.Go(func() {
			e := Emit{Payload: Payload{JSON: []byte(`["e"]`)}, Volatile: i%2 == 0}
			for range each {
				if err := c.Emit(&e, "", c.Room("/", "r")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for want := uint64(1); want <= goroutines*each; want++ {
		e, _ := hear(t, inbox)
		if _, got := mark(t, e.ID); got != want {
			t.Fatalf("%d came instead of %d", got, want)
		}
	}
	group.Wait()
}

// TestEmitReconnected: when the link to NATS was lost, what was emitted shortly before goes out again, and before anything new.
func TestEmitReconnected(t *testing.T) {
	const each = 100
	c, inbox := emitter(t)
	emitted, highest, publisher := uint64(0), uint64(0), ""
	for range 3 {
		for n := range each {
			if n == each/2 {
				if err := c.nc.ForceReconnect(); err != nil {
					t.Fatal(err)
				}
			}
			e := Emit{Payload: Payload{JSON: []byte(`["e"]`)}}
			if err := c.Emit(&e, "", c.Room("/", "r")); err != nil {
				t.Fatal(err)
			}
			emitted++
		}
		again := 0
		for highest < emitted {
			e, _ := hear(t, inbox)
			name, sequence := mark(t, e.ID)
			switch {
			case sequence > highest+1 || publisher != "" && name != publisher:
				t.Fatalf("%s.%d came after %s.%d", name, sequence, publisher, highest)
			case sequence <= highest:
				again++
			}
			highest, publisher = max(highest, sequence), name
		}
		if again == 0 {
			t.Error("nothing came again")
		}
	}
}

// TestEmitAway: while NATS is away emits wait up to a bound, and arrive in order.
func TestEmitAway(t *testing.T) {
	server, err := StartServer(ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(server.URL(), "nats://")
	t.Cleanup(func() { server.Stop() })
	c, err := Open(t.Context(), Options{URL: server.URL(), PendingBytes: DefaultReplayBytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	big := append(append([]byte(`["`), make([]byte, 1<<20)...), `"]`...)
	emit := func() error { return c.Emit(&Emit{Payload: Payload{JSON: big}}, "", "pb.room.-.r") }
	if err := emit(); err != nil {
		t.Fatal(err)
	}
	server.Stop()
	until(t, func() bool { return !c.Connected() })
	sent := uint64(1)
	for err = emit(); err == nil; err = emit() {
		sent++
	}
	if !errors.Is(err, ErrPending) || sent < 5 || sent > 8 {
		t.Fatalf("after %d of 1 MiB: %v", sent, err)
	}
	if server, err = StartServer(ServerOptions{Listen: address}); err != nil {
		t.Fatal(err)
	}
	until(t, c.Connected)
	until(t, func() bool { return emit() == nil })
	sent++

	other := reach(t, server)
	inbox := NewInbox(other, 0)
	if _, err := inbox.Subscribe("again"); err != nil {
		t.Fatal(err)
	}
	question := `{"seen":["` + c.publisher.name + `.2","p1.9"],"window":3600000000000}`
	if err := other.PublishRequest(other.Again(), "again", []byte(question)); err != nil {
		t.Fatal(err)
	}
	for want := uint64(3); ; want++ {
		_, m := hear(t, inbox)
		_, sequence := mark(t, get(m, HeaderAgain))
		if get(m, HeaderSubject) == "" {
			if sequence != sent || want != sent+1 || get(m, HeaderShort) != "" {
				t.Fatalf("the end is %d (%q) after %d, want %d", sequence, get(m, HeaderShort), want-1, sent)
			}
			break
		}
		if sequence != want || get(m, HeaderID) != get(m, HeaderAgain) || get(m, HeaderSubject) != "pb.room.-.r" || len(m.Data) != len(big) {
			t.Fatalf("%d came instead of %d: %v", sequence, want, m.Header)
		}
	}
}

// BenchmarkEmit is an emit up to NATS's buffer; nobody hears it.
func BenchmarkEmit(b *testing.B) {
	c, _ := emitter(b)
	subject := c.Namespace("/chat")
	for _, one := range []struct {
		name string
		emit Emit
	}{
		{"plain", Emit{}},
		{"except", Emit{Except: []string{NewSocketID("g1", 0)}}},
	} {
		b.Run(one.name, func(b *testing.B) {
			e := one.emit
			e.JSON = []byte(`["chatMessage","hello, world"]`)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Emit(&e, "", subject); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublisher is what the id alone costs.
func BenchmarkPublisher(b *testing.B) {
	c, _ := emitter(b)
	b.ReportAllocs()
	for b.Loop() {
		c.publisher.mu.Lock()
		_ = c.publisher.nextLocked()
		c.publisher.mu.Unlock()
	}
}
