package router

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"patchbay/backplane"
)

// burst publishes many CONNECTs at once; when it returns NATS has given each to a router.
func (f *fake) burst(from, to int) {
	f.c.t.Helper()
	for i := from; i < to; i++ {
		socket := sid(i, f.id)
		m := &backplane.Msg{Subject: f.Connect("/"), Reply: f.Node(f.id, "connected", socket), Data: []byte(`{"socket":"` + socket + `"}`)}
		if err := f.PublishMsg(m); err != nil {
			f.c.t.Fatal(err)
		}
	}
	f.flush()
}

// collect waits until each of the burst's CONNECTs has come to the worker, and fails if one comes twice.
func (f *fake) collect(node string, from, to int) {
	f.c.t.Helper()
	missing := map[string]bool{}
	for i := from; i < to; i++ {
		missing[sid(i, node)] = true
	}
	for len(missing) > 0 {
		_, socket, _ := f.ParseOwned(f.next("connect").Subject)
		if !missing[socket] {
			f.c.t.Fatalf("%s came twice, or was not sent", socket)
		}
		delete(missing, socket)
	}
}

// One of two routers stops with many CONNECTs unread: none of those that it was given before is lost.
func TestStopUnderBurst(t *testing.T) {
	for round := range 5 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			c := newCluster(t)
			first := c.router(func(o *Options) { o.Lease = time.Minute })
			c.router(func(o *Options) { o.Lease = time.Minute })
			g, w := c.gateway("na"), c.worker("wa", "/")
			g.burst(0, 5000)
			c.stop(first)
			g.burst(5000, 5100)
			w.collect("na", 0, 5100)
		})
	}
}

// The same with CONNECTs that come on all the while: none is lost.
func TestStopUnderStream(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			c := newCluster(t)
			first := c.router(func(o *Options) { o.Lease = time.Minute })
			c.router(func(o *Options) { o.Lease = time.Minute })
			g, w := c.gateway("na"), c.worker("wa", "/")
			sent := 0
			stop := g.keep(func() {
				g.burst(sent, sent+500)
				sent += 500
			})
			w.next("connect")
			c.stop(first)
			stop()
			missing := sent - 1
			for seen := map[string]bool{}; len(seen) < missing; {
				_, socket, _ := w.ParseOwned(w.next("connect").Subject)
				seen[socket] = true
			}
		})
	}
}

// All routers stop at once: whoever was last answers what the others handed over.
func TestStopAll(t *testing.T) {
	for round := range 10 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			c := newCluster(t)
			routers := []*Router{c.router(nil), c.router(nil), c.router(nil)}
			g := c.gateway("na")
			g.burst(0, 300)
			var all sync.WaitGroup
			for _, r := range routers {
				all.Go(func() { c.stop(r) })
			}
			all.Wait()
			for refused := map[string]bool{}; len(refused) < 300; {
				_, socket, _ := g.ParseOwned(g.next("connected").Subject)
				refused[socket] = true
			}
		})
	}
}

// What waited at a router that stops goes on waiting at another.
func TestStopHandsOver(t *testing.T) {
	c := newCluster(t)
	first := c.router(nil)
	g := c.gateway("na")
	g.burst(0, 100)
	g.ask(backplane.Query{Op: backplane.QueryNodes}) // its answer says that the CONNECTs were read
	c.router(nil)
	c.stop(first)
	c.worker("wa", "/").collect("na", 0, 100)
}

// The last router passes on what it can.
func TestStopAlone(t *testing.T) {
	c := newCluster(t)
	r := c.router(func(o *Options) { o.Lease = time.Minute })
	g, w := c.gateway("na"), c.worker("wa", "/")
	g.burst(0, 1)
	w.collect("na", 0, 1)
	g.burst(1, 3000)
	c.stop(r)
	w.collect("na", 1, 3000)
}

// The last router finds at its end that the only worker is gone, and says so.
func TestStopAloneWorkerKilled(t *testing.T) {
	c := newCluster(t)
	o := Options{Backplane: backplane.Options{URL: c.server.URL()}}
	o.fill()
	conn, err := backplane.Open(c.context(), o.Backplane)
	if err != nil {
		t.Fatal(err)
	}
	l := newLoop(o, conn, time.Now()) // the test runs it, so that nothing is read before the end
	if err := l.open(c.context()); err != nil {
		t.Fatal(err)
	}
	l.workers.beat(workerBeat("wa", 1, "/"))
	g := c.gateway("na")
	g.burst(0, 50)
	l.close(c.context())
	for i := range 50 {
		g.refused(sid(i, "na"), "server stopping")
	}
}

// A router that may not wait for NATS still answers.
func TestStopInHaste(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	g := c.gateway("na")
	g.connect(sid(1, "na"), "/")
	g.ask(backplane.Query{Op: backplane.QueryNodes})
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.Stop(over); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	g.refused(sid(1, "na"), "server stopping")
	c.stop(r)
}

func TestStopWithoutNATS(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	g := c.gateway("na")
	g.connect(sid(1, "na"), "/")
	c.server.Stop()
	c.until("NATS is missed", func() bool { return errors.Is(r.Ready(), ErrDisconnected) })
	c.stop(r)
}

// A query that waits when its router stops is answered as it can be.
func TestStopAnswersQueries(t *testing.T) {
	c := newCluster(t)
	r := c.router(nil)
	g, asker := c.gateway("na"), c.gateway("nb")
	defer g.keep(func() { g.feed(batch("na", 1, 0)) })()
	c.ready(r)
	data, err := json.Marshal(backplane.Query{Op: backplane.QueryCount, Seen: []backplane.Seen{{Node: "na", Epoch: 1, Version: 9}}})
	if err != nil {
		t.Fatal(err)
	}
	asker.send(&backplane.Msg{Subject: asker.Query(), Reply: asker.Node("nb", "answer", ""), Data: data})
	c.stop(r)
	var a backplane.Answer
	if err := json.Unmarshal(asker.next("answer").Data, &a); err != nil || a.Complete || len(a.Missing) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
}
