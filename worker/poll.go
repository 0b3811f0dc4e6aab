package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"patchbay/backplane"
)

// Response is one socket's, or one worker's, answer to a question to many.
type Response struct {
	From string // the socket's or worker's id
	Args Args
	Err  error // of a worker's answer: ErrAckTimeout, …
}

// AckError reports a question to many sockets that not all have answered.
type AckError struct {
	Sockets []string // those that were asked and did not answer, sorted
	Nodes   []string // gateways that did not say whom they asked, sorted
	Err     error    // why: ErrAckTimeout, ErrAckRefused, a context's error, or several of them
}

// Error says how many did not answer.
func (e *AckError) Error() string {
	text := fmt.Sprintf("%v: %d sockets did not answer", e.Err, len(e.Sockets))
	if len(e.Nodes) > 0 {
		text += fmt.Sprintf(", %d gateways did not say whom they asked", len(e.Nodes))
	}
	return text
}

// Unwrap returns why.
func (e *AckError) Unwrap() error { return e.Err }

// EmitAck emits to every socket of the target and waits for their acknowledgements, at most Options.AckTimeout
// if neither ctx nor [Target.Timeout] says how long. It returns the answers that came, in the order of the sockets' ids,
// and an [AckError] if somebody was asked and did not answer in time.
//
// It costs one publish for each room, whatever the number of sockets. The gateways that membership names as holding some of
// them say whom they have asked; EmitAck returns as soon as all of these have answered or are gone. A socket that
// joins meanwhile is asked, and waited for, if it does so before its gateway gets the event. A volatile event is no question to those
// that it is dropped for. See docs/decisions/0006.
func (t Target) EmitAck(ctx context.Context, event string, args ...any) ([]Response, error) {
	switch {
	case t.nsp.match != "":
		return nil, ErrParent
	case t.nobody():
		return nil, nil
	}
	ctx, cancel := t.patience(ctx)
	defer cancel()
	nodes, err := t.nodes(ctx)
	if err != nil {
		return nil, ackFailed(err)
	}
	t = t.Traced(ctx)
	span := t.begin(event)
	answers, err := t.answers(ctx, nodes, event, args)
	finish(span, err)
	return answers, err
}

// answers emits, and gathers the answers of some gateways' sockets.
func (t *Target) answers(ctx context.Context, nodes map[string]struct{}, event string, args []any) ([]Response, error) {
	p, err := t.poll(nodes, event, args)
	if err != nil {
		return nil, err
	}
	a := t.nsp.app
	defer a.replies.forget(p)
	select {
	case <-p.done:
		return p.responses(nil)
	case <-ctx.Done():
		return p.responses(ackFailed(ctx.Err()))
	case <-a.run.ended:
		return p.responses(ErrNotRunning)
	}
}

// nodes are the gateways that hold sockets of the target, as membership knows.
func (t *Target) nodes(ctx context.Context) (map[string]struct{}, error) {
	nodes := map[string]struct{}{}
	if t.node != "" {
		nodes[t.node] = struct{}{}
		return nodes, nil
	}
	answer, err := t.nsp.app.query(ctx, t.query(backplane.QueryWhere))
	// A silent gateway is waited for, until it is declared dead.
	if err != nil && !errors.Is(err, ErrIncomplete) {
		return nil, err
	}
	for i := range answer.Nodes {
		nodes[answer.Nodes[i].ID] = struct{}{}
	}
	return nodes, nil
}

// poll emits, and returns where the answers come in.
func (t *Target) poll(nodes map[string]struct{}, event string, args []any) (*poll, error) {
	a := t.nsp.app
	conn := a.conn.Load()
	if conn == nil {
		return nil, ErrNotRunning
	}
	enc := a.encoders.get()
	defer a.encoders.put(enc)
	payload, err := enc.event(event, args)
	if err != nil {
		return nil, err
	}
	t.tell(event, args)
	a.metrics.emits.Inc()
	e := t.emit(payload)
	e.Ask = true
	subjects := t.subjects(nil, conn, &e)
	p := &poll{silent: nodes, copies: len(subjects), asked: map[string]string{}, answers: map[string]*backplane.Msg{}, done: make(chan struct{})}
	a.replies.expect(p)
	p.settle() // if membership names nobody
	if err := conn.Emit(&e, conn.Worker(a.options.ID, replyVerb, p.token()), subjects...); err != nil {
		a.replies.forget(p)
		return nil, err
	}
	return p, nil
}

// poll is a question to many sockets. Gateways say whom they have asked, and sockets answer, in any order. Safe for
// concurrent use.
type poll struct {
	number uint64 // in replies

	mu      sync.Mutex
	silent  map[string]struct{}       // gateways that have not said whom they asked
	asked   map[string]string         // sockets that have not answered, with their gateways
	answers map[string]*backplane.Msg // of sockets; nil: it is gone
	dead    []string                  // gateways that are lost: what they said before may come after that
	copies  int                       // of the emit, on subjects of which none is known to have had no receiver
	over    bool
	done    chan struct{} // closed when nobody is waited for
}

// take takes what came: for a socket its answer, otherwise a gateway's word, or NATS's that nobody has heard.
func (p *poll) take(socket string, m *backplane.Msg) (ok bool) {
	if socket == "" && !backplane.NoResponders(m) {
		var asked backplane.Asked
		if err := json.Unmarshal(m.Data, &asked); err != nil || asked.Node == "" {
			return false
		}
		p.tally(&asked)
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case socket != "":
		delete(p.asked, socket)
		p.answers[socket] = m
	default:
		if p.copies--; p.copies == 0 {
			clear(p.silent)
		}
	}
	p.settleLocked()
	return true
}

// tally takes a gateway's word.
func (p *poll) tally(asked *backplane.Asked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if slices.Contains(p.dead, asked.Node) {
		return
	}
	for _, socket := range asked.Sockets {
		if _, answered := p.answers[socket]; !answered {
			p.asked[socket] = asked.Node
		}
	}
	if !asked.More {
		delete(p.silent, asked.Node)
	}
	p.settleLocked()
}

// lost waits no longer for a gateway that is dead, and for its sockets.
func (p *poll) lost(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = append(p.dead, node)
	delete(p.silent, node)
	for socket, on := range p.asked {
		if on == node {
			delete(p.asked, socket)
			p.answers[socket] = nil
		}
	}
	p.settleLocked()
}

func (p *poll) settle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settleLocked()
}

func (p *poll) settleLocked() {
	if !p.over && len(p.silent) == 0 && len(p.asked) == 0 {
		p.over = true
		close(p.done)
	}
}

// responses are the answers that came. cause is why no more are waited for, if some are missing.
func (p *poll) responses(cause error) ([]Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Response, 0, len(p.answers))
	missing := AckError{Sockets: slices.Collect(maps.Keys(p.asked)), Nodes: slices.Sorted(maps.Keys(p.silent))}
	if len(missing.Sockets)+len(missing.Nodes) > 0 {
		missing.Err = cause
	}
	for socket, m := range p.answers {
		if m == nil {
			continue
		}
		args, err := ackArgs(m)
		switch {
		case errors.Is(err, ErrDisconnected):
		case err != nil:
			missing.Sockets = append(missing.Sockets, socket)
			if !errors.Is(missing.Err, err) {
				missing.Err = errors.Join(missing.Err, err)
			}
		default:
			list = append(list, Response{From: socket, Args: args})
		}
	}
	slices.SortFunc(list, func(a, b Response) int { return cmp.Compare(a.From, b.From) })
	slices.Sort(missing.Sockets)
	if missing.Err != nil {
		return list, &missing
	}
	return list, nil
}
