package backplane

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A link may be lost in the moment in which it is made, and another be found at once, when Open has not returned yet.
func TestLostAtOnce(t *testing.T) {
	s, err := StartServer(ServerOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	address := cutAfterPong(t, strings.TrimPrefix(s.URL(), "nats://"))
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(t.Context(), Options{URL: "nats://" + address + ",nats://localhost:" + port}) // the other is tried without a wait
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	select {
	case <-c.Back(): // no use of c before this
	case <-time.After(patience):
		t.Fatal("not back")
	}
}

// cutAfterPong passes links on to a server. The first is cut as soon as the client must take it for made.
func cutAfterPong(t *testing.T, server string) (address string) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends with the listener
		defer close(done)
		for first := true; ; first = false {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			pass(client, server, first)
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// pass joins a client and a server until one of them ends, or the server has said PONG. It takes no lock that the test takes, t's
// included: that would order what is tried here.
func pass(client net.Conn, address string, cut bool) {
	defer func() { _ = client.Close() }()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return
	}
	sent := make(chan struct{})
	go func() { // ends with the client
		defer close(sent)
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	for lines := bufio.NewReader(server); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		if _, err := client.Write(line); err != nil || cut && bytes.HasPrefix(line, []byte("PONG")) {
			break
		}
	}
	_ = client.Close()
	<-sent
}
