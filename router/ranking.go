package router

import (
	"slices"
	"time"
)

// How the largest rooms, users and namespaces are found.
const (
	// rankStep is how many of the index's places a tick looks at: a fraction of a millisecond. 100,000 rooms take four ticks,
	// a million 31, which are three seconds.
	rankStep = 1 << 15
	// rankKept is how many of each kind are kept.
	rankKept = 50
	// rankWanted is how long the search goes on after somebody has last looked.
	rankWanted = 10 * time.Second
	// rankEvery is how often it begins anew, at most.
	rankEvery = 2 * time.Second
)

// ranking knows the largest places of the index. Nothing is kept in order for it: it passes over the index a step at each
// tick, and only while somebody wants to know. Owned by the router's loop.
type ranking struct {
	index  *index
	wanted time.Time // when somebody asked last
	began  time.Time // this pass, or the last
	busy   bool      // in the middle of a pass
	at     uint32    // the next place: rooms, and behind them namespaces
	rooms  smallest[ranked]
	users  smallest[ranked]
	spaces smallest[ranked]
	top    Top
}

// ranked is a place with its size when it was passed.
type ranked struct {
	number uint32
	size   int
}

// Top are the largest places of the index.
type Top struct {
	Rooms      []Place     `json:"rooms"` // without those of users
	Users      []Place     `json:"users"`
	Namespaces []Namespace `json:"namespaces"`
	Known      bool        `json:"known"`  // a pass has ended
	AgeMS      int64       `json:"age_ms"` // since that pass began; sizes are of its end
}

// Place is a room, or a user, of a namespace.
type Place struct {
	Namespace string `json:"nsp"`
	Name      string `json:"name"` // of the room, a user's likewise
	Sockets   int    `json:"sockets"`
}

// Namespace is a namespace with its sizes.
type Namespace struct {
	Name    string `json:"name"`
	Sockets int    `json:"sockets"`
	Rooms   int    `json:"rooms"` // without those of users
	Users   int    `json:"users"`
}

func newRanking(x *index) ranking { return ranking{index: x} }

// want returns what is known, and has it kept up to date for a time. The first time it takes the first step, which is all
// that a small index needs.
func (r *ranking) want(now time.Time) Top {
	r.wanted = now
	if !r.top.Known && !r.busy {
		r.step(now)
	}
	top := r.top
	if top.Known {
		top.AgeMS = max(0, now.Sub(r.began).Milliseconds())
	}
	return top
}

// step goes on by one step, if anybody wants to know.
func (r *ranking) step(now time.Time) {
	if r.wanted.IsZero() || now.Sub(r.wanted) > rankWanted {
		if r.busy || r.top.Known {
			*r = newRanking(r.index) // what is known is of no use to whoever asks next, and its names are memory
		}
		return
	}
	if !r.busy {
		if r.top.Known && now.Sub(r.began) < rankEvery {
			return
		}
		larger := func(a, b ranked) int { return b.size - a.size }
		r.busy, r.began, r.at = true, now, 0
		r.rooms = smallest[ranked]{limit: rankKept, compare: larger}
		r.users, r.spaces = r.rooms, r.rooms
	}
	if r.pass(rankStep) {
		r.busy, r.top = false, r.result()
	}
}

// pass looks at some more places, and reports whether it has come to the end.
func (r *ranking) pass(places uint32) bool {
	x := r.index
	for end := r.at + places; r.at < end; r.at++ {
		if number := r.at; number < x.rooms.next {
			one := x.rooms.at(number)
			switch n := len(one.members); {
			case n == 0: // not in use
			case one.user:
				r.users.offer(ranked{number, n})
			default:
				r.rooms.offer(ranked{number, n})
			}
			continue
		}
		number := r.at - x.rooms.next
		if number >= x.namespaces.next {
			return true
		}
		if n := x.namespaces.at(number).sockets.size; n > 0 {
			r.spaces.offer(ranked{number, n})
		}
	}
	return false
}

// result is what a pass has found, with the names and sizes of now: meanwhile places may have emptied, and others have
// taken their numbers.
func (r *ranking) result() Top {
	x := r.index
	top := Top{Known: true, Rooms: r.places(r.rooms.heap, false), Users: r.places(r.users.heap, true), Namespaces: []Namespace{}}
	for _, one := range r.spaces.heap {
		if n := x.namespaces.at(one.number); n.sockets.size > 0 {
			top.Namespaces = append(top.Namespaces, Namespace{Name: n.name, Sockets: n.sockets.size, Rooms: n.rooms.size - n.users, Users: n.users})
		}
	}
	slices.SortFunc(top.Namespaces, func(a, b Namespace) int {
		if a.Sockets != b.Sockets {
			return b.Sockets - a.Sockets
		}
		return compare(a.Name, b.Name)
	})
	return top
}

func (r *ranking) places(found []ranked, users bool) []Place {
	x, list := r.index, []Place{}
	for _, one := range found {
		if room := x.rooms.at(one.number); len(room.members) > 0 && room.user == users {
			list = append(list, Place{Namespace: x.namespaces.at(room.nsp).name, Name: room.name, Sockets: len(room.members)})
		}
	}
	slices.SortFunc(list, func(a, b Place) int {
		if a.Sockets != b.Sockets {
			return b.Sockets - a.Sockets
		}
		return compare(a.Name, b.Name)
	})
	return list
}
