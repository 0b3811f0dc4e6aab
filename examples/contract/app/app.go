// Package app is the contract app: small behaviours that any Socket.IO server can have, so that tests, real
// clients and load generators can all be pointed at the same.
package app

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"unicode/utf16"

	"patchbay/worker"
)

// done acknowledges with no argument.
func done(err error) (worker.Values, error) { return worker.Values{}, err }

// Register adds the contract app to a worker.
func Register(w *worker.App) error {
	for _, name := range []string{"/", "/custom", "/auth"} {
		io := w.Namespace(name)
		register(io.Handlers)
		if name == "/auth" {
			io.Use(authorize)
		} else {
			registerPeers(w, io)
		}
	}
	dynamic, err := w.Pattern(`/dynamic-\d+`)
	if err != nil {
		return err
	}
	register(dynamic.Handlers)
	return nil
}

func authorize(_ context.Context, s *worker.Socket) error {
	var auth map[string]any
	if err := s.Handshake().Auth(&auth); err != nil || auth["token"] != "secret" {
		return &worker.Refusal{Message: "not authorized", Data: map[string]any{"code": "E_AUTH", "retry": false}}
	}
	return nil
}

func register(io *worker.Handlers) {
	io.OnConnect(func(_ context.Context, s *worker.Socket) error { return s.Emit("auth", auth(s)) })
	io.OnConnect(count)
	io.OnDisconnect(func(_ context.Context, s *worker.Socket, reason string) {
		// An emit fails only while NATS is away, and then there is nobody to tell.
		_ = s.Namespace().To("watchers").Emit("peer-left", s.ID(), reason)
	})
	registerEcho(io)
	registerState(io)
	registerBroadcasts(io)
	registerBursts(io)
	registerAdministration(io)
}

// auth is the auth payload of the handshake, `{}` if there was none.
func auth(s *worker.Socket) json.RawMessage {
	payload := json.RawMessage("{}")
	if err := s.Handshake().Auth(&payload); err != nil {
		return json.RawMessage("{}")
	}
	return payload
}

// count keeps what a socket has counted in a closure of its own.
func count(_ context.Context, s *worker.Socket) error {
	report := struct {
		Seen    int  `json:"seen"`
		InOrder bool `json:"inOrder"`
	}{InOrder: true}
	worker.On(s, "seq", func(_ context.Context, _ *worker.Socket, n worker.Arg) error {
		var number float64
		if err := n.Decode(&number); err != nil || number != float64(report.Seen) {
			report.InOrder = false
		}
		report.Seen++
		return nil
	})
	worker.OnAck0(s, "seq-report", func(context.Context, *worker.Socket) (any, error) { return report, nil })
	return nil
}

func registerEcho(io *worker.Handlers) {
	worker.On(io, "message", func(_ context.Context, s *worker.Socket, args worker.Args) error {
		return s.Emit("message-back", args)
	})
	worker.OnAck(io, "message-with-ack", func(_ context.Context, _ *worker.Socket, args worker.Args) (worker.Args, error) {
		return args, nil
	})
	// What the client has sent, and what the worker knows of it: its number, and whether it may have been handled before.
	worker.OnAck(io, "numbered", func(ctx context.Context, s *worker.Socket, n worker.Arg) (worker.Arg, error) {
		e := worker.EventFrom(ctx)
		return n, s.Emit("numbered-back", n, e.Number, e.Redelivered)
	})
	worker.OnAck(io, "echo", func(_ context.Context, _ *worker.Socket, payload worker.Arg) (worker.Arg, error) {
		return payload, nil
	})
	worker.On2(io, "publish", func(_ context.Context, s *worker.Socket, room string, payload worker.Arg) error {
		return s.Namespace().To(room).Emit("msg", payload)
	})
}

func registerState(io *worker.Handlers) {
	worker.OnAck0(io, "whoami", func(ctx context.Context, s *worker.Socket) (any, error) {
		info, err := s.Info(ctx)
		return map[string]any{
			"id": s.ID(), "nsp": s.Namespace().Name(), "rooms": sorted(info.Rooms), "recovered": s.Recovered(),
			"transport": info.Transport, "query": query(s.Handshake().Query), "auth": auth(s), "data": s.Data(), "node": info.Node,
		}, err
	})
	worker.OnAck2(io, "set-data", func(ctx context.Context, s *worker.Socket, key string, value worker.Arg) (any, error) {
		err := s.Set(ctx, key, value)
		return s.Data(), err
	})
	worker.OnAck(io, "join", func(ctx context.Context, s *worker.Socket, list rooms) ([]string, error) {
		if err := s.Join(ctx, list...); err != nil {
			return nil, err
		}
		all, err := s.Rooms(ctx)
		return sorted(all), err
	})
	worker.OnAck(io, "leave", func(ctx context.Context, s *worker.Socket, room string) ([]string, error) {
		if err := s.Leave(ctx, room); err != nil {
			return nil, err
		}
		all, err := s.Rooms(ctx)
		return sorted(all), err
	})
	worker.OnAck(io, "set-user", func(ctx context.Context, s *worker.Socket, user string) (string, error) {
		return user, s.SetUser(ctx, user)
	})
	worker.On(io, "disconnect-me", func(ctx context.Context, s *worker.Socket, end any) error {
		return s.Disconnect(ctx, end == true)
	})
}

// rooms is a room or an array of rooms.
type rooms []string

// UnmarshalJSON takes either form.
func (r *rooms) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		*r = make(rooms, 1)
		return json.Unmarshal(text, &(*r)[0])
	}
	return json.Unmarshal(text, (*[]string)(r))
}

// sorted sorts by UTF-16 code unit, as JavaScript does.
func sorted(list []string) []string {
	slices.SortFunc(list, func(a, b string) int {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
	})
	return list
}

// query is a query as JavaScript has it: a string for a key that comes once, an array otherwise.
func query(values url.Values) map[string]any {
	m := make(map[string]any, len(values))
	for key, list := range values {
		if len(list) == 1 {
			m[key] = list[0]
		} else {
			m[key] = list
		}
	}
	return m
}
