package gateway

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Defaults of DrainOptions.
const (
	// DefaultDrainRate empties a gateway of 20,000 clients in 40 s, and has its peers admit at a rate at which they do
	// little else than their usual work.
	DefaultDrainRate = 500
	// DefaultDrainReturn is twice what stock clients take for their first attempt to come back, at most.
	DefaultDrainReturn = 3 * time.Second
	// DefaultDrainTimeout is above what the other defaults take for 20,000 clients.
	DefaultDrainTimeout = Window(2 * time.Minute)
)

// DrainOptions say how a gateway that is told to stop lets its clients go. The zero value means the defaults.
type DrainOptions struct {
	Delay   time.Duration `name:"drain-delay" default:"0s" help:"How long a gateway that is told to stop goes on as before, but is not ready, so that balancers notice." reload:"yes"`
	Rate    int           `name:"drain-rate" default:"500" help:"Sessions a second whose transports a gateway closes while it drains." reload:"yes"`
	Return  time.Duration `name:"drain-return" default:"3s" help:"How long a client may take to come back by itself before a gateway that drains hands its socket to another." reload:"yes"`
	Timeout Window        `name:"drain-timeout" default:"2m" help:"How long a drain may take after its delay; what is left then is closed at once. 0 turns draining off." reload:"yes"`
}

// phase is where a gateway is in its life. It only rises.
type phase = int32

const (
	phaseOpen     phase = iota
	phaseDraining       // not ready; goes on as before
	phaseClosed         // takes no new connections and sessions
	phaseStopping
)

// remains is what a gateway that drains still has.
type remains struct {
	sessions int
	detached int // sockets
	moving   int // handoffs from and to it, and sockets that are offered
}

func (r *remains) add(other remains) {
	r.sessions += other.sessions
	r.detached += other.detached
	r.moving += other.moving
}

// Drain lets the clients go, so that they come back to other gateways: it waits for the delay, stops accepting, closes transports at
// the stated pace, and hands the sockets of clients that do not come back to peers. It returns when nothing is left, at
// its deadline, when ctx ends, or if there is no other gateway; Stop does the rest. It may be called once, before Stop.
func (gw *Gateway) Drain(ctx context.Context) {
	o := &gw.live().drain
	if o.Timeout < 0 {
		return
	}
	gw.phase.Store(phaseDraining)
	gw.leaveShelter()
	gw.log.Info("draining", zap.String("node", gw.options.ID), zap.Duration("delay", o.Delay))
	if !rest(ctx, o.Delay) {
		return
	}
	if gw.alone(ctx) {
		gw.log.Info("there is no other gateway: nobody to drain to", zap.String("node", gw.options.ID))
		return
	}
	gw.stopAccepting()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(o.Timeout))
	defer cancel()
	d := newDrain(gw)
	d.run(ctx)
	gw.log.Info("drained", zap.String("node", gw.options.ID), zap.Int("closed", d.closed), zap.Int("rate", o.Rate), zap.Int("peak", d.peak),
		zap.Duration("took", time.Since(d.begun)), zap.Int("sessions", d.left.sessions), zap.Int("detached", d.left.detached), zap.Int("moving", d.left.moving))
	if n := d.left.sessions + d.left.detached; n > 0 {
		gw.metrics.drained.WithLabelValues("cut off").Add(float64(n))
	}
}

// leaveShelter stops taking sockets of other nodes that drain.
func (gw *Gateway) leaveShelter() {
	if err := gw.shelter.Unsubscribe(); err != nil {
		gw.log.Debug("cannot leave the queue of peers", zap.Error(err))
	}
}

// stopAccepting closes the listener, after what was waiting there has been taken.
func (gw *Gateway) stopAccepting() {
	gw.phase.Store(max(phaseClosed, gw.phase.Load()))
	closed := make(chan struct{})
	gw.loops[0].post(stopAccepting{closed})
	<-closed
}

// closed reports whether there are to be no new sessions.
func (gw *Gateway) closed() bool { return gw.phase.Load() >= phaseClosed }

