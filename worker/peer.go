package worker

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"patchbay/backplane"
)

// peerVerb is the verb of a worker's subject for questions from other workers.
const peerVerb = "peer"

// PeerHandler takes an event from another worker. [Event.Ack] answers it; an error answers that there is no answer. It
// runs on a goroutine of its own.
type PeerHandler func(ctx context.Context, e *Event) error

// OnPeer sets what this worker does with an event that another one sends by [Namespace.AskPeers] or
// [Namespace.EmitPeers].
func (n *Namespace) OnPeer(event string, f PeerHandler) {
	n.app.serves.mu.Lock()
	defer n.app.serves.mu.Unlock()
	byEvent := n.app.serves.peers[n.name]
	if byEvent == nil {
		byEvent = map[string]PeerHandler{}
		n.app.serves.peers[n.name] = byEvent
	}
	byEvent[event] = f
}

// EmitPeers sends an event to every other worker that has a handler for it in the namespace; nobody answers. It is one message,
// at most once, and each worker's own order holds. See [Namespace.OnPeer].
func (n *Namespace) EmitPeers(event string, args ...any) error {
	a := n.app
	conn := a.conn.Load()
	if conn == nil {
		return ErrNotRunning
	}
	enc := a.encoders.get()
	defer a.encoders.put(enc)
	p, err := enc.event(event, args)
	if err != nil {
		return err
	}
	e := backplane.Emit{Payload: p, Namespace: n.name}
	return conn.PublishMsg(e.Encode(conn.Peers(a.options.ID), ""))
}

// AskPeers sends an event to every other worker that serves the namespace by name, and waits for their answers,
// at most Options.AckTimeout if ctx has no deadline: until all that the routers know have answered, or are known not to.
// There is a Response for each, in the order of their ids: of those that have not answered in time with ErrAckTimeout, of those
// that cannot (no handler, or it failed) with ErrAckRefused, of those that are gone with ErrDisconnected.
func (n *Namespace) AskPeers(ctx context.Context, event string, args ...any) ([]Response, error) {
	a := n.app
	ctx, cancel := within(ctx, a.options.AckTimeout)
	defer cancel()
	known, err := a.query(ctx, backplane.Query{Op: backplane.QueryNodes})
	if err != nil && !errors.Is(err, ErrIncomplete) { // silent gateways do not matter here
		return nil, err
	}
	var list []Response
	for _, w := range known.Workers {
		if w.ID != a.options.ID && slices.Contains(w.Namespaces, n.name) {
			list = append(list, Response{From: w.ID, Err: ErrAckTimeout})
		}
	}
	enc := a.encoders.get()
	defer a.encoders.put(enc)
	p, err := enc.event(event, args)
	if err != nil {
		return nil, err
	}
	emit := backplane.Emit{Payload: p, Namespace: n.name}
	err = a.ask(ctx, question{size: len(list), publish: func(conn *backplane.Conn, i int, reply string) error {
		return conn.PublishMsg(emit.Encode(conn.Worker(list[i].From, peerVerb, strconv.Itoa(i)), reply))
	}}, func(i int, m *backplane.Msg) { list[i].Args, list[i].Err = ackArgs(m) })
	if err != nil && ctx.Err() == nil {
		return list, err
	}
	return list, nil
}

// takePeer handles another worker's event.
func (a *App) takePeer(m *backplane.Msg) {
	e, ok, err := a.parseEvent(m)
	if err != nil || !ok {
		a.metrics.malformed.Inc()
		return
	}
	nsp, err := backplane.NamespaceOf(m)
	if err != nil {
		a.metrics.malformed.Inc()
		return
	}
	a.serves.mu.RLock()
	f := a.serves.peers[nsp][e.Name]
	a.serves.mu.RUnlock()
	if f == nil {
		a.refusePeer(e, "no handler for "+e.Name)
		return
	}
	a.crew.run(func() {
		if err := a.handlePeer(f, e); err != nil {
			a.metrics.failures.Inc()
			a.refusePeer(e, err.Error())
			a.options.Log.Error("peer handler failed", zap.String("namespace", nsp), zap.String("event", e.Name), zap.Error(err))
		}
	})
}

func (a *App) handlePeer(f PeerHandler, e *Event) (err error) {
	defer func() {
		if v := recover(); v != nil {
			a.metrics.panics.Inc()
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return f(a.ctx, e)
}

// refusePeer answers that no answer will come, if one is waited for: so that the asker need not wait until its time is up.
func (a *App) refusePeer(e *Event, why string) {
	conn := a.conn.Load()
	if conn == nil || e.reply == "" || e.acked.Swap(true) {
		return
	}
	m := &backplane.Msg{Subject: e.reply, Header: map[string][]string{backplane.HeaderError: {headerText(why)}}}
	if err := conn.PublishMsg(m); err != nil {
		a.options.Log.Error("cannot refuse to answer another worker", zap.Error(err))
	}
}

// headerText makes a text fit for a header's value: one line, of a bounded length.
func headerText(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return strings.ToValidUTF8(text[:min(len(text), maxHeaderText)], "")
}

// maxHeaderText bounds what a failed handler says to other workers, in bytes.
const maxHeaderText = 512
