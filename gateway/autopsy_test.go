package gateway

import (
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/prometheus/client_golang/prometheus"
)

// observed reads a histogram.
func observed(t *testing.T, o prometheus.Observer) (count uint64, sum float64) {
	t.Helper()
	metric, ok := o.(prometheus.Metric)
	if !ok {
		t.Fatalf("%T is no metric", o)
	}
	var out dto.Metric
	if err := metric.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Histogram.GetSampleCount(), out.Histogram.GetSampleSum()
}

// Each close is counted with what the kernel knows of the connection, and one a second is logged.
func TestAutopsy(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	r := newRig(t, func(o *Options) { o.Log = zap.New(core) })
	const clients = 6
	for range clients {
		c, id := r.join("")
		c.net.Close()
		r.app.expectLeave(id, reasonTransportClose)
	}
	count, rtt := observed(t, r.gw.metrics.rtt.WithLabelValues(reasonTransportClose))
	if count != clients || rtt <= 0 {
		t.Errorf("%d round trips of %v s in all", count, rtt)
	}
	if count, age := observed(t, r.gw.metrics.age.WithLabelValues(reasonTransportClose)); count != clients || age < 0 || age > 60 {
		t.Errorf("%d ages of %v s in all", count, age)
	}
	entries := logs.FilterMessage("session closed").All()
	if len(entries) == 0 || len(entries) > clients {
		t.Fatalf("%d closes are logged", len(entries))
	}
	fields := entries[0].ContextMap()
	for _, name := range []string{"reason", "transport", "age", "queued", "pong_wait", "rtt", "retransmits", "unacked"} {
		if _, ok := fields[name]; !ok {
			t.Errorf("the log does not say %s: %v", name, fields)
		}
	}
	r.poll().Post("1")
	eventually(t, "a close by polling is counted", func() bool {
		count, _ := observed(t, r.gw.metrics.age.WithLabelValues(reasonTransportClose))
		return count == clients+1
	})
}

// A pong that is late shows, and the age is that of the session's first request, whatever its client wrote there.
func TestAutopsyOfTheSilent(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Engine.PingInterval, o.Engine.PingTimeout = 20*time.Millisecond, 200*time.Millisecond
	})
	c := r.dial(`EIO=4&transport=websocket&time=1&x=,"time":5`)
	c.Expect(`0{"sid":"*","upgrades":[],"pingInterval":*}`)
	c.Send("40")
	eventually(t, "it is closed", func() bool {
		count, wait := observed(t, r.gw.metrics.pong.WithLabelValues(reasonPingTimeout))
		return count == 1 && wait >= 0.2
	})
	if _, age := observed(t, r.gw.metrics.age.WithLabelValues(reasonPingTimeout)); age < 0.2 || age > 60 {
		t.Errorf("an age of %v s", age)
	}
}
