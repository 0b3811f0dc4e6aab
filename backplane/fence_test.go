package backplane

import (
	"strconv"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// three starts three servers that know each other.
func three(t *testing.T) []*Server {
	t.Helper()
	var servers []*Server
	for range 3 {
		o := ServerOptions{Listen: "127.0.0.1:0", Cluster: "127.0.0.1:0"}
		for _, s := range servers {
			o.Routes = append(o.Routes, "nats://"+s.ClusterAddress())
		}
		s, err := StartServer(o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Stop)
		servers = append(servers, s)
		for _, s := range servers {
			until(t, func() bool { return s.Routes() == len(servers)-1 })
		}
	}
	return servers
}

// until waits for a condition.
func until(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	for !condition() {
		select {
		case <-deadline:
			t.Fatal("waited too long")
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// reach connects to a server over TCP, as what is to learn of the others must.
func reach(t *testing.T, s *Server) *Conn {
	t.Helper()
	c, err := Open(t.Context(), Options{URL: s.URL()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func fence(t *testing.T, c *Conn) *Fence {
	t.Helper()
	f, err := NewFence(t.Context(), c, "g1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func passes(t *testing.T, f *Fence) {
	t.Helper()
	done := make(chan struct{})
	f.Await(func() { close(done) })
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the fence does not pass")
	}
}

func TestFenceAlone(t *testing.T) {
	s, err := StartServer(ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c := reach(t, s)
	f := fence(t, c)
	if !f.Alone() {
		t.Error("a server without routes is not alone")
	}
	i := NewInterest(NewInbox(c, 0), 0, f)
	if err := i.Claim("a", 0); err != nil {
		t.Fatal(err)
	}
	passes(t, f)
	if !i.Confirmed("a") || i.Confirmed("b") {
		t.Errorf("confirmed: a %v, b %v; want true, false", i.Confirmed("a"), i.Confirmed("b"))
	}
}

func TestFenceWaitsForEveryServer(t *testing.T) {
	servers := three(t)
	c := reach(t, servers[0])
	f := fence(t, c)
	if f.Alone() {
		t.Fatal("one of three is alone")
	}
	inbox := NewInbox(c, 0)
	i := NewInterest(inbox, 0, f)
	others := []*Conn{reach(t, servers[1]), reach(t, servers[2])}
	const rooms = 200
	for n := range rooms {
		subject := "room." + strconv.Itoa(n)
		if err := i.Claim(subject, 0); err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		f.Await(func() {
			defer close(done)
			for _, other := range others {
				if err := other.Publish(subject, nil); err != nil {
					t.Error(err)
				}
			}
		})
		<-done
	}
	for n := range rooms * len(others) {
		select {
		case <-inbox.C:
		case <-time.After(patience):
			t.Fatalf("%d of %d messages came", n, rooms*len(others))
		}
	}
}

func TestFenceWithoutAServer(t *testing.T) {
	servers := three(t)
	c := reach(t, servers[0])
	f := fence(t, c)
	servers[2].Stop()
	passes(t, f)
	links := c.Links()
	servers[0].Stop()                                                   // the connection's own
	until(t, func() bool { return c.Links() > links && c.Connected() }) // it may not have noticed yet
	i := NewInterest(NewInbox(c, 0), 0, f)
	if err := i.Claim("a", 0); err != nil {
		t.Fatal(err)
	}
	passes(t, f)
	var unconfirmed dto.Metric
	if err := c.metrics.unconfirmed.Write(&unconfirmed); err != nil {
		t.Fatal(err)
	}
	if n := unconfirmed.GetCounter().GetValue(); n != 0 {
		t.Errorf("%v went on unconfirmed; a server that is gone has nothing to confirm", n)
	}
	if !i.Confirmed("a") {
		t.Error("not confirmed by the server that is left")
	}
}
