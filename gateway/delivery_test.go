package gateway

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"patchbay/backplane"
)

// A ledger holds what a plain list holds, whatever is added and dropped.
func TestLedgerAgainstNaive(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var c custody
	k := &socket{}
	g := c.open(k, 1)
	var naive []string
	next, first := 1, uint64(1)
	for range 20_000 {
		switch n := random.IntN(10); {
		case n < 6:
			text := fmt.Sprintf(`["e",%d,"%*s"]`, next, random.IntN(40), "")
			p := payload(text)
			if n == 0 {
				p = payload(text, "attached")
			}
			g.add(p, entry{ackID: uint64(next)})
			naive = append(naive, text)
			next++
		case len(naive) > 0:
			drop := random.IntN(min(len(naive), 1+random.IntN(60)) + 1)
			g.given = min(len(naive), drop+3)
			g.drop(drop)
			naive, first = naive[drop:], first+uint64(drop)
		}
		if g.len() != len(naive) || g.first != first || g.given > g.len() {
			t.Fatalf("%d events from %d on, %d given; want %d from %d on", g.len(), g.first, g.given, len(naive), first)
		}
		size := 0
		for i, want := range naive {
			p := g.payload(i)
			if string(p.JSON) != want || g.at(i).ackID != first+uint64(i) {
				t.Fatalf("event %d is %s, want %s", i, p.JSON, want)
			}
			size += entryCost + len(want) + 8*len(p.Attachments)
		}
		if size != g.size {
			t.Fatalf("size %d, want %d", g.size, size)
		}
	}
	g.drop(g.len())
	c.close(g)
	if again := c.open(k, 7); again != g || again.len() != 0 || again.size != 0 || again.first != 7 {
		t.Errorf("used again: %+v", again)
	}
}

// workers has the app be several workers, the first of which takes what connects.
func workers(r *rig, names ...string) {
	r.Helper()
	for _, name := range names[1:] {
		r.app.serve(r.app.conn.WorkerAll(name))
	}
	r.app.onConnect(func(backplane.Connect) *backplane.Connected { return &backplane.Connected{Worker: names[0]} })
}

// lose says that a worker is lost; the next one takes its sockets.
func (a *app) lose(lost backplane.Lost, next string) {
	a.Helper()
	a.onConnect(func(backplane.Connect) *backplane.Connected { return &backplane.Connected{Worker: next} })
	data, err := json.Marshal(lost)
	if err == nil {
		err = a.conn.Publish(a.conn.Lost(), data)
	}
	if err != nil {
		a.Fatal(err)
	}
}

// until waits for something to hold for a socket.
func (r *rig) until(id, what string, holds func(k *socket) bool) {
	r.Helper()
	l := r.gw.loopOf(id)
	eventually(r, what, func() (held bool) {
		r.onLoop(l, func() {
			k := l.sockets[id]
			held = k != nil && holds(k)
		})
		return held
	})
}

// confirm is a worker's word that it is done with a socket's events.
func (a *app) confirm(node, socket string, number uint64) {
	a.Helper()
	a.publish(&backplane.Msg{Subject: a.conn.Node(node, backplane.VerbConfirm, ""), Data: backplane.AppendConfirmation(nil, socket, number)})
}

// expectNumber waits for an event, with its number and how many workers had it before.
func (a *app) expectNumber(number, again uint64, redelivered bool) appEvent {
	a.Helper()
	e := next(a, a.events)
	if e.receipt.Number != number || e.receipt.Again != again || e.redelivered != redelivered {
		a.Fatalf("event %s: %+v, redelivered %v; want number %d, again %d, redelivered %v", e.payload.JSON, e.receipt, e.redelivered, number, again, redelivered)
	}
	return e
}

