package backplane

import (
	"context"
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

// How an embedded server that retires lets its clients go: it tells them, and closes them one after the other. A
// configuration file cannot say so: what it may say at least, 30 s, is longer than a process may take to stop.
const (
	retireTime  = 2 * time.Second
	retireGrace = 50 * time.Millisecond
)

// routeUser is the user of routes with a password, as in deploy/nats/cluster.conf.
const routeUser = "route"

// serverLook is the pause between two looks at a server's routes.
const serverLook = 10 * time.Millisecond

// ErrServerStart reports an embedded NATS server that did not come up in time.
var ErrServerStart = errors.New("backplane: embedded NATS server did not start")

// ErrServerOpen reports an embedded NATS server that would let anybody in from other machines.
var ErrServerOpen = errors.New("backplane: a NATS listener beyond this machine without users")

// ServerOptions configures an embedded NATS server.
type ServerOptions struct {
	// Config is a NATS configuration file: users, permissions, limits, TLS. What the other fields say goes before it.
	Config string
	// Listen is host:port; port 0 takes a free one. Empty means no listener: only Open
	// with Options.Server reaches it.
	Listen string
	// Cluster is host:port for routes from other servers; empty means a server alone.
	Cluster string
	// Routes are nats://host:port of other servers' Cluster addresses. The server's own may be among them.
	Routes []string
	// RoutePassword is asked of the other servers, and shown to them by routes that have no password of their own.
	RoutePassword string
	// Name identifies the server in its cluster; empty lets NATS choose.
	Name string
	// MaxPayload is the largest message in bytes; 0 means the file's word, or DefaultServerPayload without a file.
	MaxPayload int
	// RequireUsers refuses to listen beyond this machine if everyone who gets there may do everything, or pass for
	// another server. Without it that is logged as a warning.
	RequireUsers bool
	// Ended, if set, is called once when the server has ended, by Stop or by itself, and so says Server.Ended. It must not call Stop.
	Ended func()
	// Log defaults to none.
	Log *zap.Logger
}

// Server is a NATS server in this process. Its goroutines are NATS's own, and one that watches for its end; Stop waits
// for them.
type Server struct {
	ns    *server.Server
	ended chan struct{} // closed when the server has
	told  chan struct{} // closed after ended, once ServerOptions.Ended has returned
}

// StartServer starts a server and returns once it accepts connections.
func StartServer(o ServerOptions) (*Server, error) {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	settings, err := o.settings()
	if err != nil {
		return nil, err
	}
	if err := exposed(settings); err != nil {
		if o.RequireUsers {
			return nil, err
		}
		o.Log.Warn("everyone who reaches the NATS server may do everything", zap.Error(err))
	}
	ns, err := server.NewServer(settings)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	ns.SetLoggerV2(serverLog{o.Log.Sugar()}, false, false, false)
	ns.Start()
	if !ns.ReadyForConnections(serverStart) {
		ns.Shutdown()
		return nil, ErrServerStart
	}
	s := &Server{ns: ns, ended: make(chan struct{}), told: make(chan struct{})}
	//patchbay:goroutine ends with the server; Stop waits for it on s.told
	go func() {
		defer close(s.told)
		ns.WaitForShutdown()
		close(s.ended) // first: whoever is told may ask
		if o.Ended != nil {
			o.Ended()
		}
	}()
	return s, nil
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
	settings.LameDuckDuration, settings.LameDuckGracePeriod = retireTime, retireGrace
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
	return settings, o.cluster(settings)
}

// cluster sets what concerns the other servers.
func (o *ServerOptions) cluster(settings *server.Options) (err error) {
	if o.Cluster != "" {
		if settings.Cluster.Host, settings.Cluster.Port, err = hostPort(o.Cluster); err != nil {
			return err
		}
		if settings.Cluster.Name == "" {
			settings.Cluster.Name = "patchbay"
		}
	}
	if o.RoutePassword != "" {
		settings.Cluster.Username, settings.Cluster.Password = routeUser, o.RoutePassword
	}
	if len(o.Routes) > 0 {
		settings.Routes = nil
	}
	for _, route := range o.Routes {
		u, err := url.Parse(route)
		if err != nil {
			return fmt.Errorf("route %q: %w", redact(route), err)
		}
		if u.User == nil && o.RoutePassword != "" {
			u.User = url.UserPassword(routeUser, o.RoutePassword)
		}
		settings.Routes = append(settings.Routes, u)
	}
	return nil
}

// exposed finds a listener that other machines may reach and that asks nobody who they are.
func exposed(o *server.Options) error {
	asks := o.NoAuthUser == "" && (len(o.Users) > 0 || len(o.Nkeys) > 0 || o.Username != "" || o.Authorization != "" ||
		len(o.TrustedOperators) > 0 || len(o.TrustedKeys) > 0 || o.TLSVerify)
	asksServers := o.Cluster.Username != "" || o.Cluster.TLSConfig != nil
	switch {
	case !o.DontListen && reachable(o.Host) && !asks:
		return fmt.Errorf("%w: clients at %s", ErrServerOpen, o.Host)
	case o.Cluster.Port != 0 && reachable(o.Cluster.Host) && !asksServers:
		return fmt.Errorf("%w: other servers at %s", ErrServerOpen, o.Cluster.Host)
	}
	return nil
}

// reachable reports whether other machines may reach a listener on a host.
func reachable(host string) bool {
	ip := net.ParseIP(host)
	return host != "localhost" && (ip == nil || !ip.IsLoopback())
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

// Join waits until another server is linked to this one, or ctx ends, and reports which.
func (s *Server) Join(ctx context.Context) bool {
	tick := time.NewTicker(serverLook)
	defer tick.Stop()
	for s.Routes() == 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// Ended reports whether the server has ended.
func (s *Server) Ended() bool {
	select {
	case <-s.ended:
		return true
	default:
		return false
	}
}

// Retire ends a server that is one of several: it takes no new clients, sends its own to the other servers one after the other, within 2 s
// or before ctx ends, and stops. A server alone stops at once.
func (s *Server) Retire(ctx context.Context) {
	defer s.Stop()
	if s.Routes() == 0 {
		return
	}
	release := context.AfterFunc(ctx, s.ns.Shutdown)
	defer release()
	s.ns.LameDuckShutdown()
}

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	s.ns.Shutdown()
	<-s.told
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
