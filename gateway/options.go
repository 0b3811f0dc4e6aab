package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"patchbay/backplane"
	"patchbay/gateway/auth"
	"patchbay/gateway/handoff"
	"patchbay/protocol/engineio"
	"patchbay/protocol/socketio"
)

// ErrOptions reports options that cannot work together.
var ErrOptions = errors.New("gateway: invalid options")

// Options configures a gateway. The zero value works, for a gateway alone on its machine.
type Options struct {
	Backplane backplane.Options `embed:""`
	Engine    EngineOptions     `embed:""`
	HTTP      HTTPOptions       `embed:""`
	Limits    Limits            `embed:""`
	Handoff   handoff.Options   `embed:""`
	Drain     DrainOptions      `embed:""`
	Auth      auth.Options      `embed:""`
	Rate      RateOptions       `embed:""`
	Trace     TraceOptions      `embed:""`

	LoopOptions `embed:""`

	ID     string `name:"node" help:"Node id, lower-case letters and digits; random if empty."`
	Listen string `name:"listen" default:":8080" help:"Public address to listen on."`
	Secret string `name:"secret" help:"Cluster secret that authenticates session ids; the same on every gateway. Random if empty, which only a gateway alone can use."`

	// Log defaults to none.
	Log *zap.Logger `kong:"-"`
	// Metrics, if set, is where metrics are registered.
	Metrics prometheus.Registerer `kong:"-"`
}

// EngineOptions are Engine.IO's and Socket.IO's own settings, with their defaults.
type EngineOptions struct {
	PingInterval   time.Duration `name:"ping-interval" default:"25s" help:"Time from a pong, or the handshake, to the next ping."`
	PingTimeout    time.Duration `name:"ping-timeout" default:"20s" help:"How long a client may take to answer a ping."`
	ConnectTimeout time.Duration `name:"connect-timeout" default:"45s" help:"How long a session may go without joining a namespace."`
	UpgradeTimeout time.Duration `name:"upgrade-timeout" default:"10s" help:"How long an upgrade to WebSocket may take."`
	AdmitTimeout   time.Duration `name:"admit-timeout" default:"10s" help:"How long a CONNECT may wait for a router and a worker before it is refused."`
	MaxPayload     int           `name:"max-payload" default:"1000000" help:"Largest polling payload or WebSocket message from a client, in bytes."`
	Recovery       Window        `name:"recovery" default:"2m" help:"How long a client that lost its connection can come back to its socket; 0 turns it off."`
	AllowEIO3      bool          `name:"allow-eio3" help:"Also serve clients of Engine.IO 3: Socket.IO 2."`
	Echo           bool          `name:"engine-echo" help:"Also serve /engine.io/: bare Engine.IO that sends every message back, for conformance tests."`
}

// Window is a duration that can be turned off: zero means the default, negative means off. As
// text, "0" is off.
type Window time.Duration

// Off is a Window that is turned off.
const Off Window = -1

// DefaultRecovery is Socket.IO's maxDisconnectionDuration.
const DefaultRecovery = Window(2 * time.Minute)

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Window) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOptions, err)
	}
	if *w = Window(d); d <= 0 {
		*w = Off
	}
	return nil
}

// HTTPOptions are the public listener's.
type HTTPOptions struct {
	Deflate DeflateOptions `embed:""`

	Path       string `name:"path" default:"/socket.io/" help:"Path of the Socket.IO endpoint."`
	CORSOrigin string `name:"cors-origin" help:"Origin that browsers may connect from, or *; empty sends no CORS headers." reload:"yes"`
	// Origins keeps pages of others from using their visitors' cookies and networks.
	Origins string `name:"allow-origins" help:"Origins that browsers may connect from, comma-separated, such as https://example.com or https://*.example.com; others get 403, by polling and WebSocket alike. Empty lets all in." reload:"yes"`
	// RequireHeaders are what a proxy or a native client adds.
	RequireHeaders []string `name:"require-header" sep:"none" placeholder:"NAME: VALUE" help:"Header that every request must have, with this value, or any if there is none; others get 403. May be given several times." reload:"yes"`
	// TrustedProxies stops clients from choosing the address that they seem to come from.
	TrustedProxies string `name:"trusted-proxies" help:"Addresses and networks of proxies, comma-separated, whose X-Forwarded-For and X-Forwarded-Proto are believed." reload:"yes"`
	ProxyProtocol  bool   `name:"proxy-protocol" help:"Connections from trusted proxies begin with a header of the PROXY protocol, version 1 or 2."`
	TLSCert        string `name:"tls-cert" type:"path" help:"PEM file of the certificate, and those that vouch for it, for TLS on the public listener (https, wss). Read again on SIGHUP."`
	TLSKey         string `name:"tls-key" type:"path" help:"PEM file of its key."`
	Cookie         string `name:"cookie" help:"Name of a cookie that carries the session id; empty sends none."`
	PageDir        string `name:"page-dir" help:"Directory of static files to serve outside the Socket.IO path; nothing is served there if empty."`
	ClientDir      string `name:"client-dir" default:"node_modules/socket.io-client/dist" help:"Directory of the client bundles to serve; where npm installs socket.io-client."`
	// Page, if set, serves the requests outside the Socket.IO path.
	Page http.Handler `kong:"-"`
}