// What a lost worker was not done with goes to the next, in order and marked, before what came later; what it was done with does
// not. A late acknowledgement of the lost one does not reach the client once the event is another's.
func TestEventsOfALostWorker(t *testing.T) {
	r := newRig(t)
	workers(r, "w1", "w2")
	c, id := r.join("")
	next(t, r.app.connects)
	for i := 1; i <= 3; i++ {
		c.Send(fmt.Sprintf(`42["e",%d]`, i))
		r.app.expectNumber(uint64(i), 0, false)
	}
	r.app.confirm("g1", id, 1)
	c.Send(`424["ask",4]`, `425["ask",5]`, `42["e",6]`)
	four, five := r.app.expectNumber(4, 0, false), r.app.expectNumber(5, 0, false)
	r.app.expectNumber(6, 0, false)
	r.app.publish(backplane.EncodePayload(four.reply, "", payload(`["four"]`))) // and so 2 and 3
	c.Expect(`434["four"]`)
	r.app.lose(backplane.Lost{Worker: "w1"}, "w2")
	if got := next(t, r.app.connects); !got.Recovered || got.Socket != id {
		t.Errorf("%+v", got)
	}
	if e := r.app.expectNumber(5, 1, true); !e.receipt.WantsAck || e.receipt.AckID != 5 || string(e.payload.JSON) != `["ask",5]` {
		t.Errorf("%+v", e)
	}
	six := r.app.expectNumber(6, 1, true)
	if got := next(t, r.app.rehomed); got != id {
		t.Errorf("%s has another home", got)
	}
	c.Send(`42["e",7]`)
	r.app.expectNumber(7, 0, false)
	r.app.publish(backplane.EncodePayload(five.reply, "", payload(`["late"]`)))
	r.app.publish(backplane.EncodePayload(six.reply, "", payload(`[]`))) // the empty message of any client
	r.app.confirm("g1", "AAAAAAAAAAAAAAAA_g1", 9)                        // of no socket
	r.app.publish(backplane.EncodePayload(r.app.conn.SocketAck(id, "5.5-1"), "", payload(`["five"]`)))
	c.Expect(`435["five"]`)
	if n := value(r.gw.metrics.redelivered); n != 2 {
		t.Errorf("%v events redelivered", n)
	}
	// All but 7 are confirmed: a third worker gets that alone.
	r.app.serve(r.app.conn.WorkerAll("w3"))
	r.app.lose(backplane.Lost{Worker: "w2"}, "w3")
	r.app.expectNumber(7, 1, true)
}

// What a worker confirms after it is known to be lost, and before another has the events, is done.
func TestConfirmationsOfALostWorker(t *testing.T) {
	r := newRig(t)
	workers(r, "w1", "w2")
	c, id := r.join("")
	request := next(t, r.app.connects)
	c.Send(`42["e",1]`, `42["e",2]`)
	r.app.expectNumber(1, 0, false)
	r.app.expectNumber(2, 0, false)
	data, err := json.Marshal(backplane.Lost{Worker: "w1"})
	if err != nil {
		t.Fatal(err)
	}
	r.app.onConnect(silent)
	if err := r.app.conn.Publish(r.app.conn.Lost(), data); err != nil {
		t.Fatal(err)
	}
	next(t, r.app.connects)
	r.app.confirm("g1", id, 1)
	r.app.answer(r.app.conn.Node("g1", "connected", request.Socket), &backplane.Connected{Worker: "w2"})
	r.app.expectNumber(2, 1, true)
	c.Alive(r.app)
}

