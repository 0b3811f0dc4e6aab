package main

import (
	"time"

	"patchbay/loadtest/scenario"
)

// benchmark is a scenario with its numbers, and the systems that it is run against.
type benchmark struct {
	name     string
	title    string
	scenario string
	change   func(*scenario.Options)
	systems  []string
	metric   metric // what its table and its plot are about
	wire     bool   // bytes on the wire are of interest
}

// metric is a figure of a run that is compared.
type metric struct {
	title string
	unit  string
	role  string // of the processes whose figure it is; empty for all
	of    string // cpu, memory, connect, p99 or back
}

// The metrics.
func cpuOf(role, unit string) metric { return metric{"CPU per " + unit, "µs", role, "cpu"} }

const (
	gatewayRole = "gateway"
	perDelivery = "delivery"
)

func benchmarks() []benchmark {
	alone := []string{patchbayOne, nodeOne, goPort, bareLoop}
	pairs := []string{patchbayTwo, nodeTwo}
	room := func(rate float64, flight, clients int) func(*scenario.Options) {
		return func(o *scenario.Options) {
			o.Clients, o.Publishers, o.Traffic.Rate, o.Traffic.InFlight = clients, 1, rate, flight
		}
	}
	squeezed := []string{patchbayOne, patchbayGz, nodeOne, nodeGz}
	large := func(transport string, clients int) func(*scenario.Options) {
		return func(o *scenario.Options) {
			room(0, 4, clients)(o)
			o.Server.Transport, o.Traffic.Payload = transport, 1024
		}
	}
	list := []benchmark{
		{name: "fanout4", title: "fan-out to 2,000, 4 in flight", scenario: "fanout", change: room(0, 4, 2000), systems: alone},
		{name: "fanout1", title: "fan-out to 2,000, 1 in flight", scenario: "fanout", change: room(0, 1, 2000), systems: alone},
		{name: "fanout10", title: "fan-out to 2,000, 10 messages/s", scenario: "fanout", change: room(10, 0, 2000), systems: alone},
		{name: "wide4", title: "fan-out to 10,000, 4 in flight", scenario: "fanout", change: room(0, 4, 10_000), systems: []string{patchbayOne, nodeOne, bareLoop}},
		{name: "two4", title: "fan-out to 2,000 on two nodes, 4 in flight", scenario: "fanout", change: room(0, 4, 2000), systems: pairs},
		{name: "two10", title: "fan-out to 2,000 on two nodes, 10 messages/s", scenario: "fanout", change: room(10, 0, 2000), systems: pairs},
		{name: "rooms", title: "200 rooms of 10, 2,000 messages/s", scenario: "rooms", change: func(o *scenario.Options) {
			o.Clients, o.RoomSize, o.Publishers, o.Traffic.Rate = 2000, 10, 1, 2000
		}, systems: alone},
		{name: "deflate", title: "fan-out of 1 KB to 2,000, permessage-deflate", scenario: "fanout", change: large("websocket", 2000), systems: squeezed, wire: true},
		{name: "gzip", title: "fan-out of 1 KB to 200 polling, gzip", scenario: "fanout", change: large("polling", 200), systems: squeezed, wire: true},
	}
	for i := range list {
		list[i].metric = cpuOf("", perDelivery)
	}
	perAck := cpuOf("", "acknowledgement")
	return append(list,
		benchmark{name: "echo200", title: "echo, 200 in flight", scenario: "echo", change: func(o *scenario.Options) { o.Clients, o.Traffic.InFlight = 200, 200 },
			systems: alone, metric: perAck},
		benchmark{name: "echo1000", title: "echo, 1,000 a second", scenario: "echo", change: func(o *scenario.Options) { o.Clients, o.Traffic.Rate = 200, 1000 },
			systems: alone, metric: perAck},
		benchmark{name: "idle", title: "15,000 idle WebSocket clients", scenario: "idle", change: func(o *scenario.Options) { o.Clients, o.Timing.WarmUp = 15_000, 0 },
			systems: []string{patchbayOne, nodeOne, goPort}, metric: metric{"resident memory per connection", "bytes", "", "memory"}},
		benchmark{name: "avalanche", title: "15,000 cut and back at once", scenario: "avalanche", change: func(o *scenario.Options) {
			o.Clients, o.Timing.Duration, o.Timing.WarmUp, o.Trouble.Away = 15_000, time.Minute, 0, 0
		}, systems: []string{patchbayOne, nodeOne}, metric: metric{"99th percentile until back", "ms", "", "back"}})
}

