package app

import (
	"context"
	"encoding/json"

	"patchbay/worker"
)

func registerAdministration(io *worker.Handlers) {
	worker.OnAck(io, "fetch-room", func(ctx context.Context, s *worker.Socket, room *string) (any, error) {
		target := s.Namespace().All()
		if room != nil {
			target = target.To(*room)
		}
		sockets, err := target.Sockets(ctx)
		return describe(sockets), err
	})
	worker.OnAck2(io, "room-join", func(ctx context.Context, s *worker.Socket, of, others rooms) (worker.Values, error) {
		return done(s.Namespace().To(of...).Join(ctx, others...))
	})
	worker.OnAck2(io, "room-leave", func(ctx context.Context, s *worker.Socket, of, others rooms) (worker.Values, error) {
		return done(s.Namespace().To(of...).Leave(ctx, others...))
	})
	worker.OnAck2(io, "kick", func(ctx context.Context, s *worker.Socket, of rooms, end any) (worker.Values, error) {
		return done(s.Namespace().To(of...).Disconnect(ctx, end == true))
	})
}

// member is a socket as fetch-room tells of it.
type member struct {
	ID    string          `json:"id"`
	Rooms []string        `json:"rooms"`
	Data  json.RawMessage `json:"data"`
}

func describe(sockets []worker.RemoteSocket) []member {
	list := make([]member, len(sockets))
	for i := range sockets {
		list[i] = member{sockets[i].ID, sorted(sockets[i].Rooms), sockets[i].Data()}
	}
	return list
}

// registerPeers: the workers of the app ask each other who they are.
func registerPeers(w *worker.App, io *worker.Namespace) {
	io.OnPeer("who", func(_ context.Context, e *worker.Event) error {
		var argument string
		if err := e.Args.Decode(&argument); err != nil {
			return err
		}
		return e.Ack(w.ID() + ":" + argument)
	})
	worker.OnAck(io, "server-side-emit", func(ctx context.Context, _ *worker.Socket, argument worker.Arg) (any, error) {
		answers, err := io.AskPeers(ctx, "who", argument)
		replies := worker.Args{}
		for _, one := range answers {
			if one.Err == nil {
				replies = append(replies, one.Args.At(0))
			}
		}
		return map[string]any{"replies": replies}, err
	})
}
