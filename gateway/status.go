package gateway

import (
	"encoding/json"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"patchbay/backplane"
)

// tellStatus answers a router that asks for the node's status. On intake; it looks at what may be read from any goroutine.
func (gw *Gateway) tellStatus(reply string) {
	if reply == "" {
		return
	}
	data, err := json.Marshal(gw.status())
	if err != nil {
		panic("gateway: a status that is not JSON: " + err.Error())
	}
	gw.countPublish(gw.conn.Publish(reply, data))
}

func (gw *Gateway) status() backplane.NodeStatus {
	m := gw.metrics
	s := backplane.NodeStatus{
		Node: gw.options.ID, Epoch: gw.epoch.Load(), Started: gw.started.UnixMilli(), Phase: gw.phaseName(),
		Connections: gw.listener.open.Load(), Sockets: int(reading(m.sockets)), Detached: int(reading(m.detached)),
		Subscriptions: gw.interest.Len(),
		Opened:        uint64(reading(m.opened.WithLabelValues("polling")) + reading(m.opened.WithLabelValues("websocket"))),
		Received:      uint64(reading(m.received)), Emits: uint64(reading(m.emits)), Delivered: uint64(reading(m.delivered)),
	}
	if left := gw.remains.Load(); left != nil {
		s.Drain = &backplane.DrainStatus{Sessions: left.sessions, Detached: left.detached, Handoffs: left.moving}
	}
	return s
}

func (gw *Gateway) phaseName() string {
	switch gw.phase.Load() {
	case phaseOpen:
		return backplane.PhaseOpen
	case phaseDraining:
		return backplane.PhaseDraining
	case phaseClosed:
		return backplane.PhaseClosed
	}
	return backplane.PhaseStopping
}

// reading is the value of a counter or gauge.
func reading(m prometheus.Metric) float64 {
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		return 0 // only a metric of another kind fails
	}
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}

// link is a session's way to its client, as it is now.
func (s *session) link() *backplane.Link {
	o := &s.loop.gw.options.Engine
	k := &backplane.Link{Transport: s.transport(), Queued: s.queued, AgeMS: s.age().Milliseconds(), Protocol: 4, Parser: "json"}
	heard := s.beat - o.PingInterval
	switch {
	case s.old():
		k.Protocol, heard = 3, s.beat-s.loop.patience()
	case s.flags&flagPinged != 0:
		sent := s.beat - o.PingTimeout
		k.WaitingMS, heard = max(0, s.loop.now-sent).Milliseconds(), sent-o.PingInterval
	}
	k.HeardMS = max(0, s.loop.now-heard).Milliseconds()
	if s.conn != nil {
		k.Queued = s.conn.queued
	}
	if s.flags&flagMsgpack != 0 {
		k.Parser = "msgpack"
	}
	var h backplane.Handshake
	if json.Unmarshal(s.handshake, &h) == nil { // it is this gateway's own writing, or a peer's
		k.Address = h.Address
	}
	return k
}