// Limits bound what clients can make the gateway hold or do.
type Limits struct {
	// QueueBytes stops a client that reads slowly, or not at all, from filling memory:
	// past it the session is closed as a slow consumer.
	QueueBytes int `name:"max-queue-bytes" default:"16777216" help:"Bytes that a session may have waiting to be sent; past them it is closed as a slow consumer." reload:"yes"`
	// Namespaces stops one session from opening sockets without end.
	Namespaces int `name:"max-namespaces" default:"100" help:"Namespaces that one session may be in." reload:"yes"`
	// Attachments stops a packet that announces more parts than anyone needs.
	Attachments int `name:"max-attachments" default:"10" help:"Attachments of one Socket.IO packet." reload:"yes"`
	// AuthBytes stops clients from having what they say once kept for as long as they stay, in each namespace.
	AuthBytes int `name:"max-auth-bytes" default:"65536" help:"Size of the auth payload of a CONNECT; larger ones are refused." reload:"yes"`
	// Rooms bounds what one socket adds to membership, and what finding a room among them costs.
	Rooms int `name:"max-rooms" default:"1000" help:"Rooms that one socket may be in; joins beyond them fail." reload:"yes"`
	// RoomName keeps a socket's membership far below the size of a backplane message.
	RoomName int `name:"max-room-name" default:"512" help:"Length of a room's name, in bytes; joining a longer one fails." reload:"yes"`
	// DataBytes does the same.
	DataBytes int `name:"max-data-bytes" default:"131072" help:"Size of a socket's data as JSON; setting more fails." reload:"yes"`
	// Detached stops clients from leaving sockets behind without end.
	Detached int `name:"max-detached" default:"10000" help:"Detached sockets that are kept; past them the oldest is forgotten." reload:"yes"`
	// DetachedBytes does the same for what they have been sent, their data and what their clients said as they joined.
	DetachedBytes int `name:"max-detached-bytes" default:"67108864" help:"Bytes that detached sockets may take; past them the oldest is forgotten." reload:"yes"`
	// HistoryBytes bounds what is kept for clients that come back.
	HistoryBytes int `name:"recovery-bytes" default:"67108864" help:"Bytes of past events kept for clients that come back; whoever missed more starts anew." reload:"yes"`
	// PendingAcks bounds the acknowledgements that one socket may owe to applications.
	PendingAcks int `name:"max-pending-acks" default:"10000" help:"Acknowledgements that one socket may owe; emits that ask for more fail." reload:"yes"`
	ConnLimits  `embed:""`
	EventLimits `embed:""`
}

// ConnLimits bound connections, and how long they may take over a request.
type ConnLimits struct {
	// Conns leaves descriptors for NATS, logs and the listener itself.
	Conns int `name:"max-conns" default:"0" help:"Open connections; 0 means nine tenths of the descriptor limit." reload:"yes"`
	// ConnsPerAddress stops one client from taking the places of all others.
	ConnsPerAddress int `name:"max-conns-per-address" default:"0" help:"Open connections from one address that is no trusted proxy; 0 means any number." reload:"yes"`
	// HeaderBytes stops a request whose headers never end.
	HeaderBytes int `name:"max-header-bytes" default:"16384" help:"Size of a request's headers."`
	// HeaderTimeout stops clients that open connections and send slowly (slowloris).
	HeaderTimeout time.Duration `name:"header-timeout" default:"10s" help:"How long a connection may take to send a request's headers."`
	// BodyTimeout does the same for bodies.
	BodyTimeout time.Duration `name:"body-timeout" default:"30s" help:"How long the body of a POST may take." reload:"yes"`
}

// EventLimits bound what is kept of clients' events until their workers are done with them.
type EventLimits struct {
	// Unconfirmed stops a client that sends faster than it is served from filling memory with small events.
	Unconfirmed int `name:"max-unconfirmed" default:"16384" help:"Events of one socket that its worker has not confirmed; past them the session is closed." reload:"yes"`
	// UnconfirmedBytes does the same for large ones. A single event is always taken.
	UnconfirmedBytes int `name:"max-unconfirmed-bytes" default:"16777216" help:"Bytes that those events may have; past them the session is closed." reload:"yes"`
	// Deliveries stops an event that kills its worker from killing all.
	Deliveries int `name:"max-deliveries" default:"4" help:"Workers that may be lost with an event before it is dropped." reload:"yes"`
}

// DefaultPath is Socket.IO's.
const DefaultPath = "/socket.io/"

// echoPath is where EngineOptions.Echo serves.
const echoPath = "/engine.io/"

