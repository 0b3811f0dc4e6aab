package router

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"patchbay/backplane"
)

// newQueries is a warm set of state with one node heard at second 0.
func newQueries() *queries {
	t := newTable(time.Second)
	l := newLeases(5*time.Second, time.Second, start())
	data := added(sid(1, "na"), "/", "wa", "b", "a")
	data.Data = []byte(`{"k":1}`)
	bad := added(sid(2, "na"), "/", "wa", "a")
	bad.Data = []byte(`{`)
	t.feed(batch("na", 1, 4, data, bad, added(sid(3, "na"), "/chat", "wb", "a"), added(sid(4, "na"), "/", "wb", sid(1, "na"))), start())
	l.renew(holderNode, "na", 1, start())
	w := newWorkers(func(string) int { return 0 })
	w.beat(workerBeat("wa", 1, "/"))
	l.renew(holderWorker, "wa", 1, start())
	return &queries{table: t, leases: l, workers: w, wait: 2 * time.Second, max: 2, budget: 1 << 20, warm: true}
}

func TestAnswers(t *testing.T) {
	id1 := sid(1, "na")
	tests := []struct{ name, query, want string }{
		{"count", `{"op":"count","nsp":"/"}`, `{"complete":true,"count":3,"age_ms":500}`},
		{"count of a room", `{"op":"count","nsp":"/","room":"a"}`, `{"complete":true,"count":2,"age_ms":500}`},
		{"count of nothing", `{"op":"count","nsp":"/none","room":"a"}`, `{"complete":true,"age_ms":500}`},
		{"count of the empty room name", `{"op":"count","nsp":"/","room":""}`, `{"complete":true,"age_ms":500}`},
		{"a socket's own room and who joined it", `{"op":"count","nsp":"/","room":"` + id1 + `"}`, `{"complete":true,"count":2,"age_ms":500}`},
		{"a socket's room in another namespace", `{"op":"count","nsp":"/chat","room":"` + id1 + `"}`, `{"complete":true,"age_ms":500}`},
		{"rooms", `{"op":"rooms","nsp":"/"}`, `{"complete":true,"count":3,"rooms":[{"name":"` + id1 + `","sockets":1},{"name":"a","sockets":2},{"name":"b","sockets":1}],"age_ms":500}`},
		{"rooms in pages", `{"op":"rooms","nsp":"/","after":"` + id1 + `","limit":1}`, `{"complete":true,"count":3,"rooms":[{"name":"a","sockets":2}],"next":"a","age_ms":500}`},
		{"sockets", `{"op":"sockets","nsp":"/","room":"a"}`, `{"complete":true,"count":2,"sockets":[` +
			`{"id":"A000000000000001_na","node":"na","worker":"wa","rooms":["A000000000000001_na","a","b"],"data":{"k":1}},` +
			`{"id":"A000000000000002_na","node":"na","worker":"wa","rooms":["A000000000000002_na","a"]}],"age_ms":500}`},
		{"sockets in pages", `{"op":"sockets","nsp":"/","room":"a","limit":1}`, `{"complete":true,"count":2,"sockets":[` +
			`{"id":"A000000000000001_na","node":"na","worker":"wa","rooms":["A000000000000001_na","a","b"],"data":{"k":1}}],"next":"A000000000000001_na","age_ms":500}`},
		{"the last page", `{"op":"sockets","nsp":"/","room":"a","limit":1,"after":"A000000000000001_na"}`, `{"complete":true,"count":2,"sockets":[` +
			`{"id":"A000000000000002_na","node":"na","worker":"wa","rooms":["A000000000000002_na","a"]}],"age_ms":500}`},
		{"past the last page", `{"op":"sockets","nsp":"/","after":"zzzzzzzzzzzzzzzz_z"}`, `{"complete":true,"count":3,"age_ms":500}`},
		{"after what is no id", `{"op":"sockets","nsp":"/","after":"x"}`, `{"error":"after is not a socket id","complete":true,"age_ms":500}`},
		{"nodes", `{"op":"nodes"}`, `{"complete":true,"count":4,"nodes":[{"id":"na","epoch":1,"version":4,"sockets":4,"age_ms":500,"synced":true}],` +
			`"workers":[{"id":"wa","namespaces":["/"],"sockets":2,"age_ms":500}],"age_ms":500}`},
		{"unknown", `{"op":"drop"}`, `{"error":"unknown query","complete":true,"age_ms":500}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q, ok := decodeQuery([]byte(test.query))
			if !ok {
				t.Fatal("not decoded")
			}
			got, err := json.Marshal(newQueries().answer(&q, at(.5)))
			if err != nil || string(got) != test.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
	for _, bad := range []string{``, `[]`, `{"op":1}`, `{"seen":[` + strings.Repeat(`{},`, maxSeen) + `{}]}`} {
		if _, ok := decodeQuery([]byte(bad)); ok {
			t.Errorf("decoded %.20s", bad)
		}
	}
}

func TestQueryWaits(t *testing.T) {
	s := newQueries()
	seen := func(version uint64) backplane.Query {
		return backplane.Query{Op: backplane.QueryCount, Namespace: "/", Seen: []backplane.Seen{{Node: "na", Epoch: 1, Version: version}}}
	}
	if r, ready := s.ask(seen(4), "now", at(0)); !ready || !r.Answer.Complete {
		t.Errorf("what was seen is there: %v %+v", ready, r)
	}
	for _, to := range []string{"five", "six"} {
		v := map[string]uint64{"five": 5, "six": 6}[to]
		if _, ready := s.ask(seen(v), to, at(0)); ready {
			t.Errorf("%s did not wait", to)
		}
	}
	if r, ready := s.ask(seen(5), "full", at(0)); !ready || r.Answer.Complete || !slices.Equal(r.Answer.Missing, []string{"na"}) {
		t.Errorf("no more may wait: %v %+v", ready, r)
	}
	s.table.feed(batch("na", 1, 5, added(sid(5, "na"), "/", "wa")), at(1))
	s.leases.renew(holderNode, "na", 1, at(1))
	list := s.poll(at(1))
	if len(list) != 1 || list[0].To != "five" || list[0].Answer.Count != 4 || !list[0].Answer.Complete || list[0].Took != time.Second {
		t.Errorf("after the change: %+v", list)
	}
	list = s.poll(at(2))
	if len(list) != 1 || list[0].To != "six" || list[0].Answer.Complete || list[0].Answer.Count != 4 {
		t.Errorf("too long: %+v", list)
	}
}

func TestAnswerHonesty(t *testing.T) {
	s := newQueries()
	q := backplane.Query{Op: backplane.QueryCount, Namespace: "/"}
	if a := s.answer(&q, at(3)); a.Complete || !slices.Equal(a.Missing, []string{"na"}) || a.AgeMS != 3000 {
		t.Errorf("silent node: %+v", a)
	}
	s.table.feed(batch("nb", 1, 9), at(3))
	s.leases.renew(holderNode, "na", 1, at(3))
	s.leases.renew(holderNode, "nb", 1, at(3))
	if a := s.answer(&q, at(3)); a.Complete || !slices.Equal(a.Missing, []string{"nb"}) {
		t.Errorf("node without a snapshot: %+v", a)
	}
	s = newQueries()
	s.warm = false
	if _, ready := s.ask(q, "to", at(0)); ready {
		t.Error("answered before anything was learnt")
	}
	if list := s.stop(at(0)); len(list) != 1 || list[0].Answer.Complete {
		t.Errorf("stopped: %+v", list)
	}
}

// Pages of any size, bounded by count or bytes, put together are the whole.
func TestPages(t *testing.T) {
	s := newQueries()
	rnd := rand.New(rand.NewPCG(3, 4))
	b := backplane.Batch{Node: "nc", Epoch: 1}
	var want []string
	for range 500 {
		id := backplane.NewSocketID(fmt.Sprint("n", rnd.IntN(3)), 1)
		want = append(want, id)
		b.Changes = append(b.Changes, added(id, "/pages", "wa", "r", strings.Repeat("<", rnd.IntN(50))))
	}
	b.Version = 500
	s.table.feed(&b, start())
	slices.Sort(want)
	for _, budget := range []int{1, 700, 5000, 1 << 20} {
		for _, limit := range []int{0, 1, 7, 499, 500, 501} {
			s.budget = budget
			var got []string
			q := backplane.Query{Op: backplane.QuerySockets, Namespace: "/pages", Limit: limit}
			for {
				a := s.answer(&q, start())
				for _, info := range a.Sockets {
					got = append(got, info.ID)
				}
				text, err := json.Marshal(a.Sockets)
				if err != nil || len(a.Sockets) > 1 && len(text) > budget || limit > 0 && len(a.Sockets) > limit {
					t.Fatalf("page of %d with %d bytes; budget %d, limit %d: %v", len(a.Sockets), len(text), budget, limit, err)
				}
				if a.Next == "" {
					break
				}
				q.After = a.Next
			}
			if !slices.Equal(got, want) {
				t.Errorf("budget %d, limit %d: %d sockets in another order", budget, limit, len(got))
			}
		}
	}
}
