package gateway

import (
	"context"
	"errors"

	"patchbay/protocol/socketio"
)

// live are the settings that can change while the gateway runs. It is replaced as a whole, and read-only otherwise.
type live struct {
	Limits
	rate    RateOptions
	drain   DrainOptions
	cors    string // HTTPOptions.CORSOrigin
	door    *door
	packets socketio.Limits // of clients' packets
}

// newLive makes them of options with defaults. Its errors are ErrOptions.
func newLive(o *Options) (*live, error) {
	door, err := newDoor(&o.HTTP)
	if err != nil {
		return nil, err
	}
	settings := &live{
		Limits: o.Limits, rate: o.Rate, drain: o.Drain, cors: o.HTTP.CORSOrigin, door: door,
		packets: socketio.Limits{Attachments: o.Limits.Attachments},
	}
	settings.HeaderBytes, settings.HeaderTimeout = 0, 0 // net/http has them
	return settings, nil
}

// live are the settings in force now.
func (gw *Gateway) live() *live { return gw.settings.Load() }

// Reconfigure puts those options into force that have a tag "reload", for the clients that are here as well, and does what Reload does.
// All others stay as they were when the gateway was opened. After ErrOptions nothing has changed. It may be called from any
// goroutine, but not twice at once.
func (gw *Gateway) Reconfigure(ctx context.Context, o Options) error {
	setDefault(&o.ID, gw.options.ID)
	o.HTTP.TLSCert = gw.options.HTTP.TLSCert // a default depends on it
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	settings, err := newLive(&o)
	if err != nil {
		return err
	}
	gw.settings.Store(settings)
	gw.quota.set(&o.Rate)
	gw.listener.set(&o.Limits)
	for _, l := range gw.loops {
		l.post(resize{o.Limits.HistoryBytes / len(gw.loops)})
	}
	return gw.Reload(ctx)
}

// Reload reads the certificate and the key file of tokens again. What cannot be read stays as it was, and is in the error.
func (gw *Gateway) Reload(ctx context.Context) error {
	var failed error
	if gw.listener.tls != nil {
		failed = gw.listener.tls.reload()
	}
	if gw.guard.keys != nil {
		failed = errors.Join(failed, gw.guard.keys.Reload(ctx))
	}
	return failed
}

// set changes the limits of connections. Those beyond them stay.
func (ln *listener) set(o *Limits) {
	ln.limit.Store(int64(o.Conns))
	ln.seats.limit.Store(int64(o.ConnsPerAddress))
}

// resize changes how much of the past a loop keeps.
type resize struct{ history int }

func (t resize) run(l *loop) { l.history.limit = t.history }
