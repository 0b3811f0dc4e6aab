package gateway

import (
	"strconv"
	"testing"
)

// A socket takes the last events along, and the name of the one before: a client that has had just that may come back to what is left.
func TestBoxedPast(t *testing.T) {
	r := recovering(t)
	c := r.ws()
	id, _ := c.joinPID()
	next(t, r.app.connects)
	const events = 10
	var offsets []string
	for n := range events {
		r.app.emitSocket(id, "", payload(`["e",`+strconv.Itoa(n)+`]`))
		offsets = append(offsets, c.Expect(`42["e",` + strconv.Itoa(n) + `,"*"]`)[0])
	}
	check := func(what string, most, bytes, found int, anchor string, trimmed bool) {
		t.Helper()
		r.until(id, what, func(k *socket) bool {
			var box boxed
			k.boxPast(&box, most, bytes)
			if len(box.Missed) != found || box.Anchor != anchor || box.Trimmed != trimmed {
				t.Fatalf("%s: %d events after %q, trimmed %v; want %d after %q, %v", what, len(box.Missed), box.Anchor, box.Trimmed, found, anchor, trimmed)
			}
			for i, e := range box.Missed {
				if want := offsets[events-found+i]; e.Offset != want {
					t.Fatalf("%s: event %d is %s, want %s", what, i, e.Offset, want)
				}
			}
			return true
		})
	}
	check("all", events, 1<<20, events, "", false)
	check("the last three", 3, 1<<20, 3, offsets[events-4], true)
	check("as many bytes", events, 1, 1, offsets[events-2], true)

	// At the other end: whoever has had the anchor, or a later one, is let back; whoever lacks more is not.
	r.until(id, "an offset", func(k *socket) bool {
		var box boxed
		k.boxPast(&box, 3, 1<<20)
		h := k.nsp.loop.history
		defer func() { k.arrears, k.nsp.loop.history = nil, h }()
		k.nsp.loop.history = history{window: h.window, limit: h.limit, kinds: h.kinds, first: h.next()}
		k.since = h.next()
		owed := k.owed()
		owed.anchor, owed.trimmed = box.Anchor, box.Trimmed
		for _, e := range box.Missed {
			owed.keep(e.open().past(k.nsp.name, 0), 1<<20)
		}
		for i, offset := range offsets {
			from, ok := k.missedSince(offset)
			if want := i >= events-4; ok != want || ok && from.backlog != i-(events-4) {
				t.Fatalf("with event %d of %d: %+v, %v", i, events, from, ok)
			}
		}
		owed.keep(owed.backlog[0], owed.size) // no room: the oldest goes, and is the anchor
		if _, ok := k.missedSince(offsets[events-4]); ok {
			t.Fatal("what was dropped is not missed")
		}
		if from, ok := k.missedSince(offsets[events-3]); !ok || from.backlog != 0 {
			t.Fatalf("with the event that was dropped: %+v, %v", from, ok)
		}
		return true
	})

	// What lay between the backlog and the history is gone.
	r.until(id, "a hole", func(k *socket) bool {
		h := &k.nsp.loop.history
		k.since = h.first
		h.entries, h.first = h.entries[5:], h.first+5
		owed := k.owed()
		owed.anchor = "older"
		owed.keep(h.entries[0], 1<<20)
		return true
	})
	check("after a hole", events, 1<<20, 5, "", true)
}
