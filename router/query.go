package router

import (
	"encoding/json"
	"slices"
	"time"

	"patchbay/backplane"
)

// Bounds of queries.
const (
	// DefaultQueryWait is how long a query waits for the versions that its caller has seen.
	DefaultQueryWait = 2 * time.Second
	// DefaultMaxQueries is how many may wait; past it they are answered at once, as incomplete.
	DefaultMaxQueries = 1024
	// DefaultPage is the page size of a query that names none.
	DefaultPage = 1000
	// MaxPage is the largest page size; larger ones are taken as this.
	MaxPage = 10_000
	// maxSeen is how many versions a query may name. It bounds what a waiting query costs
	// at each batch.
	maxSeen = 1024
	// maxNames is how many rooms a query may name, to ask for and to leave out. It bounds what looking at
	// one socket costs.
	maxNames = 1024
)

// What Answer.Error says.
const (
	queryMalformed = "malformed query"
	queryUnknown   = "unknown query"
	queryAfter     = "after is not a socket id"
	queryTooLarge  = "answer too large"
)

// queries answers questions to the index. It has no clock. Owned by the router's loop.
type queries struct {
	table   *table
	leases  *leases
	workers *workers
	wait    time.Duration
	max     int
	budget  int  // bytes of a page, as JSON
	warm    bool // the index has had the chance to learn
	waiting []question
	ranking ranking
}

// question is a query that waits.
type question struct {
	query backplane.Query
	reply string
	at    time.Time
}

// reply is a finished query.
type reply struct {
	To     string
	Op     backplane.QueryOp
	Answer backplane.Answer
	Took   time.Duration
	Watch  *backplane.Query // set if it asks to watch
}

// decodeQuery reads a query; ok is false if it is none.
func decodeQuery(data []byte) (q backplane.Query, ok bool) {
	err := json.Unmarshal(data, &q)
	return q, err == nil && len(q.Seen) <= maxSeen && len(q.Rooms)+len(q.Except) <= maxNames
}

// ask takes a query. ready is false if it waits.
func (s *queries) ask(q backplane.Query, to string, now time.Time) (r reply, ready bool) {
	one := question{query: q, reply: to, at: now}
	if s.may(&one) || len(s.waiting) >= s.max {
		return s.finish(&one, now), true
	}
	s.waiting = append(s.waiting, one)
	return reply{}, false
}

// poll returns the waiting queries that can be answered now, or have waited too long.
func (s *queries) poll(now time.Time) (list []reply) {
	kept := s.waiting[:0]
	for i := range s.waiting {
		one := &s.waiting[i]
		if now.Sub(one.at) < s.wait && !s.may(one) {
			kept = append(kept, *one)
			continue
		}
		list = append(list, s.finish(one, now))
	}
	clear(s.waiting[len(kept):])
	s.waiting = kept
	return list
}

// stop answers all that waits, as well as it can.
func (s *queries) stop(now time.Time) (list []reply) {
	for i := range s.waiting {
		list = append(list, s.finish(&s.waiting[i], now))
	}
	s.waiting = nil
	return list
}

// may reports whether a query has nothing to wait for.
func (s *queries) may(one *question) bool {
	if !s.warm {
		return false
	}
	for i := range one.query.Seen {
		if !s.table.reached(&one.query.Seen[i]) {
			return false
		}
	}
	return true
}

func (s *queries) finish(one *question, now time.Time) reply {
	r := reply{To: one.reply, Op: one.query.Op, Answer: s.answer(&one.query, now), Took: now.Sub(one.at)}
	if one.query.Op == backplane.QueryWatch {
		q := one.query // the question's place in a list is about to be used again
		r.Watch = &q
	}
	return r
}

// answer answers from the index as it is.
func (s *queries) answer(q *backplane.Query, now time.Time) backplane.Answer {
	var a backplane.Answer
	s.stamp(&a, q, now)
	limit := q.Limit
	if limit <= 0 {
		limit = DefaultPage
	}
	limit = min(limit, MaxPage)
	p := pager{scope: newScope(s.table.index, q), after: q.After, limit: limit, budget: s.budget}
	switch q.Op {
	case backplane.QueryCount:
		a.Count = p.scope.count()
	case backplane.QueryRooms:
		p.rooms(&a)
	case backplane.QuerySockets:
		p.sockets(&a)
	case backplane.QueryUsers:
		p.users(&a)
	case backplane.QueryWhere:
		p.where(&a)
	case backplane.QueryNodes:
		s.nodes(&a, now)
	case backplane.QueryWatch: // the answer is in watches
	default:
		a.Error = queryUnknown
	}
	return a
}

// stamp says how far the answer can be trusted: nodes that are silent, are being
// resynchronised or have not come to what the caller has seen are missing.
func (s *queries) stamp(a *backplane.Answer, q *backplane.Query, now time.Time) {
	for _, n := range s.table.nodes {
		age := s.leases.age(holderNode, n.id, now)
		a.AgeMS = max(a.AgeMS, age.Milliseconds())
		if n.sync != nil || age > s.leases.silent() {
			a.Missing = append(a.Missing, n.id)
		}
	}
	for i := range q.Seen {
		if !s.table.reached(&q.Seen[i]) {
			a.Missing = append(a.Missing, q.Seen[i].Node)
		}
	}
	slices.Sort(a.Missing)
	a.Missing = slices.Compact(a.Missing)
	a.Complete = s.warm && len(a.Missing) == 0
}

func (s *queries) nodes(a *backplane.Answer, now time.Time) {
	for _, n := range s.table.nodes {
		a.Nodes = append(a.Nodes, backplane.NodeInfo{
			ID: n.id, Epoch: n.epoch, Version: n.version,
			Sockets: len(s.table.index.nodes.at(n.ref).sockets),
			AgeMS:   s.leases.age(holderNode, n.id, now).Milliseconds(),
			Synced:  n.sync == nil,
		})
	}
	slices.SortFunc(a.Nodes, func(x, y backplane.NodeInfo) int { return compare(x.ID, y.ID) })
	for _, w := range s.workers.list {
		a.Workers = append(a.Workers, backplane.WorkerInfo{
			ID: w.id, Namespaces: w.said, Sockets: s.table.index.workers.uses(w.id),
			AgeMS: s.leases.age(holderWorker, w.id, now).Milliseconds(),
		})
	}
	a.Count = s.table.index.sockets.len()
}
