package ops

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// headerTimeout bounds how long a peer may take over a request's headers, so that stalled
// connections do not pile up.
const headerTimeout = 5 * time.Second

// errStarting is readiness before anybody has said anything better.
var errStarting = errors.New("starting")

// NewRegistry returns a metrics registry that reports on the build, the Go runtime and the process.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		NewBuildInfo(),
	)
	return r
}

// Server is the internal listener:
//
//	/metrics        for Prometheus
//	/healthz        200 as long as the process can answer at all
//	/readyz         200 when traffic may come, 503 and the reason otherwise
//	/reload         POST: reads the settings again; 500 and what failed otherwise
//	/debug/pprof/   profiles
type Server struct {
	listener net.Listener
	http     http.Server
	mux      *http.ServeMux
	ready    atomic.Pointer[func() error]
	reload   atomic.Pointer[http.Handler]
	served   chan struct{}
}

// Listen opens the internal listener on host:port (port 0 takes a free one) and
// serves what the gatherer gathers. Until SetReady it is not ready. A failure to go on serving is
// logged: the process itself is not worse for it.
func Listen(address string, gatherer prometheus.Gatherer, log *zap.Logger) (*Server, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("internal listener: %w", err)
	}
	s := &Server{listener: listener, mux: http.NewServeMux(), served: make(chan struct{})}
	s.SetReady(func() error { return errStarting })
	s.routes(gatherer)
	s.http = http.Server{Handler: s.mux, ReadHeaderTimeout: headerTimeout}
	//patchbay:goroutine serves until Stop, which waits for it on s.served
	go func() {
		defer close(s.served)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("internal listener ended", zap.Error(err))
		}
	}()
	return s, nil
}

func (s *Server) routes(gatherer prometheus.Gatherer) {
	mux := s.mux
	mux.Handle("GET /metrics", promhttp.HandlerFor(gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { answer(w, (*s.ready.Load())()) })
	// A page of another origin that somebody inside looks at must not reload anything.
	mux.Handle("POST /reload", http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.serveReload)))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
}

// Handle adds what a part serves beside that, under a pattern of http.ServeMux that is not there yet. It may be called from any goroutine.
func (s *Server) Handle(pattern string, handler http.Handler) { s.mux.Handle(pattern, handler) }

func answer(w http.ResponseWriter, err error) { respond(w, http.StatusServiceUnavailable, err) }

// respond says ok, or what is wrong, with a status.
func respond(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	text := "ok\n"
	if err != nil {
		w.WriteHeader(status)
		text = err.Error() + "\n"
	}
	// An error means that the peer has gone.
	_, _ = io.WriteString(w, text)
}

// Addr is where the listener listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// SetReady says what /readyz asks: nil means ready, an error is shown as the reason. It may be
// called from any goroutine, and so may ready.
func (s *Server) SetReady(ready func() error) { s.ready.Store(&ready) }

// SetReload says what serves /reload; nil, as at the start, if there is nothing to reload now. It may be called from any goroutine.
func (s *Server) SetReload(handler http.Handler) { s.reload.Store(&handler) }

func (s *Server) serveReload(w http.ResponseWriter, r *http.Request) {
	if handler := s.reload.Load(); handler != nil && *handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	answer(w, errNoReload)
}

// Stop ends the listener, lets requests under way finish until ctx ends, and waits for
// its goroutine.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.served
	return err
}