// rest waits; false means that ctx has ended first.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// batchesPerSecond is how finely the pace is cut, at most.
const batchesPerSecond = 100

// drain is one drain. Owned by the goroutine that called Drain.
type drain struct {
	gw        *Gateway
	begun     time.Time
	batch     int           // sessions
	pause     time.Duration // between two batches, at least
	first     int           // the loop whose turn it is
	left      remains
	closed    int
	peak      int         // sessions closed within one second, at most
	last      []time.Time // when sessions were closed, of the last second
	finishing bool
}

func newDrain(gw *Gateway) *drain {
	rate := gw.live().drain.Rate
	batch := max(1, rate/batchesPerSecond)
	return &drain{gw: gw, begun: time.Now(), batch: batch, pause: time.Duration(batch) * time.Second / time.Duration(rate)}
}

// run goes on until nothing is left.
func (d *drain) run(ctx context.Context) {
	for {
		d.step()
		if d.left == (remains{}) && d.finish() {
			return
		}
		if !rest(ctx, d.pause) {
			return
		}
	}
}

// step closes the next sessions, and sees what is left.
func (d *drain) step() {
	gw, budget := d.gw, d.batch
	d.left = remains{}
	for i := range gw.loops {
		t := &unload{most: budget, least: gw.live().drain.Return, done: make(chan unloaded, 1)}
		if !gw.loops[(d.first+i)%len(gw.loops)].post(t) {
			continue
		}
		answer := <-t.done
		budget -= answer.closed
		d.left.add(answer.left)
	}
	d.first++
	d.note(d.batch - budget)
	gw.metrics.remain(d.left)
	left := d.left
	gw.remains.Store(&left)
}

// note counts closes, and the most of them in one second.
func (d *drain) note(closed int) {
	now := time.Now()
	for len(d.last) > 0 && now.Sub(d.last[0]) >= time.Second {
		d.last = d.last[1:]
	}
	for range closed {
		d.last = append(d.last, now)
	}
	d.closed += closed
	d.peak = max(d.peak, len(d.last))
	d.gw.metrics.drained.WithLabelValues("closed").Add(float64(closed))
}

// finish ends what this node does for sessions of others, whose requests have come to it. It reports whether that is done.
func (d *drain) finish() bool {
	if !d.finishing {
		d.finishing = true
		d.gw.web.server.SetKeepAlivesEnabled(false)
	}
	return d.gw.endRelays() == 0
}

// unloading is what a loop knows of a drain: its sessions to be closed, and those that were busy when their turn came.
type unloading struct {
	queue, later []*session
}

// unload has a loop close some of its sessions, and tell what is left.
type unload struct {
	most  int
	least time.Duration // since when a socket must be detached to be offered
	done  chan unloaded // capacity 1
}

// unloaded is the answer.
type unloaded struct {
	closed int
	left   remains
}

func (t *unload) run(l *loop) {
	closed := l.partSome(t.most)
	l.offerSome(t.least)
	left := remains{sessions: len(l.sessions), detached: l.gone.count, moving: len(l.leavings) + len(l.takings) + len(l.arrivals) + len(l.offers)}
	t.done <- unloaded{closed: closed, left: left}
}

// cancel implements canceller.
func (t *unload) cancel() { t.done <- unloaded{} }

// partSome tells clients, as many as may be, that their transports close. Busy sessions have their turn when they are not.
func (l *loop) partSome(most int) (closed int) {
	u := &l.unload
	if len(u.queue) == 0 {
		u.queue, u.later = u.later, nil
	}
	if len(u.queue) == 0 {
		for _, s := range l.sessions {
			switch s.state {
			case sessionOpen:
				u.queue = append(u.queue, s)
			case sessionClosing:
				s.hurry()
			}
		}
	}
	for closed < most && len(u.queue) > 0 {
		s := u.queue[len(u.queue)-1]
		u.queue = u.queue[:len(u.queue)-1]
		switch {
		case s.state != sessionOpen:
		case s.busy():
			u.later = append(u.later, s)
		default:
			s.part()
			closed++
		}
	}
	return closed
}
