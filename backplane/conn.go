package backplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Defaults of Options.
const (
	DefaultURL = nats.DefaultURL
	// DefaultPendingBytes is what may wait for a lost NATS server to come back. Past it
	// publishes fail with ErrPending, visibly, instead of filling memory.
	DefaultPendingBytes = 32 << 20
)

// How fast a lost or silent NATS server is noticed and tried again.
const (
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	pingInterval    = 2 * time.Second
	maxPingsOut     = 2
)

// ErrNoResponders reports a request that nobody is subscribed to: what it was addressed to is
// gone. It is known at once, without a timeout.
var ErrNoResponders = nats.ErrNoResponders

// ErrPending reports a publish refused because NATS is away and the buffer for
// its return is full.
var ErrPending = nats.ErrReconnectBufExceeded

// ErrClosed reports a use of a connection after Close.
var ErrClosed = nats.ErrConnectionClosed

// Options says how to reach NATS. The zero value works against a local server.
type Options struct {
	URL          string `name:"nats" env:"PATCHBAY_NATS,NATS_URL" default:"nats://127.0.0.1:4222" help:"NATS servers, comma-separated."`
	Prefix       string `name:"nats-prefix" default:"pb" help:"First token of every subject; clusters that share an account need their own."`
	PendingBytes int    `name:"nats-pending-bytes" default:"33554432" help:"Bytes that may wait while NATS is away; past them publishes fail."`
	Login        Login  `embed:"" prefix:"nats-"`
	TLS          TLS    `embed:"" prefix:"nats-"`

	// Role, if set, is the last token of what this connection's inboxes begin with, <prefix>.inbox.<role>, so that
	// each role's user can be confined to its own.
	Role Role `kong:"-"`
	// Name appears in the NATS server's connection list.
	Name string `kong:"-"`
	// Server, if set, is reached in process, and URL is not used.
	Server *Server `kong:"-"`
	// Log defaults to none.
	Log *zap.Logger `kong:"-"`
	// Metrics, if set, is where the connection's metrics are registered.
	Metrics prometheus.Registerer `kong:"-"`
}

// Conn is one connection to NATS, with the subject grammar. It reconnects by itself for ever.
// Its methods may be called from any goroutine. NATS keeps the order of what one Conn publishes.
type Conn struct {
	Subjects
	nc        *nats.Conn    // NATS's callbacks await opened before they use it
	opened    chan struct{} // closed once nc is set
	log       *zap.Logger
	metrics   *metrics
	publisher publisher
	pending   int // bytes that may wait for NATS
	role      Role
	gaps      gaps
	waiting   waiting
}

// Open connects, trying again until it succeeds or ctx ends.
func Open(ctx context.Context, o Options) (*Conn, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.URL == "" {
		o.URL = DefaultURL
	}
	if o.PendingBytes == 0 {
		o.PendingBytes = DefaultPendingBytes
	}
	c := &Conn{
		Subjects: NewSubjects(o.Prefix), opened: make(chan struct{}), log: o.Log, metrics: newMetrics(o.Metrics), pending: o.PendingBytes,
		role: o.Role,
	}
	c.gaps.back = make(chan Gap, 1)
	c.publisher.replay.limit = DefaultReplayBytes
	settings, err := c.settings(&o)
	if err != nil {
		return nil, err
	}
	where := redact(o.URL)
	for {
		nc, err := nats.Connect(o.URL, settings...)
		if err == nil {
			c.nc = nc
			close(c.opened)
			return c, nil
		}
		if !absent(err) {
			return nil, fmt.Errorf("connect to NATS at %s: %w", where, err)
		}
		o.Log.Warn("NATS is not there yet", zap.String("url", where), zap.Error(err))
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to NATS at %s: %w", where, errors.Join(ctx.Err(), err))
		case <-time.After(reconnectWait):
		}
	}
}

// absent reports whether an attempt to connect found nobody, whom a later one may find: no server, no answer, or a name that has
// no address yet. Anything else, such as a wrong password, stays as it is.
func absent(err error) bool {
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.As(err, &network)
}

func (c *Conn) settings(o *Options) ([]nats.Option, error) {
	links := &dialer{Dialer: net.Dialer{Timeout: nats.DefaultTimeout}, gaps: &c.gaps, inProcess: o.Server}
	settings := []nats.Option{
		nats.SetCustomDialer(links),
		nats.Name(o.Name),
		nats.MaxReconnects(-1),
		nats.IgnoreAuthErrorAbort(), // a server that refuses us now may be given our new password next
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.PingInterval(pingInterval),
		nats.MaxPingsOutstanding(maxPingsOut),
		nats.ReconnectBufSize(-1), // see waiting
		nats.DisconnectErrHandler(c.disconnected),
		nats.ReconnectHandler(c.reconnected),
		nats.ErrorHandler(c.failed),
	}
	if o.Server != nil {
		settings = append(settings, nats.InProcessServer(links))
	}
	if o.Role != "" {
		settings = append(settings, nats.CustomInboxPrefix(c.prefix+"inbox."+string(o.Role)))
	}
	login, err := o.Login.settings()
	if err != nil {
		return nil, err
	}
	return append(append(settings, login...), o.TLS.settings()...), nil
}

