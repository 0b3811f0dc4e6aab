package scenario

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"patchbay/loadtest/cost"
)

// connectLook is the time between two looks at how many clients have connected.
const connectLook = 50 * time.Millisecond

// leastPoints is how many points a run has at least, if it may choose.
const leastPoints = 20

// ErrNotConnected reports clients that were not all there in time.
var ErrNotConnected = errors.New("load: not all clients connected")

// ErrInterrupted reports a run that was not carried to its end.
var ErrInterrupted = errors.New("load: interrupted")

// closeTimeout bounds the end of a run.
const closeTimeout = 20 * time.Second

// maxNotes bounds what is noted of faults beside the load.
const maxNotes = 20

// Progress is told while a run goes on: what is done now, how much of it in 0 to 1, and the last point.
type Progress func(stage string, share float64, p Point)

// Runner runs plans. Its zero value reads no server's cost and tells nobody.
type Runner struct {
	Sources  []cost.Source
	Progress Progress
	Interval time.Duration // between two points; default one second, and at least 20 in a run
	// Enough, if set, is asked at each point, and ends the measured time early.
	Enough func(Point) bool
}

// run is a run under way.
type run struct {
	*Runner
	plan   *Plan
	fleet  *fleet
	out    *Outcome
	start  time.Time // of the measured time; zero before
	meters []*meter  // of the sources
}

// Run carries out a plan and returns what it found. On an error, of clients that do not connect above all, nothing is left running. If ctx is
// cancelled it returns ErrInterrupted, and, once measuring has begun, also what it has found until then.
func (r *Runner) Run(ctx context.Context, plan *Plan) (out *Outcome, err error) {
	if err := checkDescriptors(plan); err != nil {
		return nil, err
	}
	f, err := openFleet(ctx, plan)
	if err != nil {
		return nil, err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, f.close(closing))
	}()
	this := &run{Runner: r, plan: plan, fleet: f, out: &Outcome{Plan: plan, Started: time.Now()}, meters: metersOf(r.Sources)}
	for _, step := range []func(context.Context) error{this.connect, this.warmUp, this.measure, this.settle} {
		if err := step(ctx); err != nil {
			if canceled(ctx) && errors.Is(err, context.Canceled) {
				err = fmt.Errorf("%w before anything was measured, so nothing is reported", ErrInterrupted)
			}
			return nil, err
		}
	}
	this.conclude()
	if this.out.Interrupted {
		return this.out, fmt.Errorf("%w: %v of %v were measured", ErrInterrupted, this.out.Measured().Round(time.Millisecond), plan.Options.Timing.Duration)
	}
	return this.out, nil
}

// conclude notes what limits the worth of what was found.
func (r *run) conclude() {
	if n := r.out.Audit.Unsure; n > 0 {
		r.note(fmt.Errorf("%d messages came so late that it is not known whether for the first time: lost and repeated are the least that they can be", n))
	}
	if n := r.out.Rest.Counters.Unsent; n > 0 {
		r.note(fmt.Errorf("%d messages were due and not sent: the generator had no time for them", n))
	}
}

// canceled tells whether somebody has ended ctx, rather than its deadline.
func canceled(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

func (r *run) tell(stage string, share float64, p Point) {
	if r.Progress != nil {
		r.Progress(stage, min(share, 1), p)
	}
}

// point takes a sample and reads all costs, even if ctx has ended: the last point comes afterwards.
func (r *run) point(ctx context.Context) (Point, error) {
	p := Point{Usage: r.usage(context.WithoutCancel(ctx))}
	if !r.start.IsZero() {
		p.At = time.Since(r.start)
	}
	var err error
	p.Sample, err = r.fleet.sample(ctx)
	return p, err
}

// note keeps a fault beside the load, once.
func (r *run) note(err error) {
	for _, known := range r.out.Notes {
		if known == err.Error() {
			return
		}
	}
	if len(r.out.Notes) < maxNotes {
		r.out.Notes = append(r.out.Notes, err.Error())
	}
}

// connect connects all clients.
func (r *run) connect(ctx context.Context) error {
	before, err := r.point(ctx)
	if err != nil {
		return err
	}
	r.out.Before = before.Usage
	limit, cancel := context.WithTimeout(ctx, r.plan.Options.Timing.ConnectTimeout)
	defer cancel()
	began := time.Now()
	if _, err := r.fleet.do(ctx, Order{Do: OrderConnect}); err != nil {
		return err
	}
	var all Histograms
	for {
		p, err := r.point(ctx)
		if err != nil {
			return err
		}
		all.Add(p.Sample.Histograms)
		total := r.plan.Total()
		r.tell("connect", float64(total-p.Sample.Missing)/float64(total), p)
		if p.Sample.Missing == 0 {
			p.Sample.Histograms = all
			r.out.Connected = p
			r.out.Connecting = time.Duration(p.Sample.Arrived - began.UnixNano())
			return nil
		}
		if !pause(limit, connectLook) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return r.absent(ctx, p.Sample.Missing)
		}
	}
}

