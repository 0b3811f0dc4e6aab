package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"patchbay/backplane"
)

// replyVerb is the verb of the worker's own subject for replies to it.
const replyVerb = "reply"

// replies matches what comes back with those who wait. All replies come through the worker's
// one subscription; a waiting caller costs a map entry and no goroutine. Safe for concurrent use.
type replies struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]place
	polls   map[uint64]*poll
}

// place is where a reply goes.
type place struct {
	to    chan<- answer
	index int
}

// answer is a reply to the request with that index.
type answer struct {
	index int
	msg   *backplane.Msg
}

// exchange is one or several requests whose replies are waited for together.
type exchange struct {
	replies *replies
	first   uint64
	size    int
	answers chan answer // room for all: whoever delivers never waits
}

func newReplies() *replies {
	return &replies{waiting: map[uint64]place{}, polls: map[uint64]*poll{}}
}

// expect numbers a poll, whose answers come in from then on, until forget.
func (r *replies) expect(p *poll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	p.number = r.last
	r.polls[p.number] = p
}

func (r *replies) forget(p *poll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.polls, p.number)
}

// token is the last token of the poll's reply subject. That of a socket's answer has the socket's id after it.
func (p *poll) token() string { return strconv.FormatUint(p.number, 36) }

// lost tells those who wait that a gateway is dead.
func (r *replies) lost(node string) {
	r.mu.Lock()
	polls := slices.Collect(maps.Values(r.polls))
	r.mu.Unlock()
	for _, p := range polls {
		p.lost(node)
	}
}

func (r *replies) open(size int) *exchange {
	x := &exchange{replies: r, size: size, answers: make(chan answer, size)}
	r.mu.Lock()
	defer r.mu.Unlock()
	x.first = r.last + 1
	r.last += uint64(size)
	for i := range size {
		r.waiting[x.first+uint64(i)] = place{x.answers, i}
	}
	return x
}

// token is the last token of the reply subject of a request.
func (x *exchange) token(i int) string { return strconv.FormatUint(x.first+uint64(i), 36) }

// close forgets the requests; late replies are then ignored.
func (x *exchange) close() {
	x.replies.mu.Lock()
	defer x.replies.mu.Unlock()
	for i := range x.size {
		delete(x.replies.waiting, x.first+uint64(i))
	}
}

// deliver passes a reply on. Ones that nobody waits for are ignored. It reports whether the message made sense.
func (r *replies) deliver(token string, m *backplane.Msg) (ok bool) {
	token, socket, _ := strings.Cut(token, ".")
	id, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.waiting[id]; ok {
		delete(r.waiting, id)
		p.to <- answer{p.index, m}
	}
	if p := r.polls[id]; p != nil {
		return p.take(socket, m)
	}
	return true
}

// len is how many replies are waited for.
func (r *replies) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting) + len(r.polls)
}

// question is what ask asks.
type question struct {
	size int
	// publish publishes the request with an index, with a reply subject.
	publish func(conn *backplane.Conn, i int, reply string) error
	// published, if set, is called once, when all are on their way or will never be.
	published func()
	// gone, if set, ends the waiting when it is closed.
	gone <-chan struct{}
}

// ask publishes requests and calls got with each reply. It returns when all have come, with ctx's
// error, or with ErrDisconnected when gone is closed first.
func (a *App) ask(ctx context.Context, q question, got func(i int, m *backplane.Msg)) error {
	x := a.replies.open(q.size)
	defer x.close()
	err := a.publishAll(x, q)
	if q.published != nil {
		q.published()
	}
	if err != nil {
		return err
	}
	for range q.size {
		select {
		case one := <-x.answers:
			got(one.index, one.msg)
			continue
		default:
		}
		select {
		case one := <-x.answers:
			got(one.index, one.msg)
		case <-ctx.Done():
			return ctx.Err()
		case <-a.run.ended:
			return ErrNotRunning
		case <-q.gone:
			// What came before the end counts: the reader delivered it first.
			select {
			case one := <-x.answers:
				got(one.index, one.msg)
			default:
				return ErrDisconnected
			}
		}
	}
	return nil
}

func (a *App) publishAll(x *exchange, q question) error {
	conn := a.conn.Load()
	if conn == nil {
		return ErrNotRunning
	}
	for i := range q.size {
		if err := q.publish(conn, i, conn.Worker(a.options.ID, replyVerb, x.token(i))); err != nil {
			return err
		}
	}
	return nil
}

// within gives ctx a deadline if it has none.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

// ackArgs reads a client's acknowledgement.
func ackArgs(m *backplane.Msg) (Args, error) {
	if backplane.NoResponders(m) {
		return nil, ErrDisconnected
	}
	if reason := headerError(m); reason != "" {
		if reason == backplane.NoSocket || reason == backplane.SocketGone {
			return nil, ErrDisconnected
		}
		return nil, fmt.Errorf("%w: %s", ErrAckRefused, reason)
	}
	p, err := backplane.DecodePayload(m)
	if err != nil {
		return nil, errors.Join(ErrPayload, err)
	}
	return appendArgs(nil, p)
}

func headerError(m *backplane.Msg) string {
	if v := m.Header[backplane.HeaderError]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// ackFailed makes the error of an acknowledgement that did not come.
func ackFailed(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrAckTimeout, err)
	}
	return err
}