// A worker that stops gets done what it has, while new events wait for its successor; if it dies over that, the rest goes along.
func TestEventsOfALeavingWorker(t *testing.T) {
	r := newRig(t)
	workers(r, "w1", "w2", "w3")
	c, id := r.join("")
	next(t, r.app.connects)
	c.Send(`42["e",1]`, `42["e",2]`)
	r.app.expectNumber(1, 0, false)
	r.app.expectNumber(2, 0, false)
	r.app.lose(backplane.Lost{Worker: "w1", Leaving: true}, "w2")
	next(t, r.app.connects)
	r.until(id, "the new home is there", func(k *socket) bool { return k.homing != nil && k.homing.answer != nil })
	c.Send(`42["e",3]`)
	r.app.confirm("g1", id, 1)
	r.until(id, "one is done, and one waits", func(k *socket) bool { return k.ledger.given == 1 && k.ledger.len() == 2 })
	other, _ := r.join("")
	other.Alive(r.app) // and nothing came before
	r.app.confirm("g1", id, 2)
	r.app.expectNumber(3, 0, false)
	next(t, r.app.rehomed)
	r.app.lose(backplane.Lost{Worker: "w2", Leaving: true}, "w3")
	r.until(id, "the next home is there", func(k *socket) bool { return k.homing != nil && k.homing.answer != nil })
	c.Send(`42["e",4]`)
	r.app.lose(backplane.Lost{Worker: "w2"}, "w3")
	var got []backplane.Receipt
	eventually(t, "number 3, and 4 behind it", func() bool { // the other socket's event goes with them, before, between or after
		if e := next(t, r.app.events); e.socket == id {
			got = append(got, e.receipt)
			if want := uint64(2 + len(got)); e.receipt.Number != want || e.redelivered != (want == 3) || (e.receipt.Again > 0) != (want == 3) {
				t.Fatalf("%+v, redelivered %v", e.receipt, e.redelivered)
			}
		}
		return len(got) == 2
	})
}

// A worker whose connection to NATS is gone is noticed by the first event that meets nobody, which has not been delivered and is
// not marked so.
func TestNobodyListens(t *testing.T) {
	r := newRig(t)
	workers(r, "ghost")
	c, id := r.join("")
	next(t, r.app.connects)
	r.app.onConnect(func(backplane.Connect) *backplane.Connected { return &backplane.Connected{Worker: "w1"} })
	c.Send(`42["e",1]`, `421["e",2]`, `42["e",3]`)
	for i := range uint64(3) {
		r.app.expectNumber(i+1, 0, false)
	}
	if got := next(t, r.app.connects); got.Socket != id || !got.Recovered {
		t.Errorf("%+v", got)
	}
	if n := value(r.gw.metrics.lostWorkers); n != 1 {
		t.Errorf("%v workers lost", n)
	}
	r.app.confirm("g1", id, 3)
	c.Alive(r.app)
}

// A worker that is asked what it has had, because it says nothing, is given what was lost on its way; one that does not
// know the socket is not its home.
func TestEventsLostOnTheirWay(t *testing.T) {
	r := newRig(t)
	workers(r, "w1", "w2")
	c, id := r.join("")
	next(t, r.app.connects)
	for i := 1; i <= 4; i++ {
		c.Send(fmt.Sprintf(`42["e",%d]`, i))
		r.app.expectNumber(uint64(i), 0, false)
	}
	standing := func(answer *backplane.Msg) {
		answer.Data = backplane.Standing{Received: 2, Done: 1, Counts: true}.Append(nil)
	}
	r.app.alive.Store(&standing)
	r.app.expectNumber(3, 0, false)
	r.app.alive.Store(nil)
	r.app.publish(&backplane.Msg{Subject: r.app.conn.SocketMissing(id, 2)})
	eventually(t, "all from 2 on, after what the questions brought", func() bool {
		e := next(t, r.app.events)
		return e.receipt.Number == 2 && !e.redelivered
	})
	r.app.expectNumber(3, 0, false)
	r.app.expectNumber(4, 0, false)
	r.app.publish(&backplane.Msg{Subject: r.app.conn.SocketMissing(id, 9)}) // there is none
	elsewhere := func(answer *backplane.Msg) {
		answer.Header = map[string][]string{backplane.HeaderError: {backplane.NoSocket}}
	}
	r.app.onConnect(func(backplane.Connect) *backplane.Connected { return &backplane.Connected{Worker: "w2"} })
	r.app.alive.Store(&elsewhere)
	next(t, r.app.connects)
	r.app.alive.Store(nil)
	r.app.expectNumber(2, 1, true)
}

