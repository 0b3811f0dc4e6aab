package scenario

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// The streams' account against a naive one, over random losses, repetitions and swaps.
func TestStreamAgainstNaive(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		const sent = 300
		var arrivals []uint64
		for seq := range uint64(sent) {
			switch random.IntN(12) {
			case 0: // lost
			case 1:
				arrivals = append(arrivals, seq, seq)
			case 2:
				at := max(0, len(arrivals)-random.IntN(5))
				arrivals = append(arrivals[:at:at], append([]uint64{seq}, arrivals[at:]...)...)
			default:
				arrivals = append(arrivals, seq)
			}
		}
		var s stream
		seen, top := map[uint64]bool{}, -1
		var repeats, swaps uint32
		for _, seq := range arrivals {
			s.take(seq)
			switch {
			case seen[seq]:
				repeats++
			case int(seq) < top:
				swaps++
			}
			seen[seq], top = true, max(top, int(seq))
		}
		lost, away := s.missing(sent)
		if lost != uint64(sent-len(seen)) || s.repeated != repeats || s.reordered != swaps || away != 0 {
			t.Fatalf("seed %d: %d lost, %d repeated, %d reordered, %d away; want %d, %d, %d, 0", seed, lost, s.repeated, s.reordered, away,
				sent-len(seen), repeats, swaps)
		}
	}
}

func TestStreamAway(t *testing.T) {
	var s stream
	for _, seq := range []uint64{0, 1, 3} {
		s.take(seq)
	}
	s.absent = true
	s.take(10)
	if lost, away := s.missing(12); lost != 8 || away != 6 {
		t.Errorf("%d lost, %d away, want 8 (2, 4 to 9, 11) and 6 (4 to 9)", lost, away)
	}
	s.absent = true
	if lost, away := s.missing(12); lost != 8 || away != 7 {
		t.Errorf("%d lost, %d away, want 8 and 7", lost, away)
	}
}

// A stream's memory is bounded: the oldest gaps are forgotten, and stay lost.
func TestStreamGapsBounded(t *testing.T) {
	var s stream
	for seq := range uint64(10_000) {
		s.take(2 * seq)
	}
	if len(s.gaps) > maxGaps {
		t.Errorf("%d gaps kept", len(s.gaps))
	}
	if lost, _ := s.missing(20_000); lost != 10_000 {
		t.Errorf("%d lost, want 10000", lost)
	}
	s = stream{}
	s.take(20_000)
	for seq := range uint64(10_000) {
		s.take(2 * seq)
	}
	if lost, _ := s.missing(20_001); len(s.gaps) > maxGaps || lost != 10_000 {
		t.Errorf("one gap filled in many places: %d gaps kept, %d lost, want 10000", len(s.gaps), lost)
	}
}

// What comes late is not called lost or repeated, in however many gaps it was missing. Beyond the memory that is not known, and said.
func TestStreamLate(t *testing.T) {
	for sent, known := range map[uint64]bool{2_000: true, 2 * maxGaps: true, 10 * maxGaps: false} {
		var s stream
		for seq := uint64(0); seq < sent; seq += 2 {
			s.take(seq)
		}
		for seq := uint64(1); seq < sent; seq += 2 {
			if v := s.take(seq); v == repeated || v == unsure && known {
				t.Fatalf("of %d: the first %d is called %d", sent, seq, v)
			}
		}
		lost, _ := s.missing(sent)
		if lost != 0 || s.repeated != 0 || uint64(s.reordered+s.unsure) != sent/2-1 || (s.unsure == 0) != known {
			t.Errorf("%d sent: %d lost, %d repeated, %d reordered, %d unsure", sent, lost, s.repeated, s.reordered, s.unsure)
		}
		if s.take(1) != repeated {
			t.Errorf("%d sent: all have come, and one that comes again is not called repeated", sent)
		}
	}
}

