package gateway

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"patchbay/backplane"
)

// sweep asks a gateway about many sockets.
func (a *app) sweep(node string, c backplane.NodeControl) backplane.NodeReply {
	a.Helper()
	data, err := json.Marshal(c)
	if err != nil {
		a.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(a.Context(), patience)
	defer cancel()
	m, err := a.conn.Request(ctx, &backplane.Msg{Subject: a.conn.Node(node, "control", ""), Data: data})
	if err != nil {
		a.Fatal(err)
	}
	var reply backplane.NodeReply
	if err := json.Unmarshal(m.Data, &reply); err != nil {
		a.Fatal(err)
	}
	return reply
}

// rooms are a socket's, without its own.
func (a *app) rooms(id string) string {
	a.Helper()
	info := a.control(id, backplane.Control{Op: backplane.OpInfo})
	return strings.Join(slices.DeleteFunc(info.Rooms, func(room string) bool { return room == id }), " ")
}

func TestSweep(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.Rooms = 3 })
	clients, ids := make([]*wsClient, 4), make([]string, 4)
	for i := range clients {
		clients[i], ids[i] = r.join("")
	}
	other := clients[0].join("/other")
	expect := func(want ...string) {
		t.Helper()
		for i, id := range ids {
			if got := r.app.rooms(id); got != want[i] {
				t.Errorf("socket %d is in %q, want %q", i, got, want[i])
			}
		}
	}
	ask := func(c backplane.Control, to, except []string) backplane.NodeReply {
		t.Helper()
		c.Namespace = "/"
		reply := r.app.sweep("g1", backplane.NodeControl{Control: c, To: to, Except: except})
		if reply.Seen.Node != "g1" || reply.Seen.Epoch != r.gw.epoch.Load() {
			t.Errorf("%+v", reply)
		}
		return reply
	}
	join := func(rooms ...string) backplane.Control {
		return backplane.Control{Op: backplane.OpJoin, Rooms: rooms}
	}
	first := ask(join("a"), nil, []string{ids[3]})
	if first.Sockets != 3 || first.Error != "" {
		t.Errorf("%+v", first)
	}
	expect("a", "a", "a", "")
	if got := r.app.rooms(other); got != "" {
		t.Errorf("a socket of another namespace is in %q", got)
	}
	second := ask(join("b"), []string{"a", ids[3]}, []string{ids[0]})
	if second.Sockets != 3 || second.Seen.Version < first.Seen.Version+3 {
		t.Errorf("%+v after %+v", second, first)
	}
	expect("a", "a b", "a b", "b")
	// What is joined is heard from the answer on.
	r.app.emitRoom("/", "b", `["news"]`)
	for _, c := range clients[1:] {
		c.Expect(`42["news"]`)
	}
	ask(backplane.Control{Op: backplane.OpLeave, Rooms: []string{"a", "nowhere"}}, []string{"b"}, nil)
	expect("a", "b", "b", "b")
	if reply := ask(join("c", "d"), nil, nil); reply.Sockets != 4 {
		t.Errorf("%+v", reply)
	}
	if reply := ask(join("e"), nil, nil); reply.Error != errRooms.Error() || len(reply.Refused) != 4 || reply.Sockets != 0 {
		t.Errorf("%+v", reply)
	}
	if reply := ask(join("user=ada"), nil, nil); reply.Error != errUserRoom.Error() {
		t.Errorf("%+v", reply)
	}
	for _, bad := range []backplane.NodeControl{
		{Control: backplane.Control{Op: backplane.OpData, Namespace: "/", Data: json.RawMessage(`{}`)}}, {Control: join("x")},
	} {
		if reply := r.app.sweep("g1", bad); reply.Error == "" {
			t.Errorf("%+v: %+v", bad, reply)
		}
	}
	if reply := ask(join("x"), []string{"nobody"}, nil); reply.Sockets != 0 || reply.Error != "" {
		t.Errorf("%+v", reply)
	}
	if reply := ask(backplane.Control{Op: backplane.OpDisconnect}, []string{"b"}, []string{ids[3]}); reply.Sockets != 2 {
		t.Errorf("%+v", reply)
	}
	for i := 1; i <= 2; i++ {
		clients[i].Expect("41")
	}
	if reply := ask(backplane.Control{Op: backplane.OpDisconnect, Close: true}, nil, nil); reply.Sockets != 2 {
		t.Errorf("%+v", reply)
	}
	clients[3].Expect("41")
	clients[3].ExpectClose(0)
	eventually(t, "both connections end", func() bool {
		return r.app.control(other, backplane.Control{Op: backplane.OpInfo}).Error == backplane.NoSocket
	})
}

