package router

import "time"

// Bounds of flights.
const (
	// maxFlights is how many CONNECTs that were passed on may be remembered; past it the
	// oldest are forgotten, and count no more in the choice of a worker.
	maxFlights = 1 << 16
	// maxFlightBytes bounds what they hold; past it a CONNECT is counted but
	// cannot be passed on a second time.
	maxFlightBytes = 64 << 20
)

// flight is a CONNECT passed on to a worker whose socket is not in the table yet.
type flight struct {
	worker  string
	request *connectRequest // nil: too much was held
	at      time.Time
	over    bool
}

// flights remembers which worker got which CONNECT until the socket shows in the table, or
// some time has passed: a worker just given a thousand sockets is not the least loaded one,
// and if it turns out not to be there, they go to another. Owned by the router's loop.
type flights struct {
	term     time.Duration
	bySocket map[string]*flight
	counts   map[string]int // by worker
	queue    []*flight      // oldest first
	sockets  []string       // of queue
	bytes    int
}

func newFlights(term time.Duration) *flights {
	return &flights{term: term, bySocket: map[string]*flight{}, counts: map[string]int{}}
}

// count is how many flights a worker has.
func (f *flights) count(worker string) int { return f.counts[worker] }

// start notes that a request went to a worker.
func (f *flights) start(worker string, r *connectRequest, now time.Time) {
	f.end(r.socket)
	if len(f.bySocket) >= maxFlights || len(f.queue) >= 2*maxFlights {
		f.expireTo(len(f.queue)/2, now)
	}
	one := &flight{worker: worker, at: now}
	if size := len(r.msg.Data); f.bytes+size <= maxFlightBytes {
		one.request = r
		f.bytes += size
	}
	f.bySocket[r.socket] = one
	f.queue = append(f.queue, one)
	f.sockets = append(f.sockets, r.socket)
	f.counts[worker]++
}

// end ends a socket's flight: it is in the table.
func (f *flights) end(socket string) {
	one := f.bySocket[socket]
	if one == nil {
		return
	}
	delete(f.bySocket, socket)
	one.over = true
	if one.request != nil {
		f.bytes -= len(one.request.msg.Data)
		one.request = nil
	}
	if f.counts[one.worker]--; f.counts[one.worker] <= 0 {
		delete(f.counts, one.worker)
	}
}

// expire ends the flights that have lasted too long: those CONNECTs were refused, or
// their sockets have gone again.
func (f *flights) expire(now time.Time) { f.expireTo(0, now) }

// expireTo ends flights until the queue is at most keep long (0: no bound) and none is too old.
func (f *flights) expireTo(keep int, now time.Time) {
	n := 0
	for n < len(f.queue) {
		one := f.queue[n]
		if !one.over && now.Sub(one.at) < f.term && (keep == 0 || len(f.queue)-n <= keep) {
			break
		}
		if !one.over {
			f.end(f.sockets[n])
		}
		n++
	}
	f.queue = append(f.queue[:0], f.queue[n:]...)
	f.sockets = append(f.sockets[:0], f.sockets[n:]...)
	clear(f.queue[len(f.queue):cap(f.queue)])
	clear(f.sockets[len(f.sockets):cap(f.sockets)])
}

// abort ends all flights to a worker and returns their requests, oldest first.
func (f *flights) abort(worker string) (list []*connectRequest) {
	for i, one := range f.queue {
		if one.over || one.worker != worker {
			continue
		}
		if one.request != nil {
			list = append(list, one.request)
		}
		f.end(f.sockets[i])
	}
	return list
}
