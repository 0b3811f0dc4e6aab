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
	for _, one := range []struct{ link, sequence uint64 }{{0, 1}, {0, 2}, {1, 1}, {1, 2}, {3, 1}} {
		name, sequence := mark(t, p.nextLocked(one.link))
		if sequence != one.sequence {
			t.Errorf("link %d: %d, want %d", one.link, sequence, one.sequence)
		}
		if !ValidID(name) || name[0] != 'p' {
			t.Errorf("name %q", name)
		}
		names = append(names, name)
	}
	if names[0] != names[1] || names[1] == names[2] || names[2] != names[3] || names[3] == names[4] {
		t.Errorf("names %q", names)
	}
	p.sequence = 35
	if _, digits, _ := strings.Cut(p.nextLocked(3), "."); digits != "10" {
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

// TestEmitReconnected: what goes out on another link to NATS has another publisher, from the first emit that waits for
// that link on.
func TestEmitReconnected(t *testing.T) {
	c, inbox := emitter(t)
	emit := func() (publisher string, sequence uint64) {
		t.Helper()
		e := Emit{Payload: Payload{JSON: []byte(`["e"]`)}}
		if err := c.Emit(&e, "", c.Room("/", "r")); err != nil {
			t.Fatal(err)
		}
		got, _ := hear(t, inbox)
		if got.ID != e.ID {
			t.Fatalf("got %s, want %s", got.ID, e.ID)
		}
		return mark(t, e.ID)
	}
	first, _ := emit()
	for round := range 3 {
		if err := c.nc.ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		waited, sequence := emit() // and so the connection is back
		if waited == first || sequence != 1 {
			t.Errorf("round %d: %s.%d after %s", round, waited, sequence, first)
		}
		if after, sequence := emit(); after != waited || sequence != 2 {
			t.Errorf("round %d: %s.%d after %s", round, after, sequence, waited)
		}
		first = waited
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
		_ = c.publisher.nextLocked(c.link())
		c.publisher.mu.Unlock()
	}
}