func (c *Conn) failed(_ *nats.Conn, sub *nats.Subscription, err error) {
	fields := []zap.Field{zap.Error(err)}
	if sub != nil {
		fields = append(fields, zap.String("subject", sub.Subject))
		if dropped, dropErr := sub.Dropped(); dropErr == nil {
			fields = append(fields, zap.Int("dropped", dropped))
		}
	}
	c.metrics.errors.Inc()
	c.log.Error("backplane fault", fields...)
}

// Connected reports whether NATS is reachable now.
func (c *Conn) Connected() bool { return c.nc.IsConnected() }

// Steady reports whether NATS is reachable and has been for a time, so that others, who may have lost it when
// this connection did, have had that time to come back.
func (c *Conn) Steady(d time.Duration) bool {
	return c.nc.IsConnected() && time.Since(time.Unix(0, c.gaps.at.Load())) >= d
}

// MaxPayload is the largest message, in bytes, that the NATS server takes.
func (c *Conn) MaxPayload() int64 { return c.nc.MaxPayload() }

// Publish sends data to a subject. It returns once the message is buffered; data may be
// reused then.
func (c *Conn) Publish(subject string, data []byte) error {
	return c.PublishRequest(subject, "", data)
}

// PublishRequest is Publish with a reply subject; an empty one means none.
func (c *Conn) PublishRequest(subject, reply string, data []byte) error {
	if !c.waiting.some.Load() { // without a Msg on the heap
		var err error
		if reply == "" {
			err = c.nc.Publish(subject, data)
		} else {
			err = c.nc.PublishRequest(subject, reply, data)
		}
		if !linkLost(err) {
			return c.count(err)
		}
	}
	return c.PublishMsg(&Msg{Subject: subject, Reply: reply, Data: data})
}

// PublishMsg is Publish for a message with headers.
func (c *Conn) PublishMsg(m *Msg) error { return c.count(c.publish(m)) }

// Request sends a message and waits for its first reply. Its errors are ErrNoResponders, at once, when
// nobody listens, and ctx's.
func (c *Conn) Request(ctx context.Context, m *Msg) (*Msg, error) {
	reply, err := c.nc.RequestMsgWithContext(ctx, m)
	return reply, c.count(err)
}

// NewInbox returns a subject, unique to this connection, for replies.
func (c *Conn) NewInbox() string { return c.nc.NewInbox() }

// flushTimeout bounds a Flush whose context has no deadline.
const flushTimeout = 10 * time.Second

// Flush waits until the NATS server has processed all that was published and subscribed
// before, at most 10 s if ctx has no deadline.
func (c *Conn) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	if err := c.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("flush to NATS: %w", err)
	}
	return nil
}

// Close sends what is buffered and ends the connection and its subscriptions.
func (c *Conn) Close() {
	if c.nc.IsConnected() {
		// An error means that the server is gone, and with it whoever could have had the rest.
		_ = c.nc.FlushTimeout(time.Second)
	}
	c.nc.Close()
}

func (c *Conn) count(err error) error {
	if err != nil {
		c.metrics.failures.Inc()
	}
	return err
}

// NoResponders reports whether a message received on a reply subject is NATS's
// word that the request had no receiver.
func NoResponders(m *Msg) bool {
	return len(m.Data) == 0 && len(m.Header) > 0 && get(m, "Status") == "503"
}

// ServerInfo is what is known of the NATS server that a connection is to.
type ServerInfo struct {
	Name       string
	Version    string
	Cluster    string        // empty for a server alone
	Servers    int           // known of the cluster, this one included
	MaxPayload int64         // bytes of a message
	RTT        time.Duration // there and back
}

// Server asks the NATS server about itself. Its error is that it does not answer.
func (c *Conn) Server() (ServerInfo, error) {
	rtt, err := c.nc.RTT()
	if err != nil {
		return ServerInfo{}, fmt.Errorf("ask NATS: %w", err)
	}
	return ServerInfo{
		Name: c.nc.ConnectedServerName(), Version: c.nc.ConnectedServerVersion(), Cluster: c.nc.ConnectedClusterName(),
		Servers: len(c.nc.Servers()), MaxPayload: c.nc.MaxPayload(), RTT: rtt,
	}, nil
}
