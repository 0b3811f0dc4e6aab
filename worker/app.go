package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// App is one worker: namespaces and their handlers, served to whatever gateways pass on. Its methods may be
// called from any goroutine.
type App struct {
	options  Options
	epoch    uint64
	conn     atomic.Pointer[backplane.Conn] // nil unless running
	sockets  *sockets
	replies  *replies
	seen     *seen
	watches  *watches
	crew     *crew // handlers
	extra    *crew // what Socket.Go has started
	encoders encoders
	metrics  *metrics

	ctx    context.Context // of handlers
	cancel context.CancelCauseFunc
	run    running
	serves serves
}

// custody is the care for clients' events.
type custody struct {
	fence     *fence
	confirmer *confirmer
}

// serves is what an application has registered.
type serves struct {
	mu         sync.RWMutex
	namespaces map[string]*Namespace
	patterns   []*Parent
	peers      map[string]map[string]PeerHandler // by namespace and event
}

// running is how far the worker has come.
type running struct {
	guest   bool                    // an emitter: it has no sockets, and nothing to tell routers
	first   []func(context.Context) // to run from the start on
	ctx     context.Context         // of these
	cancel  context.CancelFunc
	mu      sync.Mutex
	started bool
	leaving atomic.Bool // told the routers so
	custody
	census *census
	quit   chan struct{} // closed to end the reader
	ended  chan struct{} // closed when it has
	once   sync.Once
	err    error // of the first Stop
}

// New makes a worker. It does nothing until Start or Run; handlers may be registered before and after.
func New(o Options) (*App, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	a := &App{
		options:  o,
		epoch:    uint64(time.Now().UnixNano()),
		sockets:  newSockets(),
		replies:  newReplies(),
		seen:     newSeen(),
		watches:  newWatches(),
		crew:     newCrew(),
		encoders: encoders{limit: max(0, o.MaxAttachments)},
		extra:    newCrew(),
		serves:   serves{namespaces: map[string]*Namespace{}, peers: map[string]map[string]PeerHandler{}},
		run:      running{quit: make(chan struct{}), ended: make(chan struct{})},
	}
	a.run.custody = custody{newFence(o.BeatInterval), newConfirmer(a)}
	a.run.census = newCensus(a)
	a.metrics = newMetrics(o.Metrics,
		func() float64 { return float64(a.sockets.len()) },
		func() float64 { return float64(a.replies.len()) })
	a.ctx, a.cancel = context.WithCancelCause(context.Background())
	a.run.ctx, a.run.cancel = context.WithCancel(a.ctx)
	return a, nil
}

// ID is the worker's id.
func (a *App) ID() string { return a.options.ID }

// Namespace returns a namespace, "/" or "/name", and serves it from now on.
func (a *App) Namespace(name string) *Namespace {
	a.serves.mu.Lock()
	n := a.serves.namespaces[name]
	added := n == nil
	if added {
		n = &Namespace{Handlers: &Handlers{}, app: a, name: name}
		a.serves.namespaces[name] = n
	}
	a.serves.mu.Unlock()
	if added {
		a.beat()
	}
	return n
}

// namespace finds who serves a namespace; nil if nobody does. Of patterns with functions it is not known yet which: Namespace.choose
// tells.
func (a *App) namespace(name string) *Namespace {
	a.serves.mu.RLock()
	defer a.serves.mu.RUnlock()
	if n := a.serves.namespaces[name]; n != nil {
		return n
	}
	var parents []*Parent
	for _, p := range a.serves.patterns {
		switch {
		case !p.match.MatchString(name):
		case p.allow == nil && parents == nil:
			return &Namespace{Handlers: p.Handlers, app: a, name: name}
		default:
			parents = append(parents, p)
		}
	}
	if parents == nil {
		return nil
	}
	return &Namespace{Handlers: &Handlers{}, app: a, name: name, parents: parents}
}

// Run serves until ctx ends, then stops as Stop does, with Options.StopTimeout for handlers to finish.
func (a *App) Run(ctx context.Context) error {
	if err := a.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.options.StopTimeout)
	defer cancel()
	return a.Stop(ctx)
}

