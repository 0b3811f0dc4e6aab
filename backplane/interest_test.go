package backplane

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// startNATS starts a server of the test's own; open connects to it.
func startNATS(t testing.TB) *Server {
	t.Helper()
	s, err := StartServer(ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func open(t testing.TB, s *Server) *Conn {
	t.Helper()
	c, err := Open(t.Context(), Options{Server: s})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func flush(t testing.TB, c *Conn) {
	t.Helper()
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func publish(t testing.TB, c *Conn, subject, data string) {
	t.Helper()
	if err := c.Publish(subject, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func next(t testing.TB, b *Inbox) *Msg {
	t.Helper()
	select {
	case m := <-b.C:
		return m
	case <-time.After(patience):
		t.Fatal("no message came")
		return nil
	}
}

func TestInterest(t *testing.T) {
	s := startNATS(t)
	conn, other := open(t, s), open(t, s)
	inbox := NewInbox(conn, 0)
	i := NewInterest(inbox, time.Second, nil)
	now := time.Unix(1000, 0)
	idle := s.Subscriptions()
	claim := func(subject string, shard int) {
		t.Helper()
		if err := i.Claim(subject, shard); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(at time.Time) {
		t.Helper()
		if err := i.Sweep(at); err != nil {
			t.Fatal(err)
		}
		flush(t, conn)
	}
	claim("a", 0)
	claim("a", 5)
	claim("a", 5)
	claim("b", 63)
	flush(t, conn)
	if i.Shards("a") != 1|1<<5 || i.Shards("b") != 1<<63 || i.Shards("c") != 0 || i.Len() != 2 || s.Subscriptions() != idle+2 {
		t.Errorf("%x %x, %d subjects, %d subscriptions", i.Shards("a"), i.Shards("b"), i.Len(), s.Subscriptions()-idle)
	}
	publish(t, other, "a", "once")
	publish(t, other, "b", "after")
	if m := next(t, inbox); string(m.Data) != "once" {
		t.Errorf("%s", m.Data)
	}
	if m := next(t, inbox); string(m.Data) != "after" { // one subscription, however many claims
		t.Errorf("%s", m.Data)
	}
	i.Release("a", 5, now)
	if i.Shards("a") != 1|1<<5 {
		t.Error("one of two claims of a shard takes both away")
	}
	i.Release("a", 5, now)
	i.Release("a", 5, now) // one too many
	i.Release("a", 7, now) // never claimed
	i.Release("c", 0, now)
	if i.Shards("a") != 1 {
		t.Errorf("%x", i.Shards("a"))
	}
	i.Release("a", 0, now)
	if i.Shards("a") != 0 || i.Len() != 2 {
		t.Error("the subscription does not linger")
	}
	sweep(now.Add(time.Second - 1))
	if i.Len() != 2 || s.Subscriptions() != idle+2 {
		t.Error("swept too early")
	}
	// A claim within the linger keeps the subscription; the next release starts anew.
	claim("a", 1)
	sweep(now.Add(time.Hour))
	i.Release("a", 1, now.Add(time.Hour))
	sweep(now.Add(time.Hour + time.Second))
	if i.Len() != 1 || s.Subscriptions() != idle+1 {
		t.Errorf("%d subjects, %d subscriptions", i.Len(), s.Subscriptions()-idle)
	}
	claim("a", 2)
	publish(t, other, "a", "again")
	flush(t, conn)
	publish(t, other, "a", "again")
	if m := next(t, inbox); m.Subject != "a" {
		t.Errorf("%+v", m)
	}
}

// Hold counts like Claim, and does not subscribe.
func TestInterestHold(t *testing.T) {
	s := startNATS(t)
	conn := open(t, s)
	i := NewInterest(NewInbox(conn, 0), time.Second, nil)
	idle := s.Subscriptions()
	i.Hold("a", 1)
	i.Hold("a", 3)
	flush(t, conn)
	if i.Shards("a") != 1<<1|1<<3 || s.Subscriptions() != idle {
		t.Errorf("%x, %d subscriptions", i.Shards("a"), s.Subscriptions()-idle)
	}
	i.Release("a", 1, time.Unix(0, 0))
	i.Release("a", 3, time.Unix(0, 0))
	if err := i.Sweep(time.Unix(9, 0)); err != nil || i.Len() != 0 {
		t.Errorf("%v, %d left", err, i.Len())
	}
}

// Claims and releases at random are what counting them says.
func TestInterestAgainstNaive(t *testing.T) {
	s := startNATS(t)
	conn := open(t, s)
	i := NewInterest(NewInbox(conn, 0), 5*time.Second, nil)
	idle := s.Subscriptions()
	random := rand.New(rand.NewPCG(5, 6))
	counts := map[string]map[int]int{}
	empty := map[string]time.Time{}
	now := time.Unix(0, 0)
	for range 3000 {
		now = now.Add(time.Duration(random.IntN(500)) * time.Millisecond)
		subject, shard := fmt.Sprint("s", random.IntN(20)), random.IntN(4)
		if counts[subject] == nil {
			counts[subject] = map[int]int{}
		}
		switch random.IntN(5) {
		case 0, 1:
			if err := i.Claim(subject, shard); err != nil {
				t.Fatal(err)
			}
			counts[subject][shard]++
			delete(empty, subject)
		case 2, 3:
			i.Release(subject, shard, now)
			if counts[subject][shard] > 0 {
				if counts[subject][shard]--; counts[subject][shard] == 0 {
					delete(counts[subject], shard)
				}
				if len(counts[subject]) == 0 {
					empty[subject] = now
				}
			}
		default:
			if err := i.Sweep(now); err != nil {
				t.Fatal(err)
			}
			for subject, since := range empty {
				if now.Sub(since) >= 5*time.Second {
					delete(empty, subject)
				}
			}
		}
		want := len(empty)
		for subject, shards := range counts {
			set := uint64(0)
			for shard := range shards {
				set |= 1 << shard
			}
			if len(shards) > 0 {
				want++
			}
			if i.Shards(subject) != set {
				t.Fatalf("%s: %x, want %x", subject, i.Shards(subject), set)
			}
		}
		if i.Len() != want {
			t.Fatalf("%d subjects, want %d", i.Len(), want)
		}
	}
	flush(t, conn)
	if got := s.Subscriptions() - idle; got != i.Len() {
		t.Errorf("%d subscriptions for %d subjects", got, i.Len())
	}
}

// What one connection publishes arrives in order, across subjects and subscriptions.
func TestInboxOrder(t *testing.T) {
	s := startNATS(t)
	conn, other := open(t, s), open(t, s)
	inbox := NewInbox(conn, 0)
	for _, subject := range []string{"a", "b.>", "c.*"} {
		if _, err := inbox.Subscribe(subject); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, conn)
	const n = 5000
	for i := range n {
		publish(t, other, []string{"a", "b.x.y", "c.z"}[i%3], fmt.Sprint(i))
	}
	for i := range n {
		if m := next(t, inbox); string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("%s came when it was %d's turn", m.Data, i)
		}
	}
}

func TestQueueAndUnsubscribe(t *testing.T) {
	s := startNATS(t)
	conn, other := open(t, s), open(t, s)
	a, b := NewInbox(conn, 0), NewInbox(other, 0)
	sub, err := a.QueueSubscribe("q", "group")
	if err == nil {
		_, err = b.QueueSubscribe("q", "group")
	}
	if err != nil {
		t.Fatal(err)
	}
	flush(t, conn)
	flush(t, other)
	publish(t, conn, "q", "shared")
	flush(t, conn)
	flush(t, other)
	if n := len(a.C) + len(b.C); n != 1 {
		t.Errorf("%d of the group got it", n)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Error(err)
	}
	if err := (Subscription{}).Unsubscribe(); err != nil {
		t.Error(err)
	}
}

// Requests that nobody hears are known at once, however they are made; a publish without a reply subject is one.
func TestConn(t *testing.T) {
	s := startNATS(t)
	conn := open(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := conn.Request(ctx, &Msg{Subject: "nobody"}); !errors.Is(err, ErrNoResponders) {
		t.Errorf("%v", err)
	}
	inbox := NewInbox(conn, 0)
	if _, err := inbox.Subscribe("mine.>"); err != nil {
		t.Fatal(err)
	}
	if err := conn.PublishRequest("nobody", "mine.reply", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, inbox); !NoResponders(m) {
		t.Errorf("%+v", m)
	}
	if err := conn.PublishRequest("mine.plain", "", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, inbox); NoResponders(m) || string(m.Data) != "x" || m.Reply != "" {
		t.Errorf("%+v", m)
	}
	// Headers survive the wire, whatever names are in them.
	e := &Emit{Payload: Payload{JSON: []byte(`["e"]`)}, Namespace: "/a é ", Rooms: []string{" x ", ""}}
	if err := conn.PublishMsg(e.Encode("mine.emit", "")); err != nil {
		t.Fatal(err)
	}
	if got, err := DecodeEmit(next(t, inbox)); err != nil || got.Namespace != e.Namespace || len(got.Rooms) != 2 || got.Rooms[0] != " x " {
		t.Errorf("%+v %v", got, err)
	}
	if !conn.Connected() || conn.MaxPayload() != DefaultServerPayload {
		t.Error("not connected, or another limit")
	}
	conn.Close()
	if err := conn.Publish("mine.x", nil); !errors.Is(err, ErrClosed) {
		t.Errorf("%v", err)
	}
}

func TestOpenGivesUp(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, Options{URL: "nats://127.0.0.1:1"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := StartServer(ServerOptions{Listen: "nonsense"}); err == nil {
		t.Error("nonsense is listened on")
	}
}