// Sockets that are on their way between two gateways are named, and left to whoever has them.
func TestSweepNamesWhatMoves(t *testing.T) {
	r := newRig(t)
	_, id := r.join("")
	gone, l := backplane.NewSocketID("g1", 0), r.gw.loopOf(id)
	rooms := map[string]struct{}{"a": {}}
	r.onLoop(l, func() {
		l.leavings["token"] = &leaving{claims: map[string]*audience{
			gone: {nsp: "/", rooms: rooms}, backplane.NewSocketID("g1", 0): {nsp: "/other", rooms: rooms},
		}}
	})
	for _, test := range []struct {
		to, except []string
		named      bool
	}{
		{nil, nil, true}, {[]string{"a"}, nil, true}, {[]string{gone}, nil, true}, {[]string{"b"}, nil, false},
		{nil, []string{"a"}, false}, {[]string{"a"}, []string{gone}, false},
	} {
		reply := r.app.sweep("g1", backplane.NodeControl{
			Control: backplane.Control{Op: backplane.OpJoin, Namespace: "/", Rooms: []string{"x"}}, To: test.to, Except: test.except,
		})
		if named := slices.Equal(reply.Moving, []string{gone}); named != test.named || !named && len(reply.Moving) > 0 {
			t.Errorf("%+v: %+v", test, reply)
		}
	}
	r.onLoop(l, func() { delete(l.leavings, "token") })
}

// The data of a socket is changed by key, by whoever, and its home is told before the one who changed it.
func TestSharedData(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.DataBytes = 60 })
	r.app.onConnect(func(backplane.Connect) *backplane.Connected {
		return &backplane.Connected{Worker: "w1", Data: json.RawMessage(`{"a":1,"b":"<"}`)}
	})
	_, id := r.join("")
	set := func(text string) backplane.ControlReply {
		t.Helper()
		return r.app.control(id, backplane.Control{Op: backplane.OpSet, Namespace: "/", Data: json.RawMessage(text)})
	}
	before := r.app.control(id, backplane.Control{Op: backplane.OpInfo})
	reply := set(`{"b":[2],"c":null}`)
	if reply.Error != "" || reply.Seen.Version != before.Seen.Version+1 {
		t.Errorf("%+v after %+v", reply, before)
	}
	const want = `{"a":1,"b":[2],"c":null}`
	if m := next(t, r.app.replies); m.Subject != r.app.conn.Worker("w1", "data", id) || string(m.Data) != want {
		t.Errorf("the home is told %s %s", m.Subject, m.Data)
	}
	if info := r.app.control(id, backplane.Control{Op: backplane.OpInfo}); string(info.Data) != want {
		t.Errorf("data %s", info.Data)
	}
	if reply := set(`{"d":"` + strings.Repeat("x", 60) + `"}`); reply.Error != errDataSize.Error() {
		t.Errorf("%+v", reply)
	}
	if reply := set(`[1]`); reply.Error != errData.Error() {
		t.Errorf("%+v", reply)
	}
	if reply := r.app.control(id, backplane.Control{Op: backplane.OpSet, Namespace: "/other", Data: json.RawMessage(`{}`)}); reply.Error != backplane.NoSocket {
		t.Errorf("%+v", reply)
	}
	h := r.app.control(id, backplane.Control{Op: backplane.OpHandshake})
	var handshake backplane.Handshake
	if err := json.Unmarshal(h.Handshake, &handshake); err != nil || handshake.Address != "127.0.0.1" || string(h.Data) != want {
		t.Errorf("%+v, %v", h, err)
	}
}

// A socket is one user's, whose room can be joined in no other way.
func TestUserOfSocket(t *testing.T) {
	r := newRig(t)
	c, id := r.join("")
	user := func(name string) string {
		t.Helper()
		if reply := r.app.control(id, backplane.Control{Op: backplane.OpUser, User: name}); reply.Error != "" {
			t.Errorf("%+v", reply)
		}
		return r.app.rooms(id)
	}
	if got := user("ada"); got != "user=ada" {
		t.Error(got)
	}
	r.app.emitRoom("/", backplane.UserRoom("ada"), `["for",1]`)
	c.Expect(`42["for",1]`)
	r.app.join(id, "user=ada", "a") // where it is already
	if got := user("bob"); got != "a user=bob" {
		t.Error(got)
	}
	if reply := r.app.control(id, backplane.Control{Op: backplane.OpJoin, Rooms: []string{"b", "user=eve"}}); reply.Error != errUserRoom.Error() {
		t.Errorf("%+v", reply)
	}
	if reply := r.app.control(id, backplane.Control{Op: backplane.OpUser, User: strings.Repeat("x", backplane.MaxUser+1)}); reply.Error != errUser.Error() {
		t.Errorf("%+v", reply)
	}
	if got := user(""); got != "a" {
		t.Error(got)
	}
}