// withDefaults returns the options with every zero replaced by its default.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.ID, backplane.NewID('g'))
	setDefault(&o.Listen, ":8080")
	setDefault(&o.Loops, min(runtime.GOMAXPROCS(0), backplane.MaxShards))
	setDefault(&o.Engine.PingInterval, engineio.DefaultPingInterval)
	setDefault(&o.Engine.PingTimeout, engineio.DefaultPingTimeout)
	setDefault(&o.Engine.ConnectTimeout, 45*time.Second)
	setDefault(&o.Engine.UpgradeTimeout, 10*time.Second)
	setDefault(&o.Engine.AdmitTimeout, 10*time.Second)
	setDefault(&o.Engine.Recovery, DefaultRecovery)
	setDefault(&o.Gather, DefaultGather)
	setDefault(&o.GatherAbove, DefaultGatherAbove)
	setDefault(&o.Limits.AuthBytes, 64<<10)
	setDefault(&o.Limits.Rooms, 1000)
	setDefault(&o.Limits.RoomName, 512)
	setDefault(&o.Limits.DataBytes, 128<<10)
	setDefault(&o.Limits.Detached, 10_000)
	setDefault(&o.Limits.DetachedBytes, 64<<20)
	setDefault(&o.Limits.HistoryBytes, 64<<20)
	setDefault(&o.Engine.MaxPayload, engineio.DefaultMaxPayload)
	setDefault(&o.HTTP.Path, DefaultPath)
	setDefault(&o.HTTP.ClientDir, "node_modules/socket.io-client/dist")
	setDefault(&o.Drain.Rate, DefaultDrainRate)
	setDefault(&o.Drain.Return, DefaultDrainReturn)
	setDefault(&o.Drain.Timeout, DefaultDrainTimeout)
	setDefault(&o.Limits.QueueBytes, 16<<20)
	setDefault(&o.Limits.Namespaces, 100)
	setDefault(&o.Limits.HeaderBytes, 16<<10)
	setDefault(&o.Limits.HeaderTimeout, 10*time.Second)
	setDefault(&o.Limits.BodyTimeout, 30*time.Second)
	setDefault(&o.Limits.Attachments, socketio.DefaultAttachments)
	setDefault(&o.Limits.PendingAcks, 10_000)
	o.Auth = o.Auth.WithDefaults()
	o.Rate.withDefaults()
	setDefault(&o.HTTP.Deflate.Threshold, 1024)
	setDefault(&o.HTTP.Deflate.Level, 1)
	setDefault(&o.HTTP.Deflate.Polling, 1024)
	setDefault(&o.Limits.Unconfirmed, 16_384)
	setDefault(&o.Limits.UnconfirmedBytes, 16<<20)
	setDefault(&o.Limits.Deliveries, 4)
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Limits.Conns == 0 {
		o.Limits.Conns = descriptorLimit() * 9 / 10
		if o.HTTP.TLSCert != "" {
			o.Limits.Conns /= tlsDescriptors
		}
	}
	return o, o.check()
}

func (o *Options) check() error {
	switch {
	case !backplane.ValidID(o.ID):
		return fmt.Errorf("%w: node id %q is not 1 to %d lower-case letters and digits", ErrOptions, o.ID, backplane.MaxNodeID)
	case o.Loops < 1 || o.Loops > backplane.MaxShards:
		return fmt.Errorf("%w: %d loops; 1 to %d can be", ErrOptions, o.Loops, backplane.MaxShards)
	case o.GatherAbove < 0 || time.Duration(o.Gather) > maxGather:
		return fmt.Errorf("%w: gathering takes a rate, and at most %v", ErrOptions, maxGather)
	case o.Engine.PingInterval < 0 || o.Engine.PingTimeout < 0 || o.Engine.ConnectTimeout < 0 ||
		o.Engine.UpgradeTimeout < 0 || o.Engine.AdmitTimeout < 0 || o.Limits.HeaderTimeout < 0 || o.Limits.BodyTimeout < 0 ||
		o.Drain.Delay < 0 || o.Drain.Return < 0:
		return fmt.Errorf("%w: a duration is negative", ErrOptions)
	case min(o.Engine.MaxPayload, o.Limits.QueueBytes, o.Limits.Conns, o.Limits.ConnsPerAddress, o.Limits.Namespaces, o.Limits.HeaderBytes,
		o.Limits.AuthBytes, o.Limits.Rooms, o.Limits.RoomName, o.Limits.DataBytes, o.Limits.Detached, o.Limits.DetachedBytes, o.Limits.HistoryBytes, o.Limits.PendingAcks,
		o.Limits.Unconfirmed, o.Limits.UnconfirmedBytes, o.Limits.Deliveries) < 0:
		return fmt.Errorf("%w: a limit is negative", ErrOptions)
	case o.Auth.Refresh < 0 || o.Auth.Leeway < 0 || o.Auth.Lifetime < 0 || o.Auth.Warning < 0:
		return fmt.Errorf("%w: a duration is negative", ErrOptions)
	case o.Drain.Rate < 0:
		return fmt.Errorf("%w: a rate is negative", ErrOptions)
	case len(o.HTTP.Path) < 2 || o.HTTP.Path[0] != '/':
		return fmt.Errorf("%w: path %q does not begin with a slash", ErrOptions, o.HTTP.Path)
	}
	return errors.Join(o.Rate.check(), o.HTTP.Deflate.check(), o.Trace.check())
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
