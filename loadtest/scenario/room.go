package scenario

// room is a crew's part of a room: the members in its own loop. Owned by the loop.
type room struct {
	number  int
	members int // in this loop, who are expected to receive

	// In saturated mode: for each message in flight, how many of the members have it. complete is how many messages,
	// from the first on, all of them have.
	complete uint64
	had      []int

	// At home, where the publisher is: how many messages each part of the run has completed, how many are sent, and
	// below which number the next may leave.
	publisher *member
	parts     map[int]uint64
	sent      uint64
	released  uint64
	progress  int64 // when something last was completed, in the clock's time
}

// arrived notes that a member has a message, for the first time, and tells whether more of them are complete now.
func (r *room) arrived(seq uint64) bool {
	window := uint64(len(r.had))
	if window == 0 || seq < r.complete {
		return false
	}
	// A number this far ahead means that home has given up what was before.
	for seq >= r.complete+window {
		r.had[r.complete%window] = 0
		r.complete++
	}
	r.had[seq%window]++
	before := r.complete
	for r.had[r.complete%window] >= r.members {
		r.had[r.complete%window] = 0
		r.complete++
	}
	return r.complete > before
}

// completed notes at home how far a part is, and lets as much more out as is complete everywhere.
func (r *room) completed(part int, count uint64, now int64) {
	r.parts[part] = max(r.parts[part], count)
	r.release(now)
}

// release lets out a window above what is complete everywhere.
func (r *room) release(now int64) {
	least := r.sent
	for _, n := range r.parts {
		least = min(least, n)
	}
	if limit := least + uint64(len(r.had)); limit > r.released {
		r.released, r.progress = limit, now
	}
}

// giveUp lets out a whole window more: nothing came of the last for too long.
func (r *room) giveUp(now int64) {
	for part, n := range r.parts {
		r.parts[part] = max(n, r.sent)
	}
	r.release(now)
}
