package tap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"patchbay/backplane"
)

// ErrQuery reports routers that do not answer who a user's sockets are.
var ErrQuery = errors.New("ask the routers")

// Follower has an inbox hear all of a user's sockets in one namespace, both ways, as they come and go. It is for one goroutine.
type Follower struct {
	conn      *backplane.Conn
	inbox     *backplane.Inbox
	namespace string
	room      string
	sockets   map[string][]backplane.Subscription
}

// Follow begins with what is emitted to the user. Update finds the sockets.
func Follow(conn *backplane.Conn, inbox *backplane.Inbox, namespace, user string) (*Follower, error) {
	f := &Follower{conn: conn, inbox: inbox, namespace: namespace, room: backplane.UserRoom(user), sockets: map[string][]backplane.Subscription{}}
	_, err := inbox.Subscribe(conn.Room(namespace, f.room))
	return f, err
}

// Update asks a router for the user's sockets, subscribes to those that are new, and drops those that have gone. It returns both, sorted.
// The subscriptions are in force once the connection is flushed.
func (f *Follower) Update(ctx context.Context) (came, gone []string, err error) {
	now, err := f.ask(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(f.sockets)) {
		if !slices.Contains(now, id) {
			gone = append(gone, id)
			for _, s := range f.sockets[id] {
				err = errors.Join(err, s.Unsubscribe())
			}
			delete(f.sockets, id)
		}
	}
	for _, id := range now {
		if _, known := f.sockets[id]; known {
			continue
		}
		came = append(came, id)
		for _, subject := range []string{f.conn.SocketAll(id), f.conn.WorkersAbout(id)} {
			s, subscribeErr := f.inbox.Subscribe(subject)
			err = errors.Join(err, subscribeErr)
			f.sockets[id] = append(f.sockets[id], s)
		}
	}
	return came, gone, err
}

// askTimeout is how long an Update may take; the next one tries again.
const askTimeout = 5 * time.Second

// ask goes through the pages of the answer, which are sorted.
func (f *Follower) ask(ctx context.Context) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for after := ""; ; {
		question, err := json.Marshal(backplane.Query{Op: backplane.QuerySockets, Namespace: f.namespace, Room: &f.room, After: after})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrQuery, err)
		}
		m, err := f.conn.Request(ctx, &backplane.Msg{Subject: f.conn.Query(), Data: question})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrQuery, err)
		}
		var answer backplane.Answer
		if err := json.Unmarshal(m.Data, &answer); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrQuery, err)
		}
		if answer.Error != "" {
			return nil, fmt.Errorf("%w: %s", ErrQuery, Plain(answer.Error))
		}
		for i := range answer.Sockets {
			if _, _, ok := backplane.SplitSocketID(answer.Sockets[i].ID); ok {
				ids = append(ids, answer.Sockets[i].ID)
			}
		}
		if after = answer.Next; after == "" {
			return ids, nil
		}
	}
}
