package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"patchbay/loadtest/cluster"
	"patchbay/loadtest/load"
	"patchbay/loadtest/scenario"
)

// A server that misbehaves must be found out, and what it did be counted.
func TestAuditNotices(t *testing.T) {
	once := func(n int, text string, instead ...string) []string {
		if n == 20 {
			return instead
		}
		return []string{text}
	}
	var held string
	for name, c := range map[string]struct {
		deliver func(n int, text string) []string
		want    scenario.Audit
		stray   uint64
		damaged uint64
	}{
		"lost":     {deliver: func(n int, text string) []string { return once(n, text) }, want: scenario.Audit{Lost: 1}},
		"repeated": {deliver: func(n int, text string) []string { return once(n, text, text, text) }, want: scenario.Audit{Repeated: 1}},
		"reordered": {deliver: func(n int, text string) []string {
			switch n { // of 3 members: the same one's 7th and 8th message
			case 20:
				held = text
				return nil
			case 23:
				return []string{text, held}
			}
			return []string{text}
		}, want: scenario.Audit{Reordered: 1}},
		"damaged": {deliver: func(n int, text string) []string { return once(n, text, text[:len(text)-4]+"#"+text[len(text)-3:]) }, want: scenario.Audit{Lost: 1}, damaged: 1},
		"stray":   {deliver: func(n int, text string) []string { return once(n, text, text, altered(text, 0, `42["msg","9`, true)) }, stray: 1},
		"time altered": {deliver: func(n int, text string) []string {
			return once(n, text, altered(text, 3, "9764036549000000000", false))
		}, want: scenario.Audit{Lost: 1}, damaged: 1},
		"written at large": {deliver: func(_ int, text string) []string {
			return []string{strings.Replace(text, `["msg",`, "[ \"msg\",\t", 1)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cluster.CheckLeaks(t)
			f := startFake(t, c.deliver, nil)
			o := options(f.URL)
			o.Clients, o.Traffic.Rate, o.Timing.Patience = 3, 200, time.Second
			out := mustRun(t, "fanout", o)
			a, n := out.Audit, out.Rest.Counters
			if a.Lost != c.want.Lost || a.Repeated != c.want.Repeated || a.Reordered != c.want.Reordered {
				t.Errorf("got %+v, want %+v", a, c.want)
			}
			if n.Stray != c.stray || n.Damaged != c.damaged {
				t.Errorf("got %d stray and %d damaged, want %d and %d", n.Stray, n.Damaged, c.stray, c.damaged)
			}
			if faults := len(a.Faults); (c.want.Lost+c.want.Repeated+c.want.Reordered > 0) != (faults == 1) {
				t.Errorf("faults by sender and room: %+v", a.Faults)
			}
		})
	}
}

// altered replaces one of the numbers of a message, and makes their sum right again if that is wanted.
func altered(text string, field int, by string, right bool) string {
	fields := strings.SplitN(text, ".", 6)
	fields[field] = by
	if right {
		numbers := strings.Join(fields[:4], ".") + "."
		fields[4] = fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(strings.TrimPrefix(numbers, `42["msg","`))))
	}
	return strings.Join(fields, ".")
}

func TestAuditNoticesAcks(t *testing.T) {
	f := startFake(t, nil, func(n int, text string) []string {
		switch n {
		case 5:
			return nil
		case 9:
			return []string{text, text}
		}
		return []string{text}
	})
	o := options(f.URL)
	o.Traffic.Rate, o.Timing.Patience = 200, time.Second
	out := mustRun(t, "echo", o)
	if a := out.Audit; a.LostAcks != 1 || a.Repeated != 1 {
		t.Errorf("got %+v, want one lost and one repeated", a)
	}
}

// What is repeated after everything has arrived is found as well, if less than the grace lies between; later, the run has ended.
func TestAuditNoticesLateRepeats(t *testing.T) {
	for name, c := range map[string]struct {
		after, patience, grace time.Duration
		least                  uint64
	}{
		"in time":      {500 * time.Millisecond, 10 * time.Second, 2 * time.Second, 3},
		"out of grace": {time.Minute, 10 * time.Second, 100 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			cluster.CheckLeaks(t)
			var f *fake
			var once sync.Once
			f = startFake(t, func(_ int, text string) []string {
				once.Do(func() {
					timer := time.AfterFunc(c.after, func() { f.broadcast(text) })
					t.Cleanup(func() { timer.Stop() })
				})
				return []string{text}
			}, nil)
			o := options(f.URL)
			o.Clients, o.Traffic.Rate, o.Timing.Duration, o.Timing.WarmUp = 3, 100, 50*time.Millisecond, 0
			o.Timing.Patience, o.Timing.Grace = c.patience, c.grace
			if out := mustRun(t, "fanout", o); out.Audit.Repeated != c.least || out.Audit.Lost != 0 {
				t.Errorf("%+v: want %d repeated", out.Audit, c.least)
			}
		})
	}
}

