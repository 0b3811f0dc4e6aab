// Command zishang is a Go port of Socket.IO (github.com/zishang520/socket.io) with the three load events, to be compared
// with. It is a module of its own, so that nothing of it enters Patchbay's:
//
//	cd loadtest/peers/zishang && go run . -listen 127.0.0.1:3000
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/zishang520/socket.io/servers/socket/v3"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:3000", "address")
	flag.Parse()
	io := socket.NewServer(nil, nil)
	err := io.On("connection", func(clients ...any) {
		if len(clients) > 0 {
			serve(io, clients[0].(*socket.Socket))
		}
	})
	if err == nil {
		http.Handle("/socket.io/", io.ServeHandler(nil))
		fmt.Println("ready")
		err = http.ListenAndServe(*listen, nil)
	}
	fmt.Fprintln(os.Stderr, "zishang:", err)
	os.Exit(1)
}

// serve gives a socket its handlers. Their registration fails only for reserved names.
func serve(io *socket.Server, s *socket.Socket) {
	_ = s.On("join", func(args ...any) {
		room, ok := args[0].(string)
		if !ok {
			return
		}
		s.Join(socket.Room(room))
		acknowledge(args, []any{[]any{room}})
	})
	_ = s.On("publish", func(args ...any) {
		if room, ok := args[0].(string); ok && len(args) > 1 {
			_ = io.To(socket.Room(room)).Emit("msg", args[1])
		}
	})
	_ = s.On("echo", func(args ...any) { acknowledge(args, args[:1]) })
}

// acknowledge calls the acknowledgement that stands last, if there is one.
func acknowledge(args, with []any) {
	if ack, ok := args[len(args)-1].(socket.Ack); ok {
		ack(with, nil)
	}
}
