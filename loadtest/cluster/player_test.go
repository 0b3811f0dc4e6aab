package cluster_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// player is a WebSocket client of a gateway: it answers pings, and hands every Socket.IO packet to a function, on a goroutine of its own.
type player struct {
	conn net.Conn
	read *bufio.Reader
	mu   sync.Mutex // of writing
	done chan struct{}
}

// dial connects a client to "/", and returns once it has joined. It is closed at the test's end.
func dial(t testing.TB, url string, heard func(packet string)) *player {
	t.Helper()
	conn, buffered, _, err := ws.Dial(context.Background(), "ws"+strings.TrimPrefix(url, "http")+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		t.Fatal(err)
	}
	p := &player{conn: conn, read: buffered, done: make(chan struct{})}
	if p.read == nil {
		p.read = bufio.NewReader(conn)
	}
	joined := make(chan struct{})
	go func() {
		defer close(p.done)
		p.listen(joined, heard)
	}()
	t.Cleanup(func() {
		_ = p.conn.Close()
		<-p.done
	})
	p.send("40")
	select {
	case <-joined:
	case <-p.done:
		t.Fatal("the connection ended before it had joined")
	}
	return p
}

func (p *player) send(packet string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// An error shows in what does not come back.
	_ = wsutil.WriteClientText(p.conn, []byte(packet))
}

// emit sends an event.
func (p *player) emit(format string, args ...any) { p.send("42" + fmt.Sprintf(format, args...)) }

func (p *player) listen(joined chan<- struct{}, heard func(string)) {
	for {
		data, err := wsutil.ReadServerText(readWriter{p.read, p.conn})
		if err != nil {
			return
		}
		switch text := string(data); {
		case text == "2":
			p.send("3")
		case strings.HasPrefix(text, "40"):
			close(joined)
		case strings.HasPrefix(text, "4"):
			heard(text[1:])
		}
	}
}

// readWriter reads what the handshake left over first.
type readWriter struct {
	*bufio.Reader
	conn net.Conn
}

// Write implements io.Writer.
func (r readWriter) Write(b []byte) (int, error) { return r.conn.Write(b) }
