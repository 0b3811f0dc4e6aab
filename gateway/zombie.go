package gateway

import (
	"time"

	"go.uber.org/zap"
)

// rise begins a new epoch after the routers took this node for dead: it was paused, or cut off, for longer than a
// lease. Its sockets have ended for everybody else, so their clients are let go, to come back. What belongs to
// the old epoch (session ids, a second router's word) is void from here on. On intake.
func (gw *Gateway) rise() {
	was := gw.epoch.Load()
	gw.epoch.Store(max(was+1, uint64(time.Now().UnixMilli())))
	gw.log.Error("this node was taken for dead: its clients are let go, and a new epoch begins",
		zap.String("node", gw.options.ID), zap.Uint64("epoch", was))
	gw.metrics.deaths.Inc()
	gw.feed.restart()
	for _, l := range gw.loops {
		l.post(letGo{})
	}
}

// letGo ends all that a loop holds.
type letGo struct{}

func (letGo) run(l *loop) {
	for _, o := range l.leavings {
		o.do(o.TakerLost(l.now, o.Taker())) // what is frozen ends with the rest
	}
	for _, s := range l.sessions {
		s.close(reasonTakenForDead, closeServer)
	}
	// Nobody can come back either: what was missed meanwhile may not be known here.
	for _, k := range l.sockets {
		if k.detached != nil && k.joining == nil {
			k.forget("lost")
		}
	}
	l.gone.schedule(l)
}
