package router

import (
	"fmt"
	"testing"
	"time"

	"patchbay/backplane"
)

// newAdmission is an admission at second 0 with a lease of five seconds, without sockets in a table.
func newAdmission() *admission {
	f := newFlights(3 * time.Second)
	return &admission{
		workers: newWorkers(f.count), flights: f, hold: 5 * time.Second, maxHeld: 3, maxBytes: 100, learnt: at(5),
	}
}

func request(i int, nsp string, when time.Time) *connectRequest {
	return &connectRequest{nsp: nsp, socket: sid(i, "na"), msg: &backplane.Msg{Data: make([]byte, 10)}, at: when}
}

func (v verdict) String() string {
	switch {
	case v.Worker != "":
		return v.Worker
	case v.Refuse != "":
		return string(v.Refuse)
	}
	return "held"
}

func verdicts(list []verdict) (text string) {
	for _, v := range list {
		text += fmt.Sprintf("%c:%s ", v.Request.socket[15], v)
	}
	return text
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestAdmission(t *testing.T) {
	a := newAdmission()
	expect(t, "no worker", a.admit(request(1, "/", at(0)), at(0)).String(), "held")
	expect(t, "unknown namespace, new router", a.admit(request(2, "/none", at(1)), at(1)).String(), "held")
	a.workers.beat(workerBeat("wa", 1, "/"))
	expect(t, "a worker came", verdicts(a.retry(at(2))), "1:wa ")
	expect(t, "direct", a.admit(request(3, "/", at(2)), at(2)).String(), "wa")
	expect(t, "not yet learnt", verdicts(a.tick(at(4.9))), "")
	expect(t, "learnt", verdicts(a.tick(at(5))), "2:E_NAMESPACE ")
	expect(t, "unknown namespace, old router", a.admit(request(4, "/none", at(6)), at(6)).String(), "E_NAMESPACE")
	a.workers.drop("wa", 1)
	expect(t, "no worker any more", a.admit(request(5, "/", at(7)), at(7)).String(), "held")
	expect(t, "in time", verdicts(a.tick(at(11.9))), "")
	expect(t, "too late", verdicts(a.tick(at(12))), "5:E_NO_WORKER ")
	if a.bytes != 0 || len(a.held) != 0 {
		t.Errorf("%d bytes, %d held", a.bytes, len(a.held))
	}
}

func TestAdmissionBounds(t *testing.T) {
	a := newAdmission()
	for i := range 3 {
		expect(t, "held", a.admit(request(i, "/", at(0)), at(0)).String(), "held")
	}
	expect(t, "too many", a.admit(request(4, "/", at(0)), at(0)).String(), "E_BUSY")
	expect(t, "the end", verdicts(a.stop()), "0:E_STOPPING 1:E_STOPPING 2:E_STOPPING ")
	big := request(5, "/", at(0))
	big.msg.Data = make([]byte, 101)
	expect(t, "too large", a.admit(big, at(0)).String(), "E_BUSY")
}

// A router that stops collects, without deciding and without a bound, what came and what came back.
func TestAdmissionClosing(t *testing.T) {
	a := newAdmission()
	a.workers.beat(workerBeat("wa", 1, "/"))
	expect(t, "before", a.admit(request(0, "/", at(0)), at(0)).String(), "wa")
	a.closing = true
	for i := range 5 {
		expect(t, "closing", a.admit(request(i+1, "/", at(0)), at(9)).String(), "held")
	}
	expect(t, "not there", verdicts(a.missed("wa", at(9))), "")
	expect(t, "a worker came", verdicts(a.retry(at(9))), "")
	text := ""
	list := a.take()
	for _, r := range list {
		text += string(r.socket[15])
	}
	expect(t, "collected", text, "123450")
	if a.bytes != 0 || len(a.held) != 0 {
		t.Errorf("%d bytes, %d held", a.bytes, len(a.held))
	}
}

func TestAdmissionSpreads(t *testing.T) {
	a := newAdmission()
	a.workers.beat(workerBeat("wa", 1, "/"))
	a.workers.beat(workerBeat("wb", 1, "/"))
	counts := map[string]int{}
	for i := range 100 {
		counts[a.admit(request(i, "/", at(0)), at(0)).Worker]++
	}
	if counts["wa"] != 50 || counts["wb"] != 50 {
		t.Errorf("spread %v before any shows in the table", counts)
	}
	for i := range 100 {
		a.flights.end(sid(i, "na"))
	}
	if a.flights.bytes != 0 || len(a.flights.counts) != 0 {
		t.Errorf("left: %d bytes, %v", a.flights.bytes, a.flights.counts)
	}
}

func TestAdmissionWorkerMissing(t *testing.T) {
	a := newAdmission()
	a.workers.beat(workerBeat("wa", 1, "/"))
	expect(t, "first", a.admit(request(1, "/", at(0)), at(0)).String(), "wa")
	expect(t, "second", a.admit(request(2, "/", at(0)), at(0)).String(), "wa")
	a.flights.end(sid(2, "na"))
	a.workers.beat(workerBeat("wb", 1, "/"))
	expect(t, "not there", verdicts(a.missed("wa", at(1))), "1:wb ")
	expect(t, "nor the other", verdicts(a.missed("wb", at(1))), "")
	expect(t, "serves, but is away", a.admit(request(3, "/", at(6)), at(6)).String(), "held")
	if out := a.workers.beat(workerBeat("wb", 1, "/")); !out.Changed {
		t.Error("an absent worker's beat must look like a new worker's")
	}
	expect(t, "back too late for the first", verdicts(a.retry(at(6))), "1:E_NO_WORKER 3:wb ")
}

func TestAdmissionTries(t *testing.T) {
	a := newAdmission()
	r := request(1, "/", at(0))
	for i := range maxTries {
		a.workers.beat(workerBeat("wa", 1, "/"))
		if i == 0 {
			expect(t, "first", a.admit(r, at(0)).String(), "wa")
		}
		list := a.missed("wa", at(0))
		if i == maxTries-1 {
			expect(t, "enough", verdicts(list), "1:E_NO_WORKER ")
			return
		}
		a.workers.beat(workerBeat("wa", 1, "/"))
		expect(t, "again", verdicts(a.retry(at(0))), "1:wa ")
	}
}

func TestFlightsExpire(t *testing.T) {
	f := newFlights(3 * time.Second)
	f.start("wa", request(1, "/", at(0)), at(0))
	f.start("wa", request(2, "/", at(1)), at(1))
	f.expire(at(3))
	if f.count("wa") != 1 {
		t.Errorf("%d flights", f.count("wa"))
	}
	for i := range maxFlights + 10 {
		f.start("wb", request(i+10, "/", at(1)), at(1))
	}
	if len(f.bySocket) > maxFlights || len(f.queue) > 2*maxFlights || f.bytes > maxFlightBytes {
		t.Errorf("%d flights, %d queued, %d bytes", len(f.bySocket), len(f.queue), f.bytes)
	}
	f.expire(at(10))
	if len(f.bySocket)+len(f.queue)+len(f.counts)+f.bytes != 0 {
		t.Error("something is left")
	}
}

func TestRefusals(t *testing.T) {
	for code, want := range map[refusalCode]string{
		refuseNamespace: `Invalid namespace `,
		refuseNoWorker:  `no worker available {"code":"E_NO_WORKER","retry":true}`,
		refuseBusy:      `server busy {"code":"E_BUSY","retry":true}`,
		refuseStopping:  `server stopping {"code":"E_STOPPING","retry":true}`,
	} {
		e := refusalOf(code)
		expect(t, string(code), e.Message+" "+string(e.Data), want)
	}
}
