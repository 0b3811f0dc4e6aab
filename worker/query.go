package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"patchbay/backplane"
)

// query asks a router. The answer includes what this worker has done before. Where an answer lacks a gateway on which this
// worker has no socket any more, that one may have ended unheard: it is forgotten, and the question asked again.
func (a *App) query(ctx context.Context, q backplane.Query) (answer backplane.Answer, err error) {
	ctx, cancel := within(ctx, a.options.RequestTimeout)
	defer cancel()
	answer, err = a.queryOnce(ctx, q)
	if errors.Is(err, ErrIncomplete) && a.forget(answer.Missing) {
		return a.queryOnce(ctx, q)
	}
	return answer, err
}

// forget drops the versions of gateways on which no socket of this worker is. It reports whether there were any.
func (a *App) forget(nodes []string) (any bool) {
	for _, node := range nodes {
		if !a.sockets.some(func(s *Socket) bool { return s.Node() == node }) {
			any = a.seen.forget(node) || any
		}
	}
	return any
}

func (a *App) queryOnce(ctx context.Context, q backplane.Query) (answer backplane.Answer, err error) {
	q.Seen = a.versions(ctx)
	return a.askRouter(ctx, q)
}

// askRouter asks a router.
func (a *App) askRouter(ctx context.Context, q backplane.Query) (answer backplane.Answer, err error) {
	data, err := json.Marshal(q)
	if err != nil {
		return answer, err
	}
	var reply *backplane.Msg
	err = a.ask(ctx, question{size: 1, publish: func(conn *backplane.Conn, _ int, to string) error {
		return conn.PublishRequest(conn.Query(), to, data)
	}}, func(_ int, m *backplane.Msg) { reply = m })
	switch {
	case err != nil:
		return answer, fmt.Errorf("query %s: %w", q.Op, err)
	case backplane.NoResponders(reply):
		return answer, ErrNoRouter
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return answer, fmt.Errorf("query %s: %w", q.Op, err)
	}
	if answer.Error != "" {
		return answer, fmt.Errorf("query %s: %w: %s", q.Op, ErrRefused, answer.Error)
	}
	if !answer.Complete {
		err = &IncompleteError{Op: "query " + string(q.Op), Missing: answer.Missing}
	}
	return answer, err
}

// IncompleteError is an ErrIncomplete that says whose share is missing.
type IncompleteError struct {
	Op      string   // what was asked
	Missing []string // gateways, by id; none if the router has yet to learn of them
	Err     error    // why, if anything is known beside their silence
}

// Error names the gateways.
func (e *IncompleteError) Error() string {
	text := fmt.Sprintf("%s: %v: without %s", e.Op, ErrIncomplete, strings.Join(e.Missing, ", "))
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap makes it an ErrIncomplete.
func (e *IncompleteError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrIncomplete}
	}
	return []error{ErrIncomplete, e.Err}
}
