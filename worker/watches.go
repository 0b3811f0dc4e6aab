package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// presenceVerb is the verb of the worker's own subject for what routers tell of watched rooms.
const presenceVerb = "presence"

// watchSilence is how many beats a router may be silent before another is asked.
const watchSilence = 3

// watches are the worker's, by the numbers of their last questions. The reader asks, renews, and takes what routers
// tell; the application begins and ends them. Its mutex comes before those of watchings.
type watches struct {
	mu   sync.Mutex
	last uint64
	list map[uint64]*attempt // by number, which is the last token of the reply subject
}

// attempt is a watch at one router: begun anew, with a new number, whenever that router fails, or something was missed. What
// still comes for an older number is ignored.
type attempt struct {
	*watching
	renew   string // the router's subject; empty until it has answered
	seq     uint64 // of the last message
	silent  int    // beats since the router was last heard
	missing map[string]struct{}
	seen    map[string]backplane.Seen // what all routers so far have told
}

func newWatches() *watches { return &watches{list: map[uint64]*attempt{}} }

// watch begins a watch and waits for its first members.
func (a *App) watch(ctx context.Context, nsp string, room *string) (*Watch, error) {
	ctx, cancel := within(ctx, a.options.RequestTimeout)
	defer cancel()
	conn := a.conn.Load()
	if conn == nil {
		return nil, ErrNotRunning
	}
	seen := map[string]backplane.Seen{}
	for _, v := range a.versions(ctx) { // who joined and then watches sees that
		seen[v.Node] = v
	}
	w := &Watch{app: a, state: newWatching(nsp, room)}
	a.watches.begin(&attempt{watching: w.state, seen: seen}, a.options.ID, conn)
	select {
	case <-w.state.known:
		w.state.mu.Lock()
		err := w.state.err
		w.state.mu.Unlock()
		if err != nil {
			return nil, fmt.Errorf("watch: %w", err)
		}
		return w, nil
	case <-ctx.Done():
		w.Close()
		return nil, fmt.Errorf("watch: no router has told who is there: %w", ctx.Err())
	}
}

// begin asks any router.
func (l *watches) begin(a *attempt, worker string, conn *backplane.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beginLocked(a, worker, conn)
}

func (l *watches) beginLocked(a *attempt, worker string, conn *backplane.Conn) {
	l.last++
	l.list[l.last] = a
	a.renew, a.seq, a.silent = "", 0, 0
	q := backplane.Query{Op: backplane.QueryWatch, Namespace: a.nsp, Room: a.room}
	for _, v := range a.seen {
		q.Seen = append(q.Seen, v)
	}
	data, err := json.Marshal(q)
	if err == nil {
		// If NATS is away the beats will ask again.
		_ = conn.PublishRequest(conn.Query(), conn.Worker(worker, presenceVerb, strconv.FormatUint(l.last, 36)), data)
	}
}

// close ends a watch.
func (l *watches) close(s *watching, conn *backplane.Conn) {
	s.end(nil)
	l.mu.Lock()
	defer l.mu.Unlock()
	for number, a := range l.list {
		if a.watching == s {
			delete(l.list, number)
			if a.renew != "" && conn != nil {
				_ = conn.Publish(a.renew, []byte("end")) // else the router's lease ends it
			}
		}
	}
}

// closeAll ends all watches: the worker stops.
func (l *watches) closeAll(conn *backplane.Conn) {
	l.mu.Lock()
	list := make([]*watching, 0, len(l.list))
	for _, a := range l.list {
		list = append(list, a.watching)
	}
	l.mu.Unlock()
	for _, s := range list {
		l.close(s, conn)
	}
}

// take takes what a router tells, on the reader's goroutine.
func (r *reader) presence(m *backplane.Msg, token string) {
	number, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		r.malformed(m, err)
		return
	}
	l := r.app.watches
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.list[number]
	if a == nil {
		return
	}
	var p backplane.Presence
	if backplane.NoResponders(m) {
		p = backplane.Presence{Error: "no router is there", Retry: true}
	} else if err := json.Unmarshal(m.Data, &p); err != nil {
		r.malformed(m, err)
		return
	}
	why := a.take(&p)
	switch {
	case why == "":
	case a.renew != "":
		l.againLocked(r, number, why)
	case p.Error != "" && !p.Retry && a.refused(why):
		delete(l.list, number)
	default: // no router could be found, or it could not help: the next beat asks again
		a.silent = watchSilence
	}
}

// refused ends a watch that has not begun and that routers do not want. One that has begun goes on asking.
func (a *attempt) refused(why string) bool {
	a.mu.Lock()
	first := a.first
	a.mu.Unlock()
	if !first {
		a.end(fmt.Errorf("%w: %s", ErrRefused, why))
	}
	return !first
}

// againLocked begins a watch anew.
func (l *watches) againLocked(r *reader, number uint64, why string) {
	a := l.list[number]
	delete(l.list, number)
	if a.renew != "" {
		_ = r.conn.Publish(a.renew, []byte("end"))
	}
	r.app.options.Log.Debug("a watch begins anew", zap.String("namespace", a.nsp), zap.Stringp("room", a.room), zap.String("why", why))
	l.beginLocked(a, r.app.options.ID, r.conn)
}

// take takes a message of the router's, and says what is wrong, if something is.
func (a *attempt) take(p *backplane.Presence) (wrong string) {
	a.silent = 0
	switch {
	case p.Error != "":
		return p.Error
	case p.Alive && p.Seq == a.seq:
		return ""
	case p.Alive || p.Seq != a.seq+1:
		return "a message was lost"
	}
	a.seq = p.Seq
	for _, v := range p.Seen {
		if last := a.seen[v.Node]; v.Epoch > last.Epoch || v.Epoch == last.Epoch && v.Version > last.Version {
			a.seen[v.Node] = v
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Seq == 1 {
		a.renew = p.Renew
		a.missing = make(map[string]struct{}, len(a.now))
		for id := range a.now {
			a.missing[id] = struct{}{}
		}
	}
	for _, one := range p.Joined {
		a.putLocked(one.ID, Member(one), true)
		delete(a.missing, one.ID)
	}
	for _, id := range p.Left {
		a.putLocked(id, Member{}, false)
	}
	if p.First && !p.More { // who was there and is not has left while nobody told
		for id := range a.missing {
			a.putLocked(id, Member{}, false)
		}
		a.missing = nil
		a.settledLocked()
	}
	a.signal()
	return ""
}

// renew keeps the watches alive, at each beat, and leaves routers that do not answer.
func (l *watches) renew(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lost []uint64
	for number, a := range l.list {
		a.silent++
		switch {
		case a.silent > watchSilence:
			lost = append(lost, number)
		case a.renew != "":
			_ = r.conn.PublishRequest(a.renew, r.conn.Worker(r.app.options.ID, presenceVerb, strconv.FormatUint(number, 36)), nil)
		}
	}
	for _, number := range lost {
		l.againLocked(r, number, "its router is silent")
	}
}

// forgetNode drops what is known of a gateway's versions: it is dead, and no router will reach them.
func (l *watches) forgetNode(node string, epoch uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.list {
		if v, ok := a.seen[node]; ok && v.Epoch <= epoch {
			delete(a.seen, node)
		}
	}
}
