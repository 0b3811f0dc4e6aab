package gateway

import (
	"strconv"
	"testing"
	"time"

	"patchbay/backplane"
)

func TestGathering(t *testing.T) {
	const ms = time.Millisecond
	var g gathering
	g.configure(&LoopOptions{Gather: Window(3 * ms), GatherAbove: 1000})
	now := gatherWindow
	g.note(1, now) // the first window ends with the first message
	for _, step := range []struct {
		what     string
		messages int
		after    time.Duration
		busy     bool
	}{
		{"slow", 99, gatherWindow, false},
		{"not known yet", 500, gatherWindow - ms, false},
		{"fast", 1, ms, true},
		{"fast still", 100, gatherWindow, true},
		{"nothing", 0, 2 * gatherWindow, true}, // and nobody waits
		{"slow again, of both windows", 150, gatherWindow, false},
	} {
		now += step.after
		g.note(step.messages, now)
		next, want := g.next(now), now
		if step.busy {
			want = now.Truncate(3*ms) + 3*ms
		}
		if next != want {
			t.Errorf("%s: at %v, reads next at %v; want %v", step.what, now, next, want)
		}
		if got := g.gathers(now); got != (step.busy && step.messages > 0) {
			t.Errorf("%s: gathers: %v", step.what, got)
		}
	}
	var off gathering
	off.configure(&LoopOptions{Gather: Off, GatherAbove: 1})
	off.note(1000, gatherWindow)
	off.note(1000, 2*gatherWindow)
	if off.next(now) != now {
		t.Error("gathers although that is off")
	}
}

// gatherUntil has all loops read again at a time.
func (r *rig) gatherUntil(at time.Duration) {
	r.Helper()
	for _, l := range r.gw.loops {
		r.onLoop(l, func() { l.tick = at })
	}
}

// While what clients send waits for a tick, what they are sent does not; and then all of it comes, in order.
func TestGatheringHoldsInputAlone(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	d, other := r.join("")
	r.gatherUntil(time.Hour)
	const events = 20
	for n := range events {
		c.Send(`421["n",` + strconv.Itoa(n) + `]`)
	}
	d.Send(`42["other"]`)
	for n := range 3 {
		r.app.emitSocket(id, "", payload(`["in",`+strconv.Itoa(n)+`]`))
		r.app.emitSocket(other, "", payload(`["in",`+strconv.Itoa(n)+`]`))
		c.Expect(`42["in",` + strconv.Itoa(n) + `]`)
		d.Expect(`42["in",` + strconv.Itoa(n) + `]`)
	}
	if n := len(r.app.events); n != 0 {
		t.Errorf("%d events came before their tick", n)
	}
	r.gatherUntil(0)
	want := 0
	for range events + 1 {
		e := next(t, r.app.events)
		switch {
		case e.socket == other:
		case string(e.payload.JSON) != `["n",`+strconv.Itoa(want)+`]`:
			t.Errorf("%s when it was %d's turn", e.payload.JSON, want)
		default:
			want++
		}
	}
	c.Alive(r.app)
}

// A gateway that gathers stops like any other.
func TestGatheringStops(t *testing.T) {
	r := newRig(t)
	c, _ := r.join("")
	r.gatherUntil(time.Hour)
	if err := r.gw.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	c.ExpectClose(0)
}

// Nothing is lost or reordered where all is gathered all the time.
func TestGatheringAlways(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Gather, o.GatherAbove = Window(time.Millisecond), 1 })
	const events = 300
	r.gw.busy.Store(true)
	c, id := r.join("")
	for n := range events {
		number := strconv.Itoa(n)
		c.Send(`42` + number + `["n",` + number + `]`)
		e := r.app.expectEvent(`["n",` + number + `]`)
		if e.socket != id || e.receipt.Number != uint64(n)+1 {
			t.Fatalf("%+v", e)
		}
		r.app.publish(backplane.EncodePayload(e.reply, "", payload(`[`+number+`]`)))
		c.Expect(`43` + number + `[` + number + `]`)
	}
	c.Alive(r.app)
}
