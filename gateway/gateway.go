package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
	"unique"

	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/protocol/socketio"
)

// messageHeadroom is what an envelope may add to a client's payload on the backplane, in bytes: subject, reply
// subject and headers.
const messageHeadroom = 16 << 10

// maxServedAttachments is the most attachments of an application's packet: more than a message of the backplane holds.
const maxServedAttachments = 1 << 30

// ErrStopping is why a gateway that stops is not ready.
var ErrStopping = errors.New("gateway: stopping")

// ErrDraining is why a gateway that lets its clients go is not ready.
var ErrDraining = errors.New("gateway: draining")

// ErrNoBackplane is why a gateway without NATS is not ready.
var ErrNoBackplane = errors.New("gateway: no connection to NATS")

// Gateway is one running node. Its methods may be called from any goroutine.
type Gateway struct {
	options    Options
	served     socketio.Limits // of applications' packets
	settings   atomic.Pointer[live]
	started    time.Time
	epoch      atomic.Uint64 // Unix milliseconds of the start, or of the last time that it was taken for dead
	secret     []byte
	recovery   time.Duration // how long a detached socket is kept; 0 for not at all
	maxMessage int           // bytes of a client's packet with its attachments
	own        string        // prefix of the node's own subjects
	fixed      fixedPackets
	log        *zap.Logger
	metrics    *metrics

	backend
	front
}

// backend is the side towards the backplane.
type backend struct {
	conn     *backplane.Conn
	fence    *backplane.Fence
	interest *backplane.Interest
	feed     *feed
	intake   *intake
	birth    backplane.Birth        // of the sockets born here
	shelter  backplane.Subscription // to what nodes that drain ask
	peers    chan bool              // whether there are any; capacity 1
}

// entrance decides who comes in.
type entrance struct {
	guard *guard
	quota *quota
}

// front is the side towards the clients, and what ends it.
type front struct {
	listener *listener
	loops    []*loop
	entrance
	relays  relays
	routes  routes
	web     *web
	kinds   atomic.Uint32 // of clients that were here
	turn    atomic.Uint32 // of nextLoop
	ending  chan struct{} // closed to end intake
	endFeed chan struct{} // closed to end the feed, after the loops
	running sync.WaitGroup
	phase   atomic.Int32
	stop    sync.Once
	remains atomic.Pointer[remains] // of a drain; nil before
	tools
}

// tools are what loops and requests share. Each is safe for concurrent use.
type tools struct {
	bundles  bundles
	deflater *deflater
	sealers  sync.Pool
	gathering
	tracer *tracer // nil if nothing is traced
}

// Open starts a gateway: it connects to NATS, listens, and serves until Stop. ctx bounds the start
// only. Errors: ErrOptions, and those of NATS and the listener.
func Open(ctx context.Context, options Options) (*Gateway, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	gw := &Gateway{options: options, started: time.Now(), fixed: newFixedPackets(), log: options.Log}
	gw.epoch.Store(uint64(gw.started.UnixMilli()))
	gw.recovery = max(0, time.Duration(options.Engine.Recovery))
	gw.served.Attachments, gw.served.AckIDDigits = maxServedAttachments, socketio.MaxAckIDDigits
	gw.served.Depth = socketio.MaxDepth // what an application makes of a client's arguments may be deeper than they are
	gw.secret = []byte(options.Secret)
	if options.Secret == "" {
		gw.log.Warn("no secret given: session ids hold on this gateway alone")
		gw.secret = make([]byte, 32)
		if _, err := rand.Read(gw.secret); err != nil {
			return nil, fmt.Errorf("make a secret: %w", err)
		}
	}
	gw.tracer = newTracer(&gw.options)
	gw.sealers.New = func() any { return newSealer(gw.secret) }
	guard, err := newGuard(gw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOptions, err)
	}
	settings, err := newLive(&options)
	if err != nil {
		return nil, err
	}
	gw.settings.Store(settings)
	if err := gw.connect(ctx); err != nil {
		return nil, err
	}
	gw.guard, gw.quota = guard, newQuota(&options.Rate)
	if err := gw.listen(ctx); err != nil {
		gw.disconnect()
		return nil, err
	}
	gw.start()
	gw.log.Info("gateway listens", zap.String("node", options.ID), zap.Uint64("epoch", gw.epoch.Load()), zap.Stringer("address", gw.Addr()))
	return gw, nil
}