// An event with which each of its workers is lost is dropped; those behind it are not, and wait once it is suspected.
func TestPoison(t *testing.T) {
	r := newRig(t)
	workers(r, "w1", "w2", "w3", "w4", "w5")
	c, _ := r.join("")
	c.Send(`42["poison"]`, `42["behind"]`)
	r.app.expectNumber(1, 0, false)
	r.app.expectNumber(2, 0, false)
	r.app.lose(backplane.Lost{Worker: "w1"}, "w2")
	r.app.expectNumber(1, 1, true)
	r.app.expectNumber(2, 1, true)
	r.app.lose(backplane.Lost{Worker: "w2"}, "w3")
	r.app.expectNumber(1, 2, true)
	r.app.lose(backplane.Lost{Worker: "w3"}, "w4")
	r.app.expectNumber(1, 3, true)
	r.app.lose(backplane.Lost{Worker: "w4"}, "w5")
	if e := r.app.expectNumber(2, 2, true); string(e.payload.JSON) != `["behind"]` {
		t.Errorf("%s", e.payload.JSON)
	}
	if n := value(r.gw.metrics.poison); n != 1 {
		t.Errorf("%v events dropped", n)
	}
}

// Events that were there when workers died of another are handled in the end, however often they have been given with it.
func TestPoisonAmongOthers(t *testing.T) {
	const others = 6
	r := newRig(t, func(o *Options) { o.Loops = 1 })
	names := []string{"w1", "w2", "w3", "w4", "w5", "w6"}
	workers(r, names...)
	for i := range others + 1 {
		c, _ := r.join("")
		if i == others/2 {
			c.Send(`42["poison"]`)
		} else {
			c.Send(`42["other"]`, `42["last"]`)
			r.app.expectEvent(`["other"]`)
		}
		next(t, r.app.events)
	}
	// The first two workers do nothing at all.
	for i := range suspectAfter {
		r.app.lose(backplane.Lost{Worker: names[i]}, names[i+1])
		if i+1 < suspectAfter {
			for range 2*others + 1 {
				next(t, r.app.events)
			}
		}
	}
	// Those after them die of the poison and handle the rest.
	home, done := suspectAfter, 0
	for done < others {
		switch e := next(t, r.app.events); string(e.payload.JSON) {
		case `["poison"]`:
			r.app.lose(backplane.Lost{Worker: names[home]}, names[home+1])
			home++
		case `["last"]`:
			done++
			r.app.confirm("g1", e.socket, e.receipt.Number)
		default:
			r.app.confirm("g1", e.socket, e.receipt.Number)
		}
	}
	eventually(t, "the poison is dropped, and nothing else", func() bool {
		select {
		case e := <-r.app.events:
			if string(e.payload.JSON) == `["poison"]` {
				r.app.lose(backplane.Lost{Worker: names[home]}, names[home+1])
				home++
			}
		default:
		}
		return value(r.gw.metrics.poison) == 1
	})
	eventually(t, "nothing left", func() bool {
		left := 0
		r.onLoop(r.gw.loops[0], func() {
			for _, k := range r.gw.loops[0].sockets {
				if k.ledger != nil {
					left++
				}
			}
		})
		return left == 0
	})
}

// A suspected event whose handler takes its time does not keep the others waiting for ever.
func TestSlowSuspect(t *testing.T) {
	r, l := bench(t)
	r.sink("nobody")
	var all []*socket
	for range 2 {
		k := dummy(l, false).session.sockets[0]
		k.keep(payload(`["e"]`), entry{fatal: suspectAfter})
		k.give()
		all = append(all, k)
	}
	if all[0].ledger.given != 1 || all[1].ledger.given != 0 {
		t.Fatal("not one at a time")
	}
	l.suspects.timer.owner.expire(l.now + suspectMost)
	if all[1].ledger.given != 1 {
		t.Error("the second still waits")
	}
	all[0].confirm(1)
	if l.suspects.tried != all[1].ledger {
		t.Error("the first has ended the trial of the second")
	}
	all[1].abandonEvents()
	if l.suspects.tried != nil || len(l.suspects.queue) != 0 {
		t.Error("suspects left")
	}
	l.wheel.stop(&l.suspects.timer)
}

