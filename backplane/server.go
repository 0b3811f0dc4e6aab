package backplane

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/zap"
)

// DefaultServerPayload is the largest message, in bytes, of an embedded server: enough for
// a polling payload or a WebSocket message at Socket.IO's default limit, with room to raise it.
const DefaultServerPayload = 8 << 20

// serverPending is what an embedded server may hold for a client that lags, in bytes: a slow gateway is better caught
// by its own budget than cut off.
const serverPending = 256 << 20

// serverStart bounds how long an embedded server may take to accept connections.
const serverStart = 10 * time.Second

// ErrServerStart reports an embedded NATS server that did not come up in time.
var ErrServerStart = errors.New("backplane: embedded NATS server did not start")

// ServerOptions configures an embedded NATS server.
type ServerOptions struct {
	// Config is a NATS configuration file: users, permissions, limits, TLS. What the other fields say goes before it.
	Config string
	// Listen is host:port; port 0 takes a free one. Empty means no listener: only Open
	// with Options.Server reaches it.
	Listen string
	// Cluster is host:port for routes from other servers; empty means a server alone.
	Cluster string
	// Routes are nats://host:port of other servers' Cluster addresses.
	Routes []string
	// Name identifies the server in its cluster; empty lets NATS choose.
	Name string
	// MaxPayload is the largest message in bytes; 0 means the file's word, or DefaultServerPayload without a file.
	MaxPayload int
	// Log defaults to none.
	Log *zap.Logger
}

// Server is a NATS server in this process. Its goroutines are NATS's own; Stop waits for them.
type Server struct{ ns *server.Server }

// StartServer starts a server and returns once it accepts connections.
func StartServer(o ServerOptions) (*Server, error) {
	settings, err := o.settings()
	if err != nil {
		return nil, err
	}
	ns, err := server.NewServer(settings)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	if o.Log != nil {
		ns.SetLoggerV2(serverLog{o.Log.Sugar()}, false, false, false)
	}
	ns.Start()
	if !ns.ReadyForConnections(serverStart) {
		ns.Shutdown()
		return nil, ErrServerStart
	}
	return &Server{ns}, nil
}

// settings turns the options, and the file if there is one, into NATS's own.
func (o *ServerOptions) settings() (*server.Options, error) {
	settings := &server.Options{MaxPayload: DefaultServerPayload, MaxPending: serverPending}
	if o.Config != "" {
		var err error
		if settings, err = server.ProcessConfigFile(o.Config); err != nil {
			return nil, fmt.Errorf("NATS configuration: %w", err)
		}
	}
	settings.NoSigs = true
	settings.DontListen = o.Listen == ""
	if o.Name != "" {
		settings.ServerName = o.Name
	}
	if o.MaxPayload != 0 {
		settings.MaxPayload = int32(min(o.MaxPayload, 64<<20))
	}
	var err error
	if o.Listen != "" {
		if settings.Host, settings.Port, err = hostPort(o.Listen); err != nil {
			return nil, err
		}
	}
	if o.Cluster != "" {
		if settings.Cluster.Host, settings.Cluster.Port, err = hostPort(o.Cluster); err != nil {
			return nil, err
		}
		if settings.Cluster.Name == "" {
			settings.Cluster.Name = "patchbay"
		}
	}
	if len(o.Routes) > 0 {
		settings.Routes = nil
	}
	for _, route := range o.Routes {
		u, err := url.Parse(route)
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", redact(route), err)
		}
		settings.Routes = append(settings.Routes, u)
	}
	return settings, nil
}

// URL is where clients connect; empty without a listener.
func (s *Server) URL() string { return s.ns.ClientURL() }

// ClusterAddress is the host:port of routes from other servers; empty for a server alone.
func (s *Server) ClusterAddress() string {
	if addr := s.ns.ClusterAddr(); addr != nil {
		return addr.String()
	}
	return ""
}

// Routes returns how many other servers this one is linked to.
func (s *Server) Routes() int { return s.ns.NumRemotes() }

// Clients returns how many connections the server holds.
func (s *Server) Clients() int { return s.ns.NumClients() }

// Subscriptions returns how many subscriptions the server holds.
func (s *Server) Subscriptions() int { return int(s.ns.NumSubscriptions()) }

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}

func hostPort(listen string) (string, int, error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q: %w", listen, err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("listen address %q: %w", listen, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	if host == "" {
		host = server.DEFAULT_HOST
	}
	return host, port, nil
}

// serverLog passes NATS's log lines to zap. A fatal line of NATS's is an error here: this
// process decides for itself when it ends.
type serverLog struct{ log *zap.SugaredLogger }

// Fatalf implements server.Logger.
func (l serverLog) Fatalf(format string, v ...any) { l.log.Errorf(format, v...) }

// Errorf implements server.Logger.
func (l serverLog) Errorf(format string, v ...any) { l.log.Errorf(format, v...) }

// Warnf implements server.Logger.
func (l serverLog) Warnf(format string, v ...any) { l.log.Warnf(format, v...) }

// Noticef logs at debug: NATS notices each start, route and listener.
func (l serverLog) Noticef(format string, v ...any) { l.log.Debugf(format, v...) }

// Debugf implements server.Logger.
func (l serverLog) Debugf(format string, v ...any) { l.log.Debugf(format, v...) }

// Tracef logs at debug.
func (l serverLog) Tracef(format string, v ...any) { l.log.Debugf(format, v...) }