// options are what all benchmarks have in common.
func options(urls []string, duration time.Duration) scenario.Options {
	return scenario.Options{
		Clients: 1,
		Server:  scenario.Server{URLs: urls, Transport: "websocket"},
		Traffic: scenario.Traffic{Payload: 128},
		Timing: scenario.Timing{
			Duration: duration, WarmUp: time.Second, Patience: 5 * time.Second, ConnectTimeout: 2 * time.Minute, Connecting: 256,
		},
		Shape: scenario.Shape{Loops: 1, PerProcess: scenario.MaxPerProcess},
	}
}

// bar is a ratio that Patchbay has to reach.
type bar struct {
	what      string
	bench     string
	ours      string // system
	role      string // of its processes; empty for all
	theirs    string // system; empty for an absolute figure
	of        string // as in metric
	must, aim float64
	unit      string // of an absolute figure
}

func bars() []bar {
	cpu := func(what, bench, ours, role, theirs string, must, aim float64) bar {
		return bar{what: what, bench: bench, ours: ours, role: role, theirs: theirs, of: "cpu", must: must, aim: aim}
	}
	return []bar{
		cpu("fan-out, 4 in flight: gateway CPU per delivery, against the bare loop", "fanout4", patchbayOne, gatewayRole, bareLoop, 0.9, 0.3),
		cpu("fan-out, 1 in flight: gateway CPU per delivery, against the bare loop", "fanout1", patchbayOne, gatewayRole, bareLoop, 1.6, 1.15),
		cpu("fan-out, 4 in flight: all processes, against socket.io on Node", "fanout4", patchbayOne, "", nodeOne, 1./3, 1./8),
		cpu("fan-out, 10 messages/s: gateway CPU per delivery, against the bare loop", "fanout10", patchbayOne, gatewayRole, bareLoop, 1.5, 1.15),
		cpu("fan-out on two gateways, 4 in flight: all processes, against two socket.io nodes and Redis", "two4", patchbayTwo, "", nodeTwo, 1./3, 1./10),
		cpu("rooms of 10, 2,000 messages/s: all processes, against socket.io on Node", "rooms", patchbayOne, "", nodeOne, 1.5, 0.7),
		cpu("echo, 200 in flight: CPU per acknowledgement, all processes, against socket.io on Node", "echo200", patchbayOne, "", nodeOne, 2, 1),
		{what: "idle: gateway memory per connection", bench: "idle", ours: patchbayOne, role: gatewayRole, of: "memory", must: 3000, aim: 1000, unit: "bytes"},
		{what: "connect to joined: CPU per connection, all processes, against socket.io on Node", bench: "idle", ours: patchbayOne, theirs: nodeOne, of: "connect", must: 1, aim: 0.5},
		{what: "p99 of fan-out at 10 messages/s, against socket.io on Node", bench: "fanout10", ours: patchbayOne, theirs: nodeOne, of: "p99", must: 1, aim: 0.5},
		{what: "p99 of echo at 1,000/s, against socket.io on Node", bench: "echo1000", ours: patchbayOne, theirs: nodeOne, of: "p99", must: 1, aim: 0.5},
		{what: "avalanche of 15,000: 99th percentile until back", bench: "avalanche", ours: patchbayOne, of: "back", must: 60_000, aim: 10_000, unit: "ms"},
	}
}