// connect opens the backplane side.
func (gw *Gateway) connect(ctx context.Context) error {
	o := gw.options.Backplane
	o.Role, o.Name, o.Log, o.Metrics = backplane.RoleGateway, "gateway "+gw.options.ID, gw.log, gw.options.Metrics
	conn, err := backplane.Open(ctx, o)
	if err != nil {
		return err
	}
	gw.maxMessage = int(conn.MaxPayload()) - messageHeadroom
	if gw.options.Engine.MaxPayload > gw.maxMessage {
		conn.Close()
		return fmt.Errorf("%w: max-payload %d does not fit into NATS's max_payload %d less %d for the envelope; lower the one or raise the other",
			ErrOptions, gw.options.Engine.MaxPayload, conn.MaxPayload(), messageHeadroom)
	}
	fence, err := backplane.NewFence(ctx, conn, gw.options.ID)
	if err != nil {
		conn.Close()
		return err
	}
	inbox := backplane.NewInbox(conn, 0)
	gw.backend = backend{
		birth: backplane.NewBirth(), peers: make(chan bool, 1), conn: conn, fence: fence, interest: backplane.NewInterest(inbox, 0, fence), feed: newFeed(gw),
		intake: &intake{gw: gw, inbox: inbox, seal: newSealer(gw.secret), cuts: make(chan *cut, maxCuts), done: make(chan struct{})},
	}
	gw.own = conn.Node(gw.options.ID, "", "")
	for _, subject := range []string{conn.NodeAll(gw.options.ID), conn.SocketsBorn(gw.options.ID, gw.birth), conn.Hello(), conn.Lost(), conn.Matching(), conn.Revocations()} {
		if _, err := inbox.Subscribe(subject); err != nil {
			gw.disconnect()
			return err
		}
	}
	if gw.shelter, err = inbox.QueueSubscribe(conn.Shelter(), backplane.GatewayQueue); err != nil {
		gw.disconnect()
		return err
	}
	known := make(chan struct{})
	fence.Await(func() { close(known) })
	select {
	case <-known:
		return nil
	case <-ctx.Done():
		gw.disconnect()
		return fmt.Errorf("wait for NATS: %w", ctx.Err())
	}
}

// disconnect ends the backplane side.
func (gw *Gateway) disconnect() {
	gw.fence.Close()
	gw.conn.Close()
}

// listen opens the client side.
func (gw *Gateway) listen(ctx context.Context) error {
	ln, err := listen(ctx, &gw.options)
	if err != nil {
		return err
	}
	gw.listener = ln
	if gw.metrics, err = newMetrics(gw); err != nil {
		return errors.Join(fmt.Errorf("register metrics: %w", err), ln.close())
	}
	gw.gathering.configure(&gw.options.LoopOptions)
	ln.full, ln.many, ln.trusts = gw.metrics.refusedConns.Inc, gw.metrics.refusedOfAddress.Inc, func(a netip.Addr) bool { return gw.live().door.trusts(a) }
	if ln.tls, err = newTerminator(gw); err != nil {
		return errors.Join(fmt.Errorf("%w: %w", ErrOptions, err), ln.close())
	}
	for i := range gw.options.Loops {
		l, err := newLoop(gw, i)
		if err != nil {
			return errors.Join(err, ln.close(), gw.closePollers())
		}
		gw.loops = append(gw.loops, l)
	}
	ln.loops = gw.loops
	if dir := gw.options.HTTP.PageDir; dir != "" && gw.options.HTTP.Page == nil {
		gw.options.HTTP.Page = http.FileServer(http.Dir(dir))
	}
	gw.bundles = bundles{dir: gw.options.HTTP.ClientDir, log: gw.log}
	gw.deflater = newDeflater(gw.options.HTTP.Deflate)
	gw.web = newWeb(gw)
	gw.loops[0].listenFD = ln.fd
	if err := gw.loops[0].poll.add(ln.fd, pollRead); err != nil {
		return errors.Join(err, ln.close(), gw.closePollers())
	}
	return nil
}

func (gw *Gateway) closePollers() error {
	for _, l := range gw.loops {
		l.poll.close()
	}
	return nil
}