// A lost message must not end a saturated run, and shows as a stall.
func TestStall(t *testing.T) {
	f := startFake(t, func(n int, text string) []string {
		if n == 20 {
			return nil
		}
		return []string{text}
	}, nil)
	o := options(f.URL)
	o.Traffic.InFlight, o.Timing.Patience, o.Timing.Duration = 2, 1500*time.Millisecond, 3*time.Second // a pause of the machine is no stall
	out := mustRun(t, "fanout", o)
	if n := out.Rest.Counters.Stalls; n != 1 {
		t.Errorf("%d stalls, want 1", n)
	}
	if out.Rest.Counters.Sent < 10 || out.Audit.Lost != 1 {
		t.Errorf("%d sent, %d lost: want the run to go on after one loss", out.Rest.Counters.Sent, out.Audit.Lost)
	}
}

// A saturated run never has more in flight than was asked for.
func TestInFlight(t *testing.T) {
	most, had := 0, map[string]int{}
	published := map[string]bool{}
	f := startFake(t, func(_ int, text string) []string {
		seq := strings.Split(text, ".")[2]
		published[seq] = true
		had[seq]++
		// What is published and not yet delivered to all 12 is in flight.
		under := 0
		for s := range published {
			if had[s] < 12 {
				under++
			} else {
				delete(published, s)
			}
		}
		most = max(most, under)
		return []string{text}
	}, nil)
	o := options(f.URL)
	o.Traffic.InFlight = 1
	clean(t, mustRun(t, "fanout", o))
	if most != 1 {
		t.Errorf("%d messages in flight, want 1", most)
	}
}

func TestErrors(t *testing.T) {
	f := startFake(t, nil, nil)
	for name, c := range map[string]struct {
		scenario string
		change   func(*scenario.Options)
		want     error
	}{
		"unknown scenario":        {"storm", func(*scenario.Options) {}, scenario.ErrOptions},
		"no clients":              {"idle", func(o *scenario.Options) { o.Clients = 0 }, scenario.ErrOptions},
		"tiny payload":            {"echo", func(o *scenario.Options) { o.Traffic.Payload = 10 }, scenario.ErrOptions},
		"publishers in flight":    {"fanout", func(o *scenario.Options) { o.Publishers, o.Traffic.InFlight = 2, 1 }, scenario.ErrOptions},
		"rate that is no number":  {"fanout", func(o *scenario.Options) { o.Traffic.Rate = math.NaN() }, scenario.ErrOptions},
		"rate without end":        {"fanout", func(o *scenario.Options) { o.Traffic.Rate = math.Inf(1) }, scenario.ErrOptions},
		"connect rate, no number": {"idle", func(o *scenario.Options) { o.Timing.ConnectRate = math.NaN() }, scenario.ErrOptions},
		"share that is no number": {"jitter", func(o *scenario.Options) { o.Trouble.Share = math.NaN() }, scenario.ErrOptions},
		"in flight beyond reason": {"fanout", func(o *scenario.Options) { o.Traffic.InFlight = 1e15 }, scenario.ErrOptions},
		"in flight, many rooms":   {"rooms", func(o *scenario.Options) { o.RoomSize, o.Traffic.InFlight = 1, 1e5 }, scenario.ErrOptions},
		"clients beyond reason":   {"idle", func(o *scenario.Options) { o.Clients = 1e15 }, scenario.ErrOptions},
		"port beyond the last":    {"idle", func(o *scenario.Options) { o.Server.URLs = []string{"http://127.0.0.1:94536"} }, load.ErrPort},
		"port none":               {"idle", func(o *scenario.Options) { o.Server.URLs = []string{"http://127.0.0.1:0"} }, load.ErrPort},
		"remote server":           {"idle", func(o *scenario.Options) { o.Server.URLs = []string{"http://192.0.2.1:80"} }, load.ErrRemote},
		"TLS":                     {"idle", func(o *scenario.Options) { o.Server.URLs = []string{"https://127.0.0.1"} }, load.ErrScheme},
		"nobody there": {"idle", func(o *scenario.Options) {
			o.Server.URLs, o.Timing.ConnectTimeout = []string{"http://127.0.0.1:1"}, 100*time.Millisecond
		}, scenario.ErrNotConnected},
		"not Socket.IO": {"idle", func(o *scenario.Options) {
			o.Server.Transport, o.Timing.ConnectTimeout = "polling", 100*time.Millisecond
		}, scenario.ErrNotConnected},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(f.URL)
			c.change(&o)
			plan, err := scenario.NewPlan(c.scenario, o)
			if err == nil {
				_, err = (&scenario.Runner{}).Run(context.Background(), plan)
			}
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}
