package ops

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Reloader is a Part that can read some of its settings again.
type Reloader interface {
	// Reload puts the settings as they are now into force, as far as they can change in a running part. What cannot be read stays as
	// it was, and is in the error. It is called on one goroutine.
	Reload(ctx context.Context) error
}

// errNoReload is why a part does not reload.
var errNoReload = errors.New("nothing can be reloaded here")

// reloads reloads a part, at each SIGHUP and when the internal listener is asked to.
type reloads struct {
	part  Part
	log   *zap.Logger
	asked chan chan<- error
	over  chan struct{} // closed when nothing is reloaded any more

	successful, last prometheus.Gauge
}

// newReloads registers the metrics. A start is a reload that succeeded.
func newReloads(part Part, log *zap.Logger, metrics prometheus.Registerer) *reloads {
	r := &reloads{part: part, log: log, asked: make(chan chan<- error), over: make(chan struct{})}
	r.successful, r.last = NewReloadMetrics(metrics)
	r.note(nil)
	return r
}

// NewReloadMetrics registers the metrics of reloads: whether the last one succeeded, and when the last that did was.
func NewReloadMetrics(metrics prometheus.Registerer) (successful, last prometheus.Gauge) {
	successful = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "patchbay_reload_last_successful", Help: "1 if the last reload of the settings, or the start, put all of them into force; 0 if something stayed as it was.",
	})
	last = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "patchbay_reload_last_success_timestamp_seconds", Help: "When the settings were last put into force: Unix seconds.",
	})
	metrics.MustRegister(successful, last)
	return successful, last
}

// hangups are the process's SIGHUPs from now on, which do not end it any more. One that comes before somebody looks is kept.
func hangups() (c chan os.Signal, stop func()) {
	c = make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}

// run reloads until ctx ends.
func (r *reloads) run(ctx context.Context, hangup <-chan os.Signal) {
	defer close(r.over)
	for {
		var answer chan<- error
		select {
		case <-ctx.Done():
			return
		case <-hangup:
		case answer = <-r.asked:
		}
		err := r.reload(ctx)
		if answer != nil {
			answer <- err
		}
	}
}

// reload does it once. Parts that cannot reload are left alone.
func (r *reloads) reload(ctx context.Context) error {
	can, ok := r.part.(Reloader)
	if !ok {
		r.log.Warn(errNoReload.Error())
		return errNoReload
	}
	err := can.Reload(ctx)
	if r.note(err); err != nil {
		r.log.Error("cannot reload all; what failed stays as it was", zap.Error(err))
		return err
	}
	r.log.Info("reloaded")
	return nil
}

func (r *reloads) note(err error) {
	if err != nil {
		r.successful.Set(0)
		return
	}
	r.successful.Set(1)
	r.last.Set(float64(time.Now().UnixMilli()) / 1000)
}

// ServeHTTP implements http.Handler: it reloads, and says what failed.
func (r *reloads) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	answer, ctx := make(chan error, 1), request.Context()
	select {
	case r.asked <- answer:
		respond(w, http.StatusInternalServerError, <-answer)
	case <-r.over:
		respond(w, http.StatusServiceUnavailable, errStopping)
	case <-ctx.Done():
	}
}