// start starts the goroutines: one for each loop, intake, the feed, and net/http's.
func (gw *Gateway) start() {
	gw.ending, gw.endFeed = make(chan struct{}), make(chan struct{})
	for _, l := range gw.loops {
		gw.running.Go(l.run)
	}
	gw.guard.start(gw)
	gw.running.Go(gw.web.run)
	gw.running.Go(func() { gw.intake.run(gw.ending) })
	gw.running.Go(func() { gw.feed.run(gw.endFeed) })
	gw.feed.beat()
	gw.askRevoked()
}

// Addr is the address that the gateway listens on.
func (gw *Gateway) Addr() net.Addr { return gw.listener.net.Addr() }

// ID is the node's id.
func (gw *Gateway) ID() string { return gw.options.ID }

// Ready reports whether new clients are welcome; the error says why not.
func (gw *Gateway) Ready() error {
	switch {
	case gw.phase.Load() == phaseStopping:
		return ErrStopping
	case gw.phase.Load() != phaseOpen:
		return ErrDraining
	case !gw.conn.Connected():
		return ErrNoBackplane
	}
	return nil
}

// Stop stops accepting, closes all sessions, tells workers and routers, and waits for every
// goroutine. What still runs when ctx ends is cut off. A second call waits for the first.
func (gw *Gateway) Stop(ctx context.Context) error {
	gw.stop.Do(func() { gw.end(ctx) })
	return ctx.Err()
}

func (gw *Gateway) end(ctx context.Context) {
	gw.phase.Store(phaseStopping)
	gw.guard.stop()
	gw.stopAccepting()
	for _, l := range gw.loops {
		l.post(stopLoop{reason: reasonServerShutdown})
	}
	gw.waitLoops()
	close(gw.endFeed)
	<-gw.feed.done // the routers know: what follows may take its time
	gw.web.shutdown(ctx)
	gw.listener.tls.stop()
	close(gw.ending)
	gw.running.Wait()
	gw.disconnect()
	gw.log.Info("gateway stopped", zap.String("node", gw.options.ID))
}

// waitLoops waits until every loop has ended.
func (gw *Gateway) waitLoops() {
	for _, l := range gw.loops {
		<-l.done
	}
}

// now is the time of day, for what is not a deadline.
func (gw *Gateway) now() time.Time { return time.Now() }

// owns reports whether a session id is of this node and this start.
func (gw *Gateway) owns(id sid) bool {
	return id.node == gw.options.ID && id.epoch == gw.epoch.Load() && id.loop < len(gw.loops)
}

// nextLoop deals new sessions out.
func (gw *Gateway) nextLoop() *loop {
	return gw.loops[int(gw.turn.Add(1))%len(gw.loops)]
}

// allLoops is the set of all loops.
func (gw *Gateway) allLoops() uint64 { return 1<<len(gw.loops) - 1 }

func (gw *Gateway) borrowSealer() *sealer {
	if s, ok := gw.sealers.Get().(*sealer); ok {
		return s
	}
	return newSealer(gw.secret)
}

func (gw *Gateway) returnSealer(s *sealer) { gw.sealers.Put(s) }

// workerName shares one copy of a worker's id between its sockets.
func (gw *Gateway) workerName(id string) string { return unique.Make(id).Value() }

// publish sends a payload, from a loop.
func (gw *Gateway) publish(subject, reply string, p backplane.Payload) {
	if len(p.Attachments) == 0 {
		gw.countPublish(gw.conn.PublishRequest(subject, reply, p.JSON))
		return
	}
	gw.countPublish(gw.conn.PublishMsg(backplane.EncodePayload(subject, reply, p)))
}

// toWorker tells a worker something about a socket.
func (gw *Gateway) toWorker(worker, verb, socket string, data []byte) {
	gw.countPublish(gw.conn.Publish(gw.conn.Worker(worker, verb, socket), data))
}

// countPublish counts a message that the backplane did not take. Its connection logs the cause.
func (gw *Gateway) countPublish(err error) {
	if err != nil {
		gw.metrics.failures.Inc()
	}
}

// sweepInterest drops subscriptions that have lingered.
func (gw *Gateway) sweepInterest() {
	if err := gw.interest.Sweep(time.Now()); err != nil {
		gw.log.Warn("cannot unsubscribe", zap.Error(err))
	}
}