// A receiver knows every byte of a payload.
func TestPayload(t *testing.T) {
	filler := newFiller(200)
	for _, m := range []mark{{}, {3, 7, 42, 1_764_036_549_000_000_000}, {199, 19_999, 1 << 40, 1<<62 - 1}} {
		for _, size := range []int{minPayload, 200} {
			text := filler.appendPayload(nil, m, size)
			if got, ok := filler.readPayload(text, size); !ok || got != m || len(text) != size {
				t.Errorf("%s: got %+v, %v, want %+v", text, got, ok, m)
			}
			if _, ok := filler.readPayload(text[:len(text)-1], size); ok {
				t.Errorf("%s: a byte short, and taken", text)
			}
			for i := range text {
				text[i] ^= 0x01 // a digit becomes another
				if _, ok := filler.readPayload(text, size); ok {
					t.Errorf("%s: byte %d is another, and taken", text, i)
				}
				text[i] ^= 0x01
			}
		}
	}
	for _, text := range []string{"", "1.2.3.x", "1.2.3.4.x", "a.b.c.d.xxxx", "1..2.3.4.xxx", "111111111111111111111.1.1.1.x"} {
		if _, ok := filler.readPayload([]byte(text), len(text)); ok {
			t.Errorf("%q was taken", text)
		}
	}
}

// JSON may be written in several ways.
func TestArgument(t *testing.T) {
	const size = 100
	filler, m := newFiller(size), mark{1, 2, 3, 4}
	text := string(filler.appendPayload(nil, m, size))
	escaped := strings.Replace(text, "1.2.", `\u0031.2.`, 1)
	for _, c := range []struct {
		array, prefix string
		known, whole  bool
	}{
		{`["msg","` + text + `"]`, eventPrefix, true, true},
		{`["msg", "` + text + `"]`, eventPrefix, true, true},
		{"[\t\"msg\" ,\r\n\"" + text + `" , "offset" ]`, eventPrefix, true, true},
		{`["msg","` + escaped + `"]`, eventPrefix, true, true},
		{`["msg","` + text[1:] + `"]`, eventPrefix, true, false},
		{`["msg", "` + text[1:] + `"]`, eventPrefix, true, false},
		{`["msg",7]`, eventPrefix, true, false},
		{`["msg"]`, eventPrefix, true, false},
		{`["msg","` + text, eventPrefix, true, false},
		{`["auth",{}]`, eventPrefix, false, true},
		{`[]`, eventPrefix, false, true},
		{`["` + text + `"]`, ackPrefix, true, true},
		{`[ "` + text + `" ]`, ackPrefix, true, true},
		{`[]`, ackPrefix, true, false},
		{`["` + text[1:] + `"]`, ackPrefix, true, false},
	} {
		got, known, err := filler.readArgument([]byte(c.array), c.prefix, size)
		if known != c.known || (err == nil) != c.whole || known && c.whole && got != m {
			t.Errorf("%s: got %+v, %v, %v", c.array, got, known, err)
		}
	}
}

// Every client has one seat, and each room's members are as many as the plan says.
func TestSeats(t *testing.T) {
	for _, c := range []struct{ clients, size, publishers, loops, per int }{
		{10, 0, 1, 1, 100}, {10, 0, 3, 2, 4}, {23, 5, 2, 3, 7}, {3, 10, 1, 2, 100}, {1000, 10, 1, 2, 300},
	} {
		o := Options{Clients: c.clients, RoomSize: c.size, Publishers: c.publishers, Traffic: Traffic{Rate: 1}, Shape: Shape{c.loops, c.per}}
		p := &Plan{Scenario: "rooms", Options: o}
		p.Processes = (p.Total() + c.per - 1) / c.per
		seats, members, senders := map[int]int{}, map[int]int{}, 0
		for part := range p.parts() {
			for _, s := range p.seats(part) {
				seats[s.index]++
				if s.member {
					members[s.room]++
				}
				if s.sender >= 0 {
					senders++
				}
			}
		}
		if len(seats) != p.Total() || senders != p.senders() {
			t.Errorf("%+v: %d seats for %d clients, %d senders for %d", c, len(seats), p.Total(), senders, p.senders())
		}
		for room := range p.rooms() {
			if members[room] != p.members(room) {
				t.Errorf("%+v: room %d has %d members, want %d", c, room, members[room], p.members(room))
			}
		}
	}
}
