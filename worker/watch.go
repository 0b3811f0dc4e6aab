package worker

import (
	"context"
	"errors"
	"iter"
	"sync"
)

// Member is a socket in a watched room.
type Member struct {
	ID   string
	User string // see [Socket.SetUser]
	Node string // the gateway, as of when it came
}

// PresenceChange is that a socket has come to a watched room, or left it.
type PresenceChange struct {
	Member
	Joined bool
	// Initial is set of those that were there when the watch began.
	Initial bool
	// FirstOfUser is set when the user, who was not in the room, has come with this socket; LastOfUser when the user has left with it.
	// A socket without a user counts as one of its own.
	FirstOfUser, LastOfUser bool
	Sockets, Users          int // in the room after it; Users counts those without a user one by one
}

// ErrWatchEnded reports a watch that was closed, by [Watch.Close] or because the worker stopped.
var ErrWatchEnded = errors.New("worker: watch has ended")

// Watch tells who comes to a room and who leaves it, wherever in the cluster.
//
// A router tells; if it dies another takes over, and what has happened in between is told then. Each socket's coming and
// leaving is told once, and alternately; what comes and goes faster than its watcher looks, or than a router is found, may not be told at all:
// a watch never falls behind by more than there is to know. A gateway that crashes takes its sockets with it, once its lease has run out.
type Watch struct {
	app   *App
	state *watching
}

// Watch begins to watch a room. It returns when the first members are known, which [Watch.Changes] tells first, and ends with
// [Watch.Close]. A router refuses rooms of more than 100,000 sockets.
func (n *Namespace) Watch(ctx context.Context, room string) (*Watch, error) {
	return n.app.watch(ctx, n.name, &room)
}

// WatchAll begins to watch the whole namespace; see [Namespace.Watch].
func (n *Namespace) WatchAll(ctx context.Context) (*Watch, error) {
	return n.app.watch(ctx, n.name, nil)
}

// Close ends the watch. A Next that waits returns ErrWatchEnded.
func (w *Watch) Close() { w.app.watches.close(w.state, w.app.conn.Load()) }

// Next waits for the next change. For one goroutine at a time. Its errors are ErrWatchEnded and ctx's.
func (w *Watch) Next(ctx context.Context) (PresenceChange, error) {
	for {
		c, ok, ended := w.state.next()
		switch {
		case ok:
			return c, nil
		case ended:
			return c, ErrWatchEnded
		}
		select {
		case <-w.state.news:
		case <-ctx.Done():
			return c, ctx.Err()
		}
	}
}

// Changes goes through the changes until ctx or the watch ends.
func (w *Watch) Changes(ctx context.Context) iter.Seq[PresenceChange] {
	return func(yield func(PresenceChange) bool) {
		for {
			c, err := w.Next(ctx)
			if err != nil || !yield(c) {
				return
			}
		}
	}
}

// watching is what a watch knows: who is there, and what of that its application has been told. The reader writes,
// the application reads. What is not told yet is the difference of the two, so that it cannot grow without end.
type watching struct {
	nsp   string
	room  *string
	news  chan struct{} // capacity 1: there is something to tell, or the end
	known chan struct{} // closed once the first members are known, or the watch has failed

	mu      sync.Mutex // guards what follows
	now     map[string]Member
	told    map[string]Member
	users   map[string]int // of told: sockets of each user
	named   int            // of told: sockets that have a user
	dirty   []string       // ids that differ, in the order of their changes, and some that do not any more
	isDirty map[string]struct{}
	initial map[string]struct{} // of the first members, until they are told
	first   bool                // the first members are in
	ended   bool
	err     error // why the watch could not begin
}

func newWatching(nsp string, room *string) *watching {
	return &watching{
		nsp: nsp, room: room, news: make(chan struct{}, 1), known: make(chan struct{}),
		now: map[string]Member{}, told: map[string]Member{}, users: map[string]int{}, isDirty: map[string]struct{}{},
		initial: map[string]struct{}{},
	}
}

// next takes what is to be told next.
func (s *watching) next() (c PresenceChange, ok, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.dirty) > 0 {
		id := s.dirty[0]
		now, is := s.now[id]
		before, was := s.told[id]
		_, initial := s.initial[id]
		delete(s.initial, id)
		if was && is && before.User != now.User { // the one user leaves before the other comes
			return s.tellLocked(before, false, false), true, false
		}
		s.dirty = s.dirty[1:]
		delete(s.isDirty, id)
		switch {
		case is && !was:
			return s.tellLocked(now, true, initial), true, false
		case was && !is:
			return s.tellLocked(before, false, false), true, false
		}
	}
	s.dirty = nil
	return c, false, s.ended
}

// tellLocked notes that a change is told.
func (s *watching) tellLocked(m Member, joined, initial bool) PresenceChange {
	c := PresenceChange{Member: m, Joined: joined, Initial: initial}
	step := -1
	if joined {
		step = 1
		s.told[m.ID] = m
	} else {
		delete(s.told, m.ID)
	}
	alone := true
	if m.User != "" {
		s.named += step
		s.users[m.User] += step
		switch n := s.users[m.User]; {
		case n == 0:
			delete(s.users, m.User)
		case n > 1 || !joined:
			alone = false
		}
	}
	c.FirstOfUser, c.LastOfUser = joined && alone, !joined && alone
	c.Sockets = len(s.told)
	c.Users = len(s.users) + c.Sockets - s.named
	return c
}

// putLocked notes that a socket is there, or is not.
func (s *watching) putLocked(id string, m Member, is bool) {
	before, was := s.now[id]
	if was == is && before.User == m.User {
		return
	}
	if is {
		s.now[id] = m
	} else {
		delete(s.now, id)
	}
	if !s.first {
		s.initial[id] = struct{}{}
	}
	if _, ok := s.isDirty[id]; !ok {
		s.isDirty[id] = struct{}{}
		s.dirty = append(s.dirty, id)
	}
}

// settled notes that all that is there is known.
func (s *watching) settledLocked() {
	if !s.first {
		s.first = true
		close(s.known)
	}
}

// end ends the watch; err is why it could not begin.
func (s *watching) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	s.settledLocked()
	s.signal()
}

func (s *watching) signal() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}
