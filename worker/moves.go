package worker

import (
	"encoding/json"
	"time"

	"go.uber.org/zap"

	"patchbay/backplane"
)

const (
	// leftMemory is how long it is remembered, at least, that a socket has left a gateway: longer than a handoff may take.
	leftMemory = 10 * time.Second
	// maxLeft is how many departures are remembered, in each of two halves. It stops gateways that announce departures
	// without arrivals from filling memory; a departure that is forgotten costs its socket Options.MoveTimeout.
	maxLeft = 32_768
	// maxArrivals is how many gateways may wait for an answer. It stops the same the other way round; beyond it
	// the one that has waited longest is answered early.
	maxArrivals = 32_768
	// maxReplies is how often one of them may ask; only the last times are answered.
	maxReplies = 8
)

// move is one move of one socket.
type move struct{ socket, token string }

// arrival is a gateway that has taken a socket over and asks whether the former one's last event has come.
type arrival struct {
	move
	replies []string // more than one if it has asked again
	until   time.Time
}

// moves brings together the two messages that a worker gets when a socket moves: the former gateway's `left`, which
// follows its last event, and the new one's `moved`, which asks for it. Either may come first. It is pure, and
// owned by the reader.
type moves struct {
	timeout time.Duration
	// Departures: a new half is begun when one is old or full, and the one before the last is forgotten.
	left, leftBefore map[move]struct{}
	begun            time.Time
	// Arrivals without their departures. The queue has them in the order of their ends, with some that
	// are no longer waiting.
	waiting map[move]*arrival
	queue   []*arrival
}

func newMoves(timeout time.Duration) *moves {
	return &moves{timeout: timeout, left: map[move]struct{}{}, waiting: map[move]*arrival{}}
}

// depart notes that a socket has left, and returns the arrival to be answered, if it waits.
func (t *moves) depart(m move, now time.Time) *arrival {
	if len(t.left) >= maxLeft || now.Sub(t.begun) >= leftMemory {
		t.leftBefore, t.left, t.begun = t.left, map[move]struct{}{}, now
	}
	t.left[m] = struct{}{}
	a := t.waiting[m]
	delete(t.waiting, m)
	return a
}

// arrive takes a gateway's question, and returns an arrival to be answered now: this one, or one that makes room
// for it.
func (t *moves) arrive(m move, reply string, now time.Time) *arrival {
	if a := t.waiting[m]; a != nil {
		if len(a.replies) == maxReplies {
			a.replies = append(a.replies[:0], a.replies[1:]...)
		}
		a.replies = append(a.replies, reply)
		return nil
	}
	a := &arrival{m, []string{reply}, now.Add(t.timeout)}
	if t.hasLeft(m) {
		return a
	}
	t.waiting[m] = a
	t.queue = append(t.queue, a)
	if len(t.queue) > maxArrivals {
		return t.pop()
	}
	return nil
}

// hasLeft does not use the departure up: a gateway that missed the answer asks again.
func (t *moves) hasLeft(m move) bool {
	_, ok := t.left[m]
	if !ok {
		_, ok = t.leftBefore[m]
	}
	return ok
}

// expire returns the arrivals that have waited long enough.
func (t *moves) expire(now time.Time) (expired []*arrival) {
	for len(t.queue) > 0 && !now.Before(t.queue[0].until) {
		if a := t.pop(); a != nil {
			expired = append(expired, a)
		}
	}
	return expired
}

// pop takes the first arrival out of the queue, and returns it if it waits.
func (t *moves) pop() *arrival {
	a := t.queue[0]
	t.queue[0] = nil
	t.queue = t.queue[1:]
	if t.waiting[a.move] != a {
		return nil
	}
	delete(t.waiting, a.move)
	return a
}

// next is when expire has something to do; ok is false if nobody waits.
func (t *moves) next() (at time.Time, ok bool) {
	if len(t.queue) == 0 {
		return time.Time{}, false
	}
	return t.queue[0].until, true
}

// left hears that a gateway has sent a socket's last event.
func (r *reader) left(m *backplane.Msg, id string) {
	if len(m.Data) == 0 || len(m.Data) > backplane.MaxMoveToken {
		r.malformed(m, nil)
		return
	}
	r.answerMoved(r.moves.depart(move{id, string(m.Data)}, time.Now()))
}

// moved hears that a gateway has taken a socket over.
func (r *reader) moved(m *backplane.Msg, id string) {
	var to backplane.Moved
	err := json.Unmarshal(m.Data, &to)
	if err != nil || to.Token == "" || len(to.Token) > backplane.MaxMoveToken || !backplane.ValidID(to.Node) || m.Reply == "" {
		r.malformed(m, err)
		return
	}
	s := r.app.sockets.get(id)
	if s == nil {
		r.answerMoved(&arrival{move: move{socket: id}, replies: []string{m.Reply}})
		return
	}
	s.moved(to)
	r.app.seen.changed(to.Node, id)
	r.answerMoved(r.moves.arrive(move{id, to.Token}, m.Reply, time.Now()))
	r.arm()
}

// expireMoves answers the gateways that have waited for long enough: the former ones are gone, or slower
// than their clients' patience.
func (r *reader) expireMoves() {
	r.armed = false
	for _, a := range r.moves.expire(time.Now()) {
		r.app.options.Log.Warn("a socket's former gateway has not said that it is done", zap.String("socket", a.socket))
		r.answerMoved(a)
	}
	r.arm()
}

// arm sets the alarm, unless it is set: ends come in their order.
func (r *reader) arm() {
	if at, ok := r.moves.next(); ok && !r.armed {
		r.alarm.Reset(time.Until(at))
		r.armed = true
	}
}

// answerMoved answers an arrival; nil is none.
func (r *reader) answerMoved(a *arrival) {
	if a == nil {
		return
	}
	for _, reply := range a.replies {
		m := r.standingOf(a.socket, reply)
		if err := r.conn.PublishMsg(m); err != nil {
			r.app.options.Log.Error("cannot answer a gateway that took over a socket", zap.String("socket", a.socket), zap.Error(err))
		}
	}
}