// absent says how many clients are missing, what they wait for, and what has failed before.
func (r *run) absent(ctx context.Context, missing int) error {
	audit, err := r.fleet.audit(ctx)
	text := fmt.Sprintf("%d of %d are missing", missing, r.plan.Total())
	for _, what := range slices.Sorted(maps.Keys(audit.Waiting)) {
		text += fmt.Sprintf("; %d wait %s", audit.Waiting[what], what)
	}
	for _, cause := range slices.Sorted(maps.Keys(audit.Causes)) {
		text += fmt.Sprintf("; failed: %d × %s", audit.Causes[cause], cause)
	}
	return errors.Join(fmt.Errorf("%w: %s", ErrNotConnected, text), err)
}

// pause waits, and tells whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// warmUp starts the traffic and lets it run for a while.
func (r *run) warmUp(ctx context.Context) error {
	if _, err := r.fleet.do(ctx, Order{Do: OrderBegin}); err != nil {
		return err
	}
	if r.plan.Traffic() != silence {
		r.tell("warm up", 0, Point{})
		pause(ctx, r.plan.Options.Timing.WarmUp)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	r.start = time.Now()
	r.out.Begin, err = r.point(ctx)
	return err
}

// measure lets the traffic run, and what befalls the clients, while it takes points.
func (r *run) measure(ctx context.Context) error {
	if _, err := r.fleet.do(ctx, Order{Do: OrderTrouble}); err != nil {
		return err
	}
	restarting := r.restart(ctx)
	duration := r.plan.Options.Timing.Duration
	interval := r.Interval
	if interval == 0 {
		interval = min(time.Second, duration/leastPoints)
	}
	for {
		err := restarting.pause(ctx, interval, time.Until(r.start.Add(duration)))
		r.out.Interrupted = err != nil && canceled(ctx) // which ends a command as well
		if err != nil && !r.out.Interrupted {
			return err
		}
		p, err := r.point(ctx)
		if err != nil {
			return err
		}
		r.out.Points = append(r.out.Points, p)
		r.tell("measure", float64(p.At)/float64(duration), p)
		over := p.At >= duration || r.Enough != nil && r.Enough(p) || r.plan.Scenario == "avalanche" && p.Sample.Present == r.plan.Total() && p.At > interval
		if r.out.Interrupted || over && restarting.over() {
			break
		}
	}
	_, err := r.fleet.do(ctx, Order{Do: OrderEnd})
	return err
}

// settle waits for what is under way, and for the clients that are to come back, until all has arrived and nothing more comes for the plan's grace, or nothing new has for as long as its patience, and audits.
func (r *run) settle(ctx context.Context) error {
	if r.out.Interrupted {
		ctx = context.WithoutCancel(ctx) // the measured time is over, only earlier
	}
	began := time.Now()
	q := quiet{news: began, messages: began, bytes: began}
	for {
		audit, err := r.fleet.audit(ctx)
		if err != nil {
			return err
		}
		p, err := r.point(ctx)
		if err != nil {
			return err
		}
		histograms := r.out.Rest.Histograms
		histograms.Add(p.Sample.Histograms)
		r.out.Rest = p.Sample
		r.out.Rest.Histograms = histograms
		r.out.Audit, r.out.Settling = audit, time.Since(began)
		q.look(p.Sample, audit)
		if q.over(r.plan, p.Sample, audit) {
			return nil
		}
		r.tell("settle", 1, p)
		if !pause(ctx, settleLook) {
			if r.out.Interrupted = canceled(ctx); r.out.Interrupted {
				return nil
			}
			return ctx.Err()
		}
	}
}