// Events that nobody confirms are bounded, in number and in bytes.
func TestUnconfirmedLimits(t *testing.T) {
	for name, limit := range map[string]func(*Limits){
		"events": func(l *Limits) { l.Unconfirmed = 3 },
		"bytes":  func(l *Limits) { l.UnconfirmedBytes = 3*entryCost + 3*len(`["e"]`) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { limit(&o.Limits) })
			c, id := r.join("")
			c.Send(`42["e"]`, `42["e"]`, `42["e"]`)
			for i := range uint64(3) {
				r.app.expectNumber(i+1, 0, false)
			}
			r.app.confirm("g1", id, 1)
			r.until(id, "one is confirmed", func(k *socket) bool { return k.ledger.len() == 2 })
			c.Send(`42["e"]`)
			r.app.expectNumber(4, 0, false)
			c.Send(`42["e"]`)
			c.ExpectClose(0)
			r.app.expectLeave(id, reasonTooMuch)
			eventually(t, "nothing left", func() bool {
				left := 0
				for _, l := range r.gw.loops {
					r.onLoop(l, func() {
						for _, h := range l.homes {
							if h.first != nil {
								left++
							}
						}
					})
				}
				return left == 0
			})
		})
	}
}

// A session that moves to another node takes along what is not confirmed, and the number.
func TestEventsMove(t *testing.T) {
	nodes := cluster(t, 2)
	app := nodes[0].app
	p := nodes[0].poll()
	c := p.joinPID()
	next(t, app.opens)
	p.Send(`42["e",1]`, `425["e",2]`, `452-["e",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "bAQID", "bBA==")
	for i := range uint64(3) {
		app.expectNumber(i+1, 0, false)
	}
	app.answersMoved.Store(true)
	c.wsClient = nodes[1].dial("EIO=4&transport=websocket&sid=" + p.sid)
	get := p.GetSoon(t.Context())
	c.Send("2probe")
	c.Expect("3probe")
	<-get
	c.Send("5", `42["e",4]`)
	app.expectNumber(4, 0, false)
	app.confirm("g1", c.id, 4) // the old node's business no more
	app.confirm("g2", c.id, 1)
	app.serve(app.conn.WorkerAll("w2"))
	app.lose(backplane.Lost{Worker: "w1"}, "w2")
	app.expectNumber(2, 1, true)
	if e := app.expectNumber(3, 1, true); len(e.payload.Attachments) != 2 || string(e.payload.Attachments[0]) != "\x01\x02\x03" {
		t.Errorf("%+v", e)
	}
	app.expectNumber(4, 1, true)
}

// Keeping an event until it is confirmed allocates nothing, once a ledger has its size.
func TestLedgerAllocates(t *testing.T) {
	var c custody
	k, p, number := &socket{}, payload(`["news",{"a":1,"b":"some text of a common length"}]`), uint64(0)
	if n := testing.AllocsPerRun(100, func() {
		g := c.open(k, number+1)
		for range 3 {
			number++
			g.add(p, entry{})
			g.given++
		}
		g.drop(g.had(3))
		c.close(g)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkLedger is what keeping an event costs: adding it, and taking it off.
func BenchmarkLedger(b *testing.B) {
	var c custody
	k, p, number := &socket{}, payload(`["news",{"a":1,"b":"some text of a common length"}]`), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		number++
		g := c.open(k, number)
		g.add(p, entry{})
		g.given = 1
		g.drop(g.had(1))
		c.close(g)
	}
}
