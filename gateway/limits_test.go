package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

func TestControlLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Rooms, o.Limits.RoomName, o.Limits.DataBytes = 3, 8, 20 })
	c, id := r.join("")
	for _, e := range []struct {
		request backplane.Control
		want    string
	}{
		{backplane.Control{Op: backplane.OpJoin, Rooms: []string{"a", "b"}}, ""},
		{backplane.Control{Op: backplane.OpJoin, Rooms: []string{"123456789"}}, errRoomName.Error()},
		{backplane.Control{Op: backplane.OpJoin, Rooms: []string{"c", "d"}}, errRooms.Error()},
		{backplane.Control{Op: backplane.OpJoin, Rooms: []string{"a"}}, ""}, // it is there already
		{backplane.Control{Op: backplane.OpData, Data: json.RawMessage(`{"a":"` + strings.Repeat("x", 20) + `"}`)}, errDataSize.Error()},
		{backplane.Control{Op: backplane.OpData, Data: json.RawMessage(`{"a":1}`)}, ""},
	} {
		if got := r.app.control(id, e.request).Error; got != e.want {
			t.Errorf("%s %v: %q, want %q", e.request.Op, e.request.Rooms, got, e.want)
		}
	}
	if rooms := r.app.control(id, backplane.Control{Op: backplane.OpInfo}).Rooms; len(rooms) != 4 {
		t.Errorf("in %v, want a, b, c and its own", rooms)
	}
	for _, limit := range []string{"rooms", "room name", "data"} {
		if got := value(r.gw.metrics.limited.WithLabelValues(limit)); got != 1 {
			t.Errorf("%s: counted %v times", limit, got)
		}
	}
	c.Alive(r.app)
}

// A worker that gives more rooms than may be leaves the socket in those that may.
func TestAcceptedBeyondLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Rooms = 2 })
	r.app.onConnect(accept("a", "b", "c"))
	c, id := r.join("")
	if rooms := r.app.control(id, backplane.Control{Op: backplane.OpInfo}).Rooms; len(rooms) != 3 {
		t.Errorf("in %v", rooms)
	}
	c.Alive(r.app)
}

// A client that leaves and comes again before it has an answer has one socket in the end.
func TestConnectAgainWhilePending(t *testing.T) {
	r := newRig(t)
	first := make(chan string, 1)
	r.app.onConnect(func(request backplane.Connect) *backplane.Connected {
		first <- request.Socket
		return nil
	})
	c := r.ws()
	c.Send(`40{"attempt":1}`)
	old := next(t, first)
	r.app.onConnect(accept())
	c.Send(`40{"attempt":2}`)
	c.Expect(`40{"sid":"*"}`)
	r.app.answer(r.app.conn.Node("g1", "connected", old), &backplane.Connected{Worker: "w1"})
	r.app.expectLeave(old, reasonTransportClose)
	c.Alive(r.app)
}

// Namespaces that nobody is let into leave no subscription behind.
func TestRefusedNamespacesLeaveNothing(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Error: &backplane.ConnectError{Message: "Invalid namespace"}}
	})
	c := r.ws()
	for i := range 50 {
		c.Send(fmt.Sprintf("40/none%d,", i))
		c.Expect(fmt.Sprintf(`44/none%d,{"message":"Invalid namespace"}`, i))
	}
	if n := r.gw.interest.Len(); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"ping interval": func(o *Options) { o.Engine.PingInterval = -time.Second },
		"ping timeout":  func(o *Options) { o.Engine.PingTimeout = -1 },
		"max payload":   func(o *Options) { o.Engine.MaxPayload = -5 },
		"header bytes":  func(o *Options) { o.Limits.HeaderBytes = -1 },
		"conns":         func(o *Options) { o.Limits.Conns = -1 },
		"rooms":         func(o *Options) { o.Limits.Rooms = -1 },
		"path":          func(o *Options) { o.HTTP.Path = "socket.io" },
		"node":          func(o *Options) { o.ID = "a.b" },
	} {
		var o Options
		change(&o)
		if _, err := o.withDefaults(); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// Requests that are too large or too slow are counted by what is wrong with them.
func TestRequestLimitsCounted(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Limits.BodyTimeout, o.Limits.HeaderBytes, o.Engine.MaxPayload = 20*time.Millisecond, 1000, 100
	})
	counted := func(layer string) float64 { return value(r.gw.metrics.badPackets.WithLabelValues(layer)) }
	c := r.raw()
	c.Raw([]byte("GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("x", 1000) + "\r\n\r\n"))
	if a := c.response(); a.status != 431 || counted("headers") != 1 {
		t.Errorf("headers: %d, counted %v", a.status, counted("headers"))
	}
	p, _ := r.pollJoin()
	if a := p.Post(strings.Repeat("4", 101)); a.status != 413 || counted("payload") != 1 {
		t.Errorf("payload: %d, counted %v", a.status, counted("payload"))
	}
	slow := r.raw()
	slow.Raw([]byte("POST /socket.io/?EIO=4&transport=polling&sid=" + p.sid + " HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\n3"))
	if a := slow.response(); a.status != http.StatusRequestTimeout || counted("body timeout") != 1 {
		t.Errorf("a slow body: %d, counted %v", a.status, counted("body timeout"))
	}
	slow.ExpectEnd()
	if a := p.Get(); a.status != 400 {
		t.Errorf("its session goes on: %+v", a)
	}
}
