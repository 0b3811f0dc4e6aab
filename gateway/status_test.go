package gateway

import (
	"context"
	"encoding/json"
	"testing"

	"patchbay/backplane"
)

// inquire asks as a router does, for its status page.
func inquire[T any](r *rig, subject, data string) (answer T) {
	r.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m, err := r.app.conn.Request(ctx, &backplane.Msg{Subject: subject, Data: []byte(data)})
	if err != nil {
		r.Fatal(err)
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		r.Fatal(err)
	}
	return answer
}

func TestStatus(t *testing.T) {
	r := newRig(t)
	r.app.onConnect(accept())
	c, id := r.join("")
	p, pid := r.pollJoin()
	node := func() backplane.NodeStatus {
		return inquire[backplane.NodeStatus](r, r.app.conn.Node("g1", backplane.VerbStatus, ""), "")
	}
	s := node()
	if s.Node != "g1" || s.Epoch != r.gw.epoch.Load() || s.Phase != backplane.PhaseOpen || s.Sockets != 2 || s.Connections < 1 || s.Opened != 2 || s.Drain != nil {
		t.Errorf("%+v", s)
	}
	c.Send(`42["alive"]`)
	p.Send(`42["alive"]`)
	eventually(t, "its messages are counted", func() bool { return node().Received >= s.Received+2 })

	socket := inquire[backplane.ControlReply](r, r.app.conn.SocketStatus(id), `{"op":"disconnect"}`)
	if k := socket.Link; k == nil || k.Transport != "websocket" || k.Address != "127.0.0.1" || k.Protocol != 4 || k.Parser != "json" || k.Queued != 0 || k.WaitingMS != 0 {
		t.Errorf("%+v", socket)
	}
	if polling := inquire[backplane.ControlReply](r, r.app.conn.SocketStatus(pid), ""); polling.Link == nil || polling.Link.Transport != "polling" {
		t.Errorf("%+v", polling)
	}
	// Whoever may only end sockets can have no other operation done.
	if ended := inquire[backplane.ControlReply](r, r.app.conn.SocketEnd(id), `{"op":"join","rooms":["x"]}`); ended.Error != "" {
		t.Errorf("%+v", ended)
	}
	c.Expect("41")
	if gone := inquire[backplane.ControlReply](r, r.app.conn.SocketStatus(id), ""); gone.Error != backplane.NoSocket {
		t.Errorf("%+v", gone)
	}
	if ended := inquire[backplane.ControlReply](r, r.app.conn.SocketEnd(pid), `{"close":true}`); ended.Error != "" {
		t.Errorf("%+v", ended)
	}
	eventually(t, "no socket is left", func() bool { return node().Sockets == 0 })
}
