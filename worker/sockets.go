package worker

import "sync"

// sockets are those whose home is this worker, by id. Safe for concurrent use.
type sockets struct {
	mu    sync.RWMutex
	byID  map[string]*Socket
	empty chan struct{} // closed when the last leaves, if somebody waits
}

func newSockets() *sockets { return &sockets{byID: map[string]*Socket{}} }

func (l *sockets) get(id string) *Socket {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.byID[id]
}

// some reports whether a socket is as a condition says.
func (l *sockets) some(condition func(*Socket) bool) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.byID {
		if condition(s) {
			return true
		}
	}
	return false
}

// those are the sockets that are as a condition says.
func (l *sockets) those(condition func(*Socket) bool) (list []*Socket) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, s := range l.byID {
		if condition(s) {
			list = append(list, s)
		}
	}
	return list
}

func (l *sockets) add(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.byID[s.id] = s
}

// remove takes a socket out, and returns it if it was there.
func (l *sockets) remove(id string) *Socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.byID[id]
	delete(l.byID, id)
	l.emptiedLocked()
	return s
}

// drop takes a socket out if it is there, and not another of its id.
func (l *sockets) drop(s *Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID[s.id] == s {
		delete(l.byID, s.id)
		l.emptiedLocked()
	}
}

// takeAll takes all sockets out.
func (l *sockets) takeAll() []*Socket { return l.take(func(*Socket) bool { return true }) }

// take takes out the sockets that match.
func (l *sockets) take(match func(*Socket) bool) (list []*Socket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, s := range l.byID {
		if match(s) {
			list = append(list, s)
			delete(l.byID, id)
		}
	}
	l.emptiedLocked()
	return list
}

func (l *sockets) len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.byID)
}

// none returns a channel that is closed once there is no socket.
func (l *sockets) none() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.empty == nil {
		l.empty = make(chan struct{})
	}
	empty := l.empty
	l.emptiedLocked()
	return empty
}

func (l *sockets) emptiedLocked() {
	if len(l.byID) == 0 && l.empty != nil {
		close(l.empty)
		l.empty = nil
	}
}
