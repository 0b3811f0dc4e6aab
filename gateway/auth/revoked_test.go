package auth

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"patchbay/backplane"
)

// The list equals a naive one, whatever comes in whatever order.
func TestRevokedAgainstNaive(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	list := NewRevoked(1 << 20)
	type fact struct{ at, until time.Time }
	users, tokens := map[string]fact{}, map[string]fact{}
	clock := now
	for range 5000 {
		clock = clock.Add(time.Duration(random.IntN(3)) * time.Second)
		name := strconv.Itoa(random.IntN(50))
		at := clock.Add(time.Duration(random.IntN(20)-10) * time.Second)
		r := backplane.Revocation{At: at, Until: clock.Add(time.Duration(random.IntN(200)) * time.Second)}
		naive := tokens
		if random.IntN(2) == 0 {
			r.User, naive = name, users
		} else {
			r.Token = name
		}
		list.Add(r, clock, 100*time.Second)
		until := r.Until
		if end := clock.Add(100 * time.Second); until.After(end) {
			until = end
		}
		if old, ok := naive[name]; until.After(clock) {
			if ok && old.until.After(clock) { // else it is over
				if old.at.After(at) {
					at = old.at
				}
				if old.until.After(until) {
					until = old.until
				}
			}
			naive[name] = fact{at, until}
		}
		probe := &Identity{User: strconv.Itoa(random.IntN(50)), Token: strconv.Itoa(random.IntN(50)), Issued: clock.Add(time.Duration(random.IntN(20)-10) * time.Second)}
		token, user := tokens[probe.Token], users[probe.User]
		want := token.until.After(clock) || user.until.After(clock) && !probe.Issued.After(user.at)
		if got := list.Covers(probe, clock); got != want {
			t.Fatalf("seed %d: %+v at %v is covered: %t, want %t", seed, probe, clock, got, want)
		}
	}
	alive := 0
	for _, facts := range []map[string]fact{users, tokens} {
		for _, f := range facts {
			if f.until.After(clock) {
				alive++
			}
		}
	}
	if got := len(list.All(clock)); got != alive {
		t.Errorf("seed %d: %d revocations, want %d", seed, got, alive)
	}
}

// A full list forgets what is over first, and never grows.
func TestRevokedLimit(t *testing.T) {
	list := NewRevoked(3)
	for i := range 10 {
		list.Add(backplane.Revocation{Token: strconv.Itoa(i), Until: now.Add(time.Duration(10-i) * time.Minute)}, now, time.Hour)
	}
	if list.Len() != 3 {
		t.Errorf("%d are remembered", list.Len())
	}
	if !list.Covers(&Identity{Token: "0"}, now) {
		t.Error("what is in force longest was forgotten")
	}
}
