package worker

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"patchbay/backplane"
)

// TestWatchingRandom: a room's members come, go and change their users; two routers tell of them, one of which may be behind; messages are lost
// and routers die. The watcher's application reads now and then. What it is told alternates for each socket, counts are right
// at all times, and in the end it knows who is there.
func TestWatchingRandom(t *testing.T) {
	for seed := range uint64(200) {
		w := &watchWorld{T: t, rnd: rand.New(rand.NewPCG(seed, 7)), truth: map[string]string{}, known: map[string]string{}}
		w.attempt = &attempt{watching: newWatching("/", nil), seen: map[string]backplane.Seen{}}
		w.again()
		for range 400 {
			w.step()
		}
		w.again()
		w.read(1 << 30)
		if !maps.Equal(w.known, w.truth) {
			t.Errorf("knows %v, want %v", w.known, w.truth)
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type watchWorld struct {
	*testing.T
	rnd     *rand.Rand
	truth   map[string]string // id → user
	seq     uint64            // of the router that tells
	news    backplane.Presence
	attempt *attempt
	known   map[string]string // what the application was told
}

func (w *watchWorld) step() {
	id := fmt.Sprint("s", w.rnd.IntN(8))
	switch p := w.rnd.IntN(100); {
	case p < 40:
		w.come(id, []string{"", "ada", "bob"}[w.rnd.IntN(3)])
	case p < 65:
		if _, ok := w.truth[id]; ok {
			delete(w.truth, id)
			w.news.Left = append(w.news.Left, id)
		}
	case p < 80:
		w.tell(w.rnd.IntN(100) < 90)
	case p < 82:
		w.again()
	case p < 84:
		if why := w.attempt.take(&backplane.Presence{Alive: true, Seq: w.seq}); why != "" {
			w.again()
		}
	default:
		w.read(w.rnd.IntN(4))
	}
}

func (w *watchWorld) come(id, user string) {
	if before, ok := w.truth[id]; ok && before == user || slices.Contains(w.news.Left, id) {
		return // a router tells the difference of two states
	}
	w.truth[id] = user
	w.news.Joined = slices.DeleteFunc(w.news.Joined, func(one backplane.PresenceSocket) bool { return one.ID == id })
	w.news.Joined = append(w.news.Joined, backplane.PresenceSocket{ID: id, User: user})
}

// tell has the router tell what is news; it may be lost.
func (w *watchWorld) tell(arrives bool) {
	p := w.news
	p.Joined = slices.DeleteFunc(p.Joined, func(one backplane.PresenceSocket) bool { return slices.Contains(p.Left, one.ID) })
	w.news = backplane.Presence{}
	w.seq++
	p.Seq = w.seq
	if arrives && w.attempt.take(&p) != "" {
		w.again()
	}
}

// again asks another router, which tells of all in two parts.
func (w *watchWorld) again() {
	w.news, w.seq = backplane.Presence{}, 2
	w.attempt.renew, w.attempt.seq = "", 0
	var all []backplane.PresenceSocket
	for id, user := range w.truth {
		all = append(all, backplane.PresenceSocket{ID: id, User: user})
	}
	half := len(all) / 2
	for i, part := range [][]backplane.PresenceSocket{all[:half], all[half:]} {
		if why := w.attempt.take(&backplane.Presence{Seq: uint64(i + 1), First: true, More: i == 0, Renew: "r", Joined: part}); why != "" {
			w.Errorf("refused: %s", why)
		}
	}
}

// read has the application read some changes.
func (w *watchWorld) read(most int) {
	for range most {
		c, ok, ended := w.attempt.next()
		if !ok {
			if ended {
				w.Error("ended")
			}
			return
		}
		before, was := w.known[c.ID]
		others := 0
		users := map[string]bool{}
		for id, user := range w.known {
			if id != c.ID {
				if user == "" {
					user = "of " + id
				} else if user == c.User {
					others++
				}
				users[user] = true
			}
		}
		if c.Joined == was || !c.Joined && before != c.User {
			w.Errorf("%+v after %v, %q", c, was, before)
		}
		if c.Joined {
			w.known[c.ID] = c.User
			user := c.User
			if user == "" {
				user = "of " + c.ID
			}
			users[user] = true
		} else {
			delete(w.known, c.ID)
		}
		if c.FirstOfUser != (c.Joined && others == 0) || c.LastOfUser != (!c.Joined && others == 0) || c.Sockets != len(w.known) || c.Users != len(users) {
			w.Errorf("%+v with %d others of the user; %d users of %d", c, others, len(users), len(w.known))
		}
	}
}