// Start connects to NATS, waiting for it until ctx ends, and serves. Every Start needs a Stop; a worker starts once.
func (a *App) Start(ctx context.Context) error {
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	if a.run.started {
		return errors.New("worker: started already")
	}
	conn, err := backplane.Open(ctx, a.options.Backplane)
	if err != nil {
		return err
	}
	r := newReader(a, conn)
	subjects := []string{conn.WorkerAll(a.options.ID), r.lost, r.hello, conn.PeersAll(), r.gap}
	if a.run.guest {
		subjects = subjects[:2]
	}
	for _, subject := range subjects {
		if _, err := r.inbox.Subscribe(subject); err != nil {
			conn.Close()
			return err
		}
	}
	if err := conn.Flush(ctx); err != nil {
		conn.Close()
		return err
	}
	a.run.started = true
	a.conn.Store(conn)
	a.run.fence.proof(time.Since(a.run.fence.start))
	//patchbay:goroutine the confirmer: Stop closes its quit and waits for its ended
	go a.run.confirmer.run(conn)
	//patchbay:goroutine the reader: Stop closes run.quit and waits for run.ended
	go func() {
		defer close(a.run.ended)
		r.run(a.run.quit)
	}()
	a.beat()
	if err := conn.Flush(ctx); err != nil {
		a.options.Log.Warn("first sign of life is still on its way", zap.Error(err))
	}
	for _, f := range a.run.first {
		a.background(f)
	}
	a.run.first = nil
	a.options.Log.Info(a.kind()+" is up", zap.String("worker", a.options.ID), zap.Strings("namespaces", a.namespaces()))
	return nil
}

// Ready says why the worker should not get sockets now; nil if it can serve them.
func (a *App) Ready() error {
	conn := a.conn.Load()
	switch {
	case conn == nil:
		return ErrNotRunning
	case a.run.leaving.Load():
		return errors.New("worker: stopping")
	case !conn.Connected():
		return errors.New("worker: no connection to NATS")
	}
	return nil
}

// Stop ends the worker: it tells the routers that it leaves, serves on for Options.Handover while its
// sockets get new homes, and waits for the handlers at work and the events that wait. If ctx ends
// before that, handlers' contexts are cancelled, and Stop returns ErrDrain. A later call returns what the first
// did.
func (a *App) Stop(ctx context.Context) error {
	a.run.once.Do(func() { a.run.err = a.stop(ctx) })
	return a.run.err
}

func (a *App) stop(ctx context.Context) (err error) {
	a.run.mu.Lock()
	defer a.run.mu.Unlock()
	defer a.cancel(ErrNotRunning)
	if !a.run.started {
		a.run.cancel()
		a.run.started = true // and can no longer start
		return nil
	}
	a.run.leaving.Store(true)
	a.beat()
	a.handOver(ctx)
	err = a.wait(ctx, a.crew)
	for _, s := range a.sockets.takeAll() {
		s.gone(ErrNotRunning)
	}
	a.run.cancel()
	err = errors.Join(err, a.wait(ctx, a.extra))
	a.watches.closeAll(a.conn.Load())
	close(a.run.confirmer.quit)
	<-a.run.confirmer.ended
	close(a.run.quit)
	<-a.run.ended
	a.conn.Swap(nil).Close()
	a.options.Log.Info(a.kind()+" is down", zap.String("worker", a.options.ID), zap.Error(err))
	return err
}

// wait waits for goroutines; when ctx ends it cancels their context and waits no more.
func (a *App) wait(ctx context.Context, c *crew) error {
	select {
	case <-c.close():
		return nil
	case <-ctx.Done():
		a.cancel(ErrNotRunning)
		return fmt.Errorf("%w: %w", ErrDrain, ctx.Err())
	}
}

// handOver gives the sockets time to move. Without sockets nothing is waited for.
func (a *App) handOver(ctx context.Context) {
	if a.sockets.len() == 0 || a.options.Handover < 0 {
		return
	}
	timer := time.NewTimer(a.options.Handover)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.sockets.none():
	case <-ctx.Done():
	}
}

// kind names what this is in logs.
func (a *App) kind() string {
	if a.run.guest {
		return "emitter"
	}
	return "worker"
}

// namespaces is what is served, as routers are told.
func (a *App) namespaces() []string {
	a.serves.mu.RLock()
	defer a.serves.mu.RUnlock()
	list := make([]string, 0, len(a.serves.namespaces)+len(a.serves.patterns))
	for name := range a.serves.namespaces {
		list = append(list, name)
	}
	slices.Sort(list)
	for i := range a.serves.patterns {
		list = append(list, a.serves.patterns[i].everyone.match)
	}
	return list
}

// beat tells the routers that the worker lives, and what it serves. Once it leaves they hear only that.
func (a *App) beat() {
	conn := a.conn.Load()
	if conn == nil || a.run.guest {
		return
	}
	data, err := json.Marshal(backplane.WorkerBeat{
		Worker: a.options.ID, Epoch: a.epoch, Namespaces: a.namespaces(), Leaving: a.run.leaving.Load(),
	})
	if err == nil {
		err = conn.Publish(conn.Beat(), data)
	}
	if err != nil {
		a.options.Log.Warn("no sign of life could be given", zap.Error(err))
	}
}
