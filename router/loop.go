package router

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// How often the loop looks at the clock, as parts of a beat, and how much it reads between.
const (
	ticksPerBeat  = 10
	ticksPerPulse = 5
	// turnMessages is how many messages a turn reads at most before its end, where probes leave.
	turnMessages = 256
	// learnLeases bounds, in leases, how long a node that does not give its snapshot can keep
	// the router from being ready.
	learnLeases = 4
	// aloneWait is how long another router has to show that it is there.
	aloneWait = 250 * time.Millisecond
)

// Sub-subjects of the loop's own inbox.
const (
	inboxSnapshot = ".s." // then the request's ID
	inboxProbe    = ".w." // then the worker
	inboxPulse    = ".p"
	inboxAlone    = ".a" // nobody else is in the queue
)

// loop is the edge between the state machines and the backplane. One goroutine owns it and
// them; only warm is read by others.
type loop struct {
	o         Options
	conn      *backplane.Conn
	inbox     *backplane.Inbox
	own       string // the subject of our own inbox
	queues    queues
	metrics   *metrics
	table     *table
	leases    *leases
	workers   *workers
	admission *admission
	queries   *queries
	watches   *watches
	clock     clock
	probes    map[string]string // worker → a socket just passed to it
	warm      atomic.Bool
}

// queues is the router's part in the queue groups.
type queues struct {
	subs  []backplane.Subscription
	asked bool // that of queries is joined
	alone bool // nobody else is there; see handOver
}

// clock counts ticks.
type clock struct {
	start time.Time
	hello time.Time
	ticks int
}

func newLoop(o Options, conn *backplane.Conn, now time.Time) *loop {
	l := &loop{
		o: o, conn: conn, inbox: backplane.NewInbox(conn, 0), own: conn.NewInbox(),
		metrics: newMetrics(o.Metrics),
		table:   newTable(2 * o.Beat),
		leases:  newLeases(o.Lease, o.Beat, now),
		clock:   clock{start: now, hello: now},
		probes:  map[string]string{},
	}
	f := newFlights(3 * o.Beat)
	l.workers = newWorkers(func(worker string) int { return l.table.index.workers.uses(worker) + f.count(worker) })
	l.admission = &admission{
		workers: l.workers, flights: f, hold: o.Hold, maxHeld: o.MaxHeld, maxBytes: o.MaxHeldBytes,
		learnt: now.Add(o.Lease),
	}
	l.queries = &queries{
		table: l.table, leases: l.leases, workers: l.workers, wait: o.QueryWait, max: o.MaxQueries,
		budget: int(conn.MaxPayload()) * 3 / 4, ranking: newRanking(l.table.index),
	}
	l.watches = newWatches(l.table, o.Lease, o.MaxWatches, l.queries.budget/2)
	l.watches.subject = conn.Watch(backplane.NewID('r'), "") // of this start: watches end with it
	return l
}

// open subscribes and says hello. When it returns the NATS server knows the subscriptions.
func (l *loop) open(ctx context.Context) error {
	for _, subject := range []string{l.own + ".>", l.watches.subject + "*", l.conn.FeedAll(), l.conn.Beat(), l.conn.Lost()} {
		if _, err := l.inbox.Subscribe(subject); err != nil {
			return err
		}
	}
	sub, err := l.inbox.QueueSubscribe(l.conn.ConnectAll(), backplane.RouterQueue)
	if err != nil {
		return err
	}
	l.queues.subs = append(l.queues.subs, sub)
	l.hello()
	// With other routers there, questions are left to them until this one has learnt. Alone, it
	// takes them at once and lets them wait: NATS tells it by the fate of a question of its own.
	wait, cancel := context.WithTimeout(ctx, aloneWait)
	defer cancel()
	if _, err := l.conn.Request(wait, &backplane.Msg{Subject: l.conn.Query(), Data: []byte(`{"op":"count"}`)}); errors.Is(err, backplane.ErrNoResponders) {
		l.joinQueries()
	}
	return l.conn.Flush(ctx)
}

// run is the goroutine, until stop is closed; close follows.
func (l *loop) run(stop <-chan struct{}, looks <-chan *look) {
	ticker := time.NewTicker(max(l.o.Beat/ticksPerBeat, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case m := <-l.inbox.C:
			now := time.Now()
			l.receive(m, now)
			for i := 1; i < turnMessages && len(l.inbox.C) > 0; i++ {
				l.receive(<-l.inbox.C, now)
			}
			l.endTurn()
		case <-ticker.C:
			l.tick(time.Now())
			l.endTurn()
		case k := <-looks:
			k.take(l, time.Now())
		case <-stop:
			return
		}
	}
}

// endTurn sends what is sent once for all that a turn has brought.
func (l *loop) endTurn() {
	l.probe()
	l.tell(l.watches.flush())
}

