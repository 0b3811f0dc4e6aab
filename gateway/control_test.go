package gateway

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
)

func TestControl(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(accept("start", "start"))
	c, id := r.join("")
	rooms := func(reply backplane.ControlReply) []string {
		t.Helper()
		if reply.Error != "" || reply.Seen.Node != "g1" || reply.Seen.Epoch != r.gw.epoch.Load() || reply.Transport != "websocket" {
			t.Errorf("%+v", reply)
		}
		return slices.DeleteFunc(reply.Rooms, func(room string) bool { return room == id })
	}
	info := r.app.control(id, backplane.Control{Op: backplane.OpInfo})
	if info.Worker != "w1" {
		t.Errorf("the socket's worker is %q", info.Worker)
	}
	if !slices.Contains(info.Rooms, id) || !slices.IsSorted(info.Rooms) || !slices.Equal(rooms(info), []string{"start"}) {
		t.Errorf("%+v", info)
	}
	joined := r.app.control(id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"b", "a", "b", "start", id}})
	if got := rooms(joined); !slices.Equal(got, []string{"a", "b", "start"}) || joined.Seen.Version <= info.Seen.Version {
		t.Errorf("%+v", joined)
	}
	if again := r.app.control(id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"b"}}); again.Seen.Version != joined.Seen.Version {
		t.Error("joining twice is a change")
	}
	if got := rooms(r.app.control(id, backplane.Control{Op: backplane.OpLeave, Rooms: []string{"b", "zzz", id}})); !slices.Equal(got, []string{"a", "start"}) {
		t.Errorf("%v", got)
	}
	data := r.app.control(id, backplane.Control{Op: backplane.OpData, Data: json.RawMessage(`{"name":"x"}`)})
	if data.Seen.Version <= joined.Seen.Version {
		t.Error("data is no change")
	}
	if reply := r.app.control(id, backplane.Control{Op: "nonsense"}); reply.Error == "" {
		t.Errorf("%+v", reply)
	}
	for _, gone := range []string{r.gw.birth.NewSocketID("g1", 0), r.gw.birth.NewSocketID("g1", 1), r.gw.birth.NewSocketID("g1", 40)} {
		if reply := r.app.control(gone, backplane.Control{Op: backplane.OpInfo}); reply.Error != backplane.NoSocket {
			t.Errorf("%+v", reply)
		}
	}
	p, pid := r.pollJoin()
	if reply := r.app.control(pid, backplane.Control{Op: backplane.OpInfo}); reply.Transport != "polling" {
		t.Errorf("%+v", reply)
	}
	p.Send(`42["alive"]`)
	c.Alive(r.app)
}

// A socket that is being decided is not there for anybody yet.
func TestControlWhileJoining(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(silent)
	c := r.ws()
	c.Send("40")
	id := next(t, r.app.connects).Socket
	if reply := r.app.control(id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"a"}}); reply.Error != backplane.NoSocket {
		t.Errorf("%+v", reply)
	}
	r.app.emitSocket(id, r.app.reply+".x", payload(`["early"]`))
	if m := next(t, r.app.replies); m.Header[backplane.HeaderError] == nil {
		t.Errorf("%+v", m)
	}
	r.app.emitSocket(id, "", payload(`["early"]`))
	r.app.publish(backplane.EncodePayload(r.app.conn.SocketAck(id, "1"), "", payload(`[]`)))
	r.app.answer(r.app.conn.Node("g1", "connected", id), &backplane.Connected{Worker: "w1"})
	c.Expect(`40{"sid":"` + id + `"}`)
}

func TestDisconnectByServer(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	chat := c.join("/chat")
	r.app.control(id, backplane.Control{Op: backplane.OpDisconnect})
	c.Expect("41")
	r.app.expectLeave(id, reasonServerLeft)
	// The other namespace goes on, and the way back is open.
	c.Send(`42/chat,["still"]`)
	r.app.expectEvent(`["still"]`)
	id = c.join("")
	r.app.control(chat, backplane.Control{Op: backplane.OpDisconnect, Close: true})
	c.Expect("41/chat,", "41")
	c.ExpectClose(0)
	r.app.expectLeave(chat, reasonServerLeft)
	r.app.expectLeave(id, reasonServerLeft)
	if reply := r.app.control(id, backplane.Control{Op: backplane.OpInfo}); reply.Error != backplane.NoSocket {
		t.Errorf("%+v", reply)
	}
}

func TestDisconnectOnPolling(t *testing.T) {
	r := newRig(t)
	p, id := r.pollJoin()
	r.app.control(id, backplane.Control{Op: backplane.OpDisconnect, Close: true})
	p.Expect("41", "6", "1") // as the reference does
	if a := p.Get(); a.status != 400 {
		t.Errorf("%+v", a)
	}
	// With a GET open.
	p, id = r.pollJoin()
	got := p.GetSoon(t.Context())
	p.polls()
	r.app.control(id, backplane.Control{Op: backplane.OpDisconnect, Close: true})
	if a := next(t, got); a.body != "41" {
		t.Errorf("%+v", a)
	}
	p.Expect("6", "1")
	eventually(t, "nothing left", func() bool { c := r.counts(); return c.sessions == 0 && c.timers == 0 })
}

// A disconnect whose own packets fill the queue closes the session in the middle of its work.
func TestDisconnectOfSlowConsumer(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.QueueBytes = 400 })
	p := r.poll()
	var id string
	for _, nsp := range []string{"/a", "/b", "/c", "/d"} {
		p.Send("40" + nsp + ",")
		id = p.Expect("40" + nsp + `,{"sid":"*"}`)[0]
	}
	s, l := r.session(p.sid)
	r.onLoop(l, func() {
		s.send(textPacket("4" + strings.Repeat("x", 400-s.queued-12))) // room for one DISCONNECT, not for four
	})
	r.app.control(id, backplane.Control{Op: backplane.OpDisconnect, Close: true})
	eventually(t, "the session is gone", func() bool { return r.counts().sessions == 0 })
	if n := value(r.gw.metrics.sockets); n != 0 {
		t.Errorf("%v sockets counted", n)
	}
}
