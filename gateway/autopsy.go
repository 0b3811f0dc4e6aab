package gateway

import (
	"bytes"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// autopsyEvery is how often a loop logs a close, at most, for each reason: a fleet that leaves at once must not fill a log.
const autopsyEvery = time.Second

// autopsy is why a session ended: what tells a network that is bad from a client that is slow, and from a server that is late.
type autopsy struct {
	reason    string
	transport string
	age       time.Duration
	queued    int           // bytes that were not sent yet
	pong      time.Duration // how long its pong had been waited for; 0 if none was due
	tcp       *unix.TCPInfo // nil while polling, and where TLS ends here
}

// autopsyMetrics are what autopsies add up to, by reason.
type autopsyMetrics struct {
	age, pong, rtt               *prometheus.HistogramVec
	queued, retransmits, unacked *prometheus.CounterVec
}

func newAutopsyMetrics(r *registrar) autopsyMetrics {
	return autopsyMetrics{
		age: r.histogram("closed_age_seconds", "Age of sessions when they closed, by reason.",
			[]float64{1, 10, 60, 600, 3600, 6 * 3600, 24 * 3600}, "reason"),
		pong: r.histogram("closed_pong_wait_seconds", "How long the pong of a session had been waited for when it closed, by reason; 0 if none was due.",
			[]float64{0, .1, 1, 5, 10, 20}, "reason"),
		rtt: r.histogram("closed_rtt_seconds", "Round-trip time of WebSocket connections when their sessions closed, as the kernel measured it, by reason.",
			[]float64{.0005, .005, .02, .05, .1, .25, .5, 1, 3}, "reason"),
		queued:      r.vector("closed_queued_bytes_total", "Bytes that were still queued for sessions that closed, by reason.", "reason"),
		retransmits: r.vector("closed_retransmits_total", "Segments that TCP had sent again to WebSocket clients whose sessions closed, by reason.", "reason"),
		unacked:     r.vector("closed_unacked_total", "Segments without a TCP acknowledgement from WebSocket clients when their sessions closed, by reason.", "reason"),
	}
}

// examine looks at a session that is about to close.
func (s *session) examine(reason string) autopsy {
	a := autopsy{reason: reason, transport: s.transport(), age: s.age(), queued: s.queued}
	if s.flags&flagPinged != 0 {
		a.pong = max(0, s.loop.now-(s.beat-s.loop.gw.options.Engine.PingTimeout))
	}
	c := s.conn
	if c == nil {
		return a
	}
	a.queued = c.queued
	if !c.released { // a dead conn has its descriptor until the end of the turn
		// Other sockets than TCP's have none.
		a.tcp, _ = unix.GetsockoptTCPInfo(int(c.fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	}
	return a
}

// stuck tells whether TCP has bytes that the peer gives it no room to send.
func (a *autopsy) stuck() bool { return a.tcp != nil && a.tcp.Notsent_bytes > 0 }

// age is how long ago the session was opened: on this node, or on the one that it has come from.
func (s *session) age() time.Duration {
	const field = `,"time":` // behind all that clients have written
	at := bytes.LastIndex(s.handshake, []byte(field))
	if at < 0 {
		return 0
	}
	digits := s.handshake[at+len(field):]
	end := 0
	for end < len(digits) && digits[end] >= '0' && digits[end] <= '9' {
		end++
	}
	opened, err := strconv.ParseInt(string(digits[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return max(0, s.loop.gw.now().Sub(time.UnixMilli(opened)))
}

// record counts an autopsy, and logs it if none for this reason has been logged just now.
func (l *loop) record(a autopsy) {
	m := &l.gw.metrics.autopsyMetrics
	m.age.WithLabelValues(a.reason).Observe(a.age.Seconds())
	m.pong.WithLabelValues(a.reason).Observe(a.pong.Seconds())
	m.queued.WithLabelValues(a.reason).Add(float64(a.queued))
	fields := []zap.Field{
		zap.String("reason", a.reason), zap.String("transport", a.transport), zap.Duration("age", a.age),
		zap.Int("queued", a.queued), zap.Duration("pong_wait", a.pong),
	}
	if t := a.tcp; t != nil {
		rtt := time.Duration(t.Rtt) * time.Microsecond
		m.rtt.WithLabelValues(a.reason).Observe(rtt.Seconds())
		m.retransmits.WithLabelValues(a.reason).Add(float64(t.Total_retrans))
		m.unacked.WithLabelValues(a.reason).Add(float64(t.Unacked))
		fields = append(fields, zap.Duration("rtt", rtt), zap.Uint32("retransmits", t.Total_retrans), zap.Uint32("unacked", t.Unacked))
	}
	if last, ok := l.autopsies[a.reason]; ok && l.now-last < autopsyEvery {
		return
	}
	if l.autopsies == nil {
		l.autopsies = map[string]time.Duration{}
	}
	l.autopsies[a.reason] = l.now
	l.gw.log.Info("session closed", fields...)
}
