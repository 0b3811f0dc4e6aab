package cluster_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go" //patchbay:import a client that knows nothing of Patchbay, as docs/emitting.md has it

	"patchbay/gateway"
	"patchbay/loadtest/cluster"
)

// heardBy are the packets of one client, in their order.
type heardBy struct {
	*player
	id      string
	packets chan string
}

// attend connects a client of the contract app that is in some rooms.
func attend(t *testing.T, url string, rooms ...string) *heardBy {
	t.Helper()
	h := &heardBy{packets: make(chan string, 1000)}
	h.player = dial(t, url, func(packet string) { h.packets <- packet })
	names, err := json.Marshal(rooms)
	if err != nil {
		t.Fatal(err)
	}
	h.send(`421["whoami"]`)
	h.send(`422["join",` + string(names) + `]`)
	var me []struct{ ID string }
	if err := json.Unmarshal([]byte(h.await(t, "31[")[2:]), &me); err != nil || len(me) != 1 {
		t.Fatal(me, err)
	}
	h.id = me[0].ID
	h.await(t, "32[")
	return h
}

// await skips to a packet that begins with a text.
func (h *heardBy) await(t *testing.T, begins string) string {
	t.Helper()
	for {
		select {
		case packet := <-h.packets:
			if strings.HasPrefix(packet, begins) {
				return packet
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("waited for a packet that begins with %s", begins)
		}
	}
}

// until returns the packets before a last one.
func (h *heardBy) until(t *testing.T, last string) (list []string) {
	t.Helper()
	for {
		select {
		case packet := <-h.packets:
			if packet == last {
				return list
			}
			list = append(list, packet)
		case <-time.After(20 * time.Second):
			t.Fatalf("waited for %s", last)
		}
	}
}

// TestEmitFromOutside: what docs/emitting.md says of bare NATS clients, by two of them: the plain Go client, and a socket on which
// NATS's text protocol is spoken. Three clients of two gateways hear what is for them, once, and nothing else.
func TestEmitFromOutside(t *testing.T) {
	c := cluster.Start(t, cluster.Shape{
		Gateways: 2, App: cluster.Contract,
		Gateway: func(_ int, o *gateway.Options) { o.Engine.Recovery = -1 }, // so that events come without an offset
	})
	nc, err := nats.Connect(c.Servers[0].URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	wire := speak(t, c.Servers[0].URL())
	for name, publish := range map[string]func(subject, headers, payload string){
		"the plain Go client": func(subject, headers, payload string) {
			m := &nats.Msg{Subject: subject, Data: []byte(payload), Header: nats.Header{}}
			for line := range strings.Lines(headers) {
				key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				m.Header[key] = []string{value}
			}
			if err := nc.PublishMsg(m); err != nil {
				t.Error(err)
			}
		},
		"the text protocol": wire,
	} {
		t.Run(name, func(t *testing.T) {
			a := attend(t, c.URL(0), "lobby", "a b")
			b := attend(t, c.URL(1), "lobby", "x")
			d := attend(t, c.URL(1), "x")
			birth := a.id[1:4]
			node := a.id[strings.LastIndex(a.id, "_")+1:]
			publish("pb.room.-.lobby", "", `["news",{"a":1}]`)
			publish("pb.room.-.a%20b", "", `["escaped"]`)
			publish("pb.nsp.-", "", `["all"]`)
			publish("pb.socket."+node+"."+birth+"."+a.id+".emit", "", `["one"]`)
			publish("pb.room.-.lobby", "Pb-Except: x\r\n", `["except",1]`)
			publish("pb.nsp.-", "Pb-Except: "+a.id+",a%20b\r\n", `["but a"]`)
			for _, room := range []string{"lobby", "x"} { // a copy for each, with the same id
				publish("pb.room.-."+room, "Pb-Id: "+strings.ReplaceAll(name, " ", "-")+".1\r\nPb-Rooms: lobby,x\r\n", `["both"]`)
			}
			publish("pb.room.-.lobby", "Pb-Attachments: 3,1\r\n", `["bin",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`+"abc!")
			publish("pb.room.-.lobby", "", `{"no":"event"}`) // dropped and counted: clients never see it
			publish("pb.nsp.-", "", `["end"]`)
			bin := `52-["bin",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
			for who, want := range map[*heardBy][]string{
				a: {`2["news",{"a":1}]`, `2["escaped"]`, `2["all"]`, `2["one"]`, `2["except",1]`, `2["both"]`, bin},
				b: {`2["news",{"a":1}]`, `2["all"]`, `2["but a"]`, `2["both"]`, bin},
				d: {`2["all"]`, `2["but a"]`, `2["both"]`},
			} {
				got := who.until(t, `2["end"]`)
				if !slices.Equal(got, want) {
					t.Errorf("in %v: got %q, want %q", who.id, got, want)
				}
			}
		})
	}
}

// speak returns a function that publishes on a socket, with NATS's text protocol.
func speak(t *testing.T, url string) func(subject, headers, payload string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", strings.TrimPrefix(url, "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "INFO ") {
		t.Fatalf("%q, %v", line, err)
	}
	write := func(format string, args ...any) {
		if _, err := fmt.Fprintf(conn, format, args...); err != nil {
			t.Error(err)
		}
	}
	write("CONNECT {\"verbose\":false,\"headers\":true}\r\n")
	return func(subject, headers, payload string) {
		if headers == "" {
			write("PUB %s %d\r\n%s\r\n", subject, len(payload), payload)
			return
		}
		headers = "NATS/1.0\r\n" + headers + "\r\n"
		write("HPUB %s %d %d\r\n%s%s\r\n", subject, len(headers), len(headers)+len(payload), headers, payload)
	}
}