// receive sorts a message by its subject.
func (l *loop) receive(m *backplane.Msg, now time.Time) {
	switch subject := m.Subject; {
	case strings.HasPrefix(subject, l.own):
		l.receiveOwn(m, strings.TrimPrefix(subject, l.own), now)
	case subject == l.conn.Lost():
		l.receiveLost(m, now)
	case subject == l.conn.Beat():
		l.receiveBeat(m, now)
	case strings.HasPrefix(subject, l.watches.subject):
		l.receiveWatch(m, strings.TrimPrefix(subject, l.watches.subject), now)
	case subject == l.conn.Query():
		l.receiveQuery(m, now)
	case strings.HasPrefix(subject, strings.TrimSuffix(l.conn.ConnectAll(), "*")):
		l.receiveConnect(m, now)
	default:
		l.receiveFeed(m, now)
	}
}

// receiveOwn takes what came on our own inbox.
func (l *loop) receiveOwn(m *backplane.Msg, what string, now time.Time) {
	switch {
	case what == inboxPulse:
		l.receivePulse(m, now)
	case what == inboxAlone:
		l.queues.alone = backplane.NoResponders(m)
	case strings.HasPrefix(what, inboxSnapshot):
		if id, err := strconv.ParseUint(strings.TrimPrefix(what, inboxSnapshot), 10, 64); err == nil && !backplane.NoResponders(m) {
			l.receiveSnapshot(m, id, now)
		}
	case strings.HasPrefix(what, inboxProbe):
		if backplane.NoResponders(m) {
			worker := strings.TrimPrefix(what, inboxProbe)
			l.o.Log.Warn("worker is not there", zap.String("worker", worker))
			l.carry(l.admission.missed(worker, now))
		}
	}
}

// tick does what time asks for.
func (l *loop) tick(now time.Time) {
	l.clock.ticks++
	if l.clock.ticks%ticksPerPulse == 0 && l.conn.Connected() {
		sent := binary.AppendVarint(nil, int64(now.Sub(l.clock.start)))
		l.publish(&backplane.Msg{Subject: l.own + inboxPulse, Data: sent})
	}
	l.perform(l.table.tick(now))
	l.admission.flights.expire(now)
	l.watches.expire(now)
	l.carry(l.admission.tick(now))
	l.learn(now)
	l.queries.ranking.step(now)
	l.replies(l.queries.poll(now))
	l.measure()
}

// learn notes that the index has had the chance to learn.
func (l *loop) learn(now time.Time) {
	since := now.Sub(l.clock.hello)
	if l.queries.warm || since < l.o.Beat+l.o.Beat/2 {
		return
	}
	if !l.table.synced() {
		if since < learnLeases*l.o.Lease {
			return
		}
		l.o.Log.Warn("ready without the snapshots of all nodes")
	}
	l.queries.warm = true
	l.warm.Store(true)
	l.joinQueries()
	l.o.Log.Info("router ready", zap.String("router", l.o.ID),
		zap.Int("nodes", len(l.table.nodes)), zap.Int("workers", len(l.workers.list)), zap.Int("sockets", l.table.index.sockets.len()))
}

func (l *loop) joinQueries() {
	if l.queues.asked {
		return
	}
	sub, err := l.inbox.QueueSubscribe(l.conn.Query(), backplane.RouterQueue)
	if err != nil {
		l.o.Log.Error("join the query queue", zap.Error(err))
		return
	}
	l.queues.asked = true
	l.queues.subs = append(l.queues.subs, sub)
}

// probe follows up on the CONNECTs passed on in this turn. NATS tells that nobody
// listens only to the publisher of a request, with a reply subject of its own, and the
// CONNECTs bear the gateways': so each worker gets one request that needs no answer.
func (l *loop) probe() {
	for worker, socket := range l.probes {
		l.publish(&backplane.Msg{Subject: l.conn.Worker(worker, "probe", socket), Reply: l.own + inboxProbe + worker})
		delete(l.probes, worker)
	}
}

func (l *loop) hello() { l.publish(&backplane.Msg{Subject: l.conn.Hello(), Data: []byte(l.o.ID)}) }

// publish sends a message. Its failure is NATS's absence, which the connection logs
// and counts; what was asked of us will be asked again.
func (l *loop) publish(m *backplane.Msg) {
	if err := l.conn.PublishMsg(m); err != nil {
		l.o.Log.Debug("publish", zap.String("subject", m.Subject), zap.Error(err))
	}
}

// publishJSON sends a value of ours, which can always be encoded.
func (l *loop) publishJSON(subject string, v any) bool {
	data, err := json.Marshal(v)
	if err != nil || int64(len(data)) > l.conn.MaxPayload() {
		l.o.Log.Warn("cannot encode", zap.String("subject", subject), zap.Int("bytes", len(data)), zap.Error(err))
		return false
	}
	l.publish(&backplane.Msg{Subject: subject, Data: data})
	return true
}

func (l *loop) measure() {
	l.metrics.index.sockets.Set(float64(l.table.index.sockets.len()))
	l.metrics.index.rooms.Set(float64(l.table.index.rooms.len()))
	l.metrics.index.bytes.Set(float64(l.table.index.bytes()))
	l.metrics.nodes.Set(float64(len(l.table.nodes)))
	l.metrics.workers.Set(float64(len(l.workers.list)))
	l.metrics.held.Set(float64(len(l.admission.held)))
	l.metrics.watching.watches.Set(float64(len(l.watches.byID)))
	l.metrics.strays.Add(float64(l.table.strays))
	l.table.strays = 0
}
