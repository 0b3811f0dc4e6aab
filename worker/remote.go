package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"patchbay/backplane"
)

// Remote is one socket by its id, whatever worker is its home and wherever it is: what is asked of it goes to the
// gateway that holds it. It is a value and costs nothing; that there is such a socket is not checked. Its methods return
// ErrDisconnected if there is none, or not in that namespace.
type Remote struct {
	nsp *Namespace
	id  string
}

// Socket is a socket by its id, from any process; see [Remote].
func (n *Namespace) Socket(id string) Remote { return Remote{n, id} }

// Target is the socket as a target, and whoever has joined a room of its name.
func (r Remote) Target() Target { return r.nsp.To(r.id) }

// Emit sends an event to the socket; see [Target.Emit]. That there is no such socket is not noticed.
func (r Remote) Emit(event string, args ...any) error { return r.Target().Emit(event, args...) }

// EmitAck sends an event and waits for the client's acknowledgement; see [Socket.EmitAck].
func (r Remote) EmitAck(ctx context.Context, event string, args ...any) (Args, error) {
	t := r.nsp.Traced(ctx)
	ctx, cancel := t.patience(ctx)
	defer cancel()
	return t.askSocket(ctx, r.id, nil, event, args)
}

// Join joins rooms; see [Socket.Join].
func (r Remote) Join(ctx context.Context, rooms ...string) error {
	if err := nameable(rooms); err != nil {
		return err
	}
	_, err := r.control(ctx, backplane.Control{Op: backplane.OpJoin, Rooms: rooms})
	return err
}

// Leave leaves rooms; see [Socket.Leave].
func (r Remote) Leave(ctx context.Context, rooms ...string) error {
	_, err := r.control(ctx, backplane.Control{Op: backplane.OpLeave, Rooms: rooms})
	return err
}

// SetUser makes the socket one of a user's; see [Socket.SetUser].
func (r Remote) SetUser(ctx context.Context, user string) error {
	_, err := r.control(ctx, backplane.Control{Op: backplane.OpUser, User: user})
	return err
}

// Set stores a value in the socket's data. When it returns, the socket's home and all who ask find it there.
// Values under other keys, set at the same time by others, stay.
func (r Remote) Set(ctx context.Context, key string, value any) error {
	text, err := encodeValue(key, value)
	if err != nil {
		return err
	}
	_, err = r.control(ctx, backplane.Control{Op: backplane.OpSet, Data: patchOf(key, text)})
	return err
}

// Disconnect takes the socket out of its namespace; see [Socket.Disconnect].
func (r Remote) Disconnect(ctx context.Context, end bool) error {
	_, err := r.control(ctx, backplane.Control{Op: backplane.OpDisconnect, Close: end})
	if errors.Is(err, ErrDisconnected) {
		return nil
	}
	return err
}

// Info asks the gateway for the socket's state: rooms, user, data, node, transport.
func (r Remote) Info(ctx context.Context) (Info, error) {
	reply, err := r.control(ctx, backplane.Control{Op: backplane.OpInfo})
	return infoOf(&reply), err
}

// Handshake asks the gateway for the socket's handshake. It is not part of membership, where it would cost more than all else.
func (r Remote) Handshake(ctx context.Context) (*Handshake, error) {
	reply, err := r.control(ctx, backplane.Control{Op: backplane.OpHandshake})
	if err != nil {
		return nil, err
	}
	return decodeHandshake(reply.Handshake, reply.Auth, reply.User, reply.Claims), nil
}

func (r Remote) control(ctx context.Context, c backplane.Control) (reply backplane.ControlReply, err error) {
	a := r.nsp.app
	ctx, cancel := within(ctx, a.options.RequestTimeout)
	defer cancel()
	c.Namespace = r.nsp.name
	err = a.control(ctx, []string{r.id}, c, nil, func(_ int, got *backplane.ControlReply) { reply = *got })
	return reply, controlFailed(r.id, c.Op, &reply, err)
}

// controlFailed is the error of a request about a socket; nil if it was met.
func controlFailed(id string, op backplane.ControlOp, r *backplane.ControlReply, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("socket %s: %s: %w", id, op, err)
	case r.Error == backplane.NoSocket:
		return ErrDisconnected
	case r.Error != "":
		return fmt.Errorf("socket %s: %s: %w: %s", id, op, ErrRefused, r.Error)
	}
	return nil
}

// infoOf is a socket's state from a gateway's reply.
func infoOf(r *backplane.ControlReply) Info {
	return Info{Rooms: r.Rooms, User: userIn(r.Rooms), Transport: r.Transport, Node: r.Seen.Node, data: r.Data}
}

// userIn finds the user among a socket's rooms.
func userIn(rooms []string) string {
	for _, room := range rooms {
		if user, ok := backplane.UserOf(room); ok {
			return user
		}
	}
	return ""
}

// decodeHandshake reads a handshake. One that does not decode comes from no gateway of ours; it is taken for empty.
func decodeHandshake(text, auth json.RawMessage, user string, claims json.RawMessage) *Handshake {
	var h backplane.Handshake
	_ = json.Unmarshal(text, &h)
	return &Handshake{
		Headers: h.Headers, Query: h.Query, Address: h.Address, URL: h.URL,
		Time: time.UnixMilli(h.Time), Secure: h.Secure, XDomain: h.XDomain, auth: auth,
		User: user, claims: claims,
	}
}
