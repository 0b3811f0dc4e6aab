package scenario

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Counters count what has happened since the start. They only grow.
type Counters struct {
	Sent      uint64 `json:"sent"`
	Skipped   uint64 `json:"skipped"`   // were due while no sender was connected
	Unsent    uint64 `json:"unsent"`    // were due, and the generator had no time to send them; known at the end
	Delivered uint64 `json:"delivered"` // messages received by members, repeated ones not counted
	Acked     uint64 `json:"acked"`
	Replayed  uint64 `json:"replayed"` // of those delivered, what came with a recovery
	Stray     uint64 `json:"stray"`    // came to one who is not in the room, or answer no question
	Damaged   uint64 `json:"damaged"`
	Bytes     uint64 `json:"bytes"`  // received by clients, with all framing
	Stalls    uint64 `json:"stalls"` // how often nothing came of what was in flight, and more was sent all the same

	Connects uint64 `json:"connects"`
	Failures uint64 `json:"failures"` // connections that were not made
	Cuts     uint64 `json:"cuts"`     // connections that the scenario ended
	Closes   uint64 `json:"closes"`   // connections that ended otherwise
	Returns
}

// Returns count connections of clients that had one before.
type Returns struct {
	Recovered uint64 `json:"recovered"`
	Renewed   uint64 `json:"renewed"` // came back without their old socket
}

func (c *Counters) fields() []*uint64 {
	return []*uint64{
		&c.Sent, &c.Skipped, &c.Unsent, &c.Delivered, &c.Acked, &c.Replayed, &c.Stray, &c.Damaged, &c.Bytes, &c.Stalls,
		&c.Connects, &c.Failures, &c.Cuts, &c.Closes, &c.Recovered, &c.Renewed,
	}
}

// Add adds another's counts.
func (c *Counters) Add(other Counters) {
	theirs := other.fields()
	for i, field := range c.fields() {
		*field += *theirs[i]
	}
}

// Minus is what has happened since an earlier count.
func (c Counters) Minus(earlier Counters) Counters {
	theirs := earlier.fields()
	for i, field := range c.fields() {
		*field -= *theirs[i]
	}
	return c
}

// Histograms hold durations in microseconds, of one microsecond to ten minutes, with three digits.
const (
	highest = int64(10 * time.Minute / time.Microsecond)
	digits  = 3
)

// Histogram is an HDR histogram that travels in JSON. The zero value is empty.
type Histogram struct{ h *hdrhistogram.Histogram }

// Record adds a duration; negative ones, of clocks that disagree, count as the least.
func (h *Histogram) Record(d time.Duration) {
	if h.h == nil {
		h.h = hdrhistogram.New(1, highest, digits)
	}
	// Clamped, so that there is no error.
	_ = h.h.RecordValue(min(max(d.Microseconds(), 1), highest))
}

// Add adds another's values.
func (h *Histogram) Add(other Histogram) {
	if other.h == nil {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(1, highest, digits)
	}
	h.h.Merge(other.h)
}

// Count is how many values there are.
func (h Histogram) Count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// At is the duration at a percentile, 100 for the longest. 0 if there are none.
func (h Histogram) At(percentile float64) time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.ValueAtPercentile(percentile)) * time.Microsecond
}

// Mean is the mean duration.
func (h Histogram) Mean() time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.Mean() * float64(time.Microsecond))
}

// MarshalText implements encoding.TextMarshaler: the histogram's own compressed form, in base64.
func (h Histogram) MarshalText() ([]byte, error) {
	if h.h == nil {
		return nil, nil
	}
	compressed, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, fmt.Errorf("encode a histogram: %w", err)
	}
	return compressed, nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Histogram) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		h.h = nil
		return nil
	}
	decoded, err := hdrhistogram.Decode(text)
	if err != nil {
		return fmt.Errorf("decode a histogram: %w", err)
	}
	h.h = decoded
	return nil
}

// Histograms are those of a run.
type Histograms struct {
	Latency Histogram `json:"latency"` // from the intended send to the delivery or the acknowledgement
	Replay  Histogram `json:"replay"`  // the same of what came with a recovery
	Connect Histogram `json:"connect"` // from the first SYN until the client is in its namespace and room
	Back    Histogram `json:"back"`    // from the end of a connection until the client is back in its room
	Late    Histogram `json:"late"`    // from the intended send to the send itself: the generator's own delay
}

// Add adds another's values.
func (h *Histograms) Add(other Histograms) {
	h.Latency.Add(other.Latency)
	h.Replay.Add(other.Replay)
	h.Connect.Add(other.Connect)
	h.Back.Add(other.Back)
	h.Late.Add(other.Late)
}

// Sample is what happened in one interval.
type Sample struct {
	Counters   Counters   `json:"counters"` // since the start
	Histograms Histograms `json:"histograms"`
	Present    int        `json:"present"` // clients connected and in their place now
	Missing    int        `json:"missing"` // clients that have never been
	Away       int        `json:"away"`    // clients that have been, and are not; without those that do not read, or that jitter keeps away
	Arrived    int64      `json:"arrived"` // when the last of the others came for the first time, in nanoseconds since 1970
}

// Add adds another squad's.
func (s *Sample) Add(other Sample) {
	s.Counters.Add(other.Counters)
	s.Histograms.Add(other.Histograms)
	s.Present += other.Present
	s.Missing += other.Missing
	s.Away += other.Away
	s.Arrived = max(s.Arrived, other.Arrived)
}

// Fault is what one sender's messages suffered on the way to the members of a room.
type Fault struct {
	Room      int    `json:"room"`
	Sender    int    `json:"sender"`
	Lost      uint64 `json:"lost"`
	Repeated  uint64 `json:"repeated"`
	Reordered uint64 `json:"reordered"`
}

// maxFaults bounds the list of senders and rooms with faults.
const maxFaults = 100

// maxCauses bounds the reasons that are told apart.
const maxCauses = 30

// Audit is what became of the numbered messages.
type Audit struct {
	Expected  uint64         `json:"expected"` // messages sent, times the members of their rooms
	Lost      uint64         `json:"lost"`
	Away      uint64         `json:"away"` // of those lost, sent while the receiver had no connection and did not recover
	Repeated  uint64         `json:"repeated"`
	Reordered uint64         `json:"reordered"`
	Unsure    uint64         `json:"unsure"` // came so late that it is not known whether for the first time; counted as neither lost nor repeated
	LostAcks  uint64         `json:"lost_acks"`
	Faults    []Fault        `json:"faults,omitempty"`
	Causes    map[string]int `json:"causes,omitempty"`  // why connections were not made, or ended
	Waiting   map[string]int `json:"waiting,omitempty"` // what those wait for who are not in their place
	Unread    UnreadClients  `json:"unread"`
}

// UnreadClients are those that never read.
type UnreadClients struct {
	Clients int `json:"clients"`
	Closed  int `json:"closed"` // whose connection the server has ended
}

// Add adds another squad's.
func (a *Audit) Add(other Audit) {
	a.Expected += other.Expected
	a.Lost += other.Lost
	a.Away += other.Away
	a.Repeated += other.Repeated
	a.Reordered += other.Reordered
	a.Unsure += other.Unsure
	a.LostAcks += other.LostAcks
	a.Unread.Clients += other.Unread.Clients
	a.Unread.Closed += other.Unread.Closed
	for _, f := range other.Faults {
		a.fault(f)
	}
	for cause, n := range other.Causes {
		a.cause(cause, n)
	}
	for what, n := range other.Waiting {
		a.wait(what, n)
	}
}

// fault adds to the fault of a sender and a room.
func (a *Audit) fault(f Fault) {
	for i := range a.Faults {
		if g := &a.Faults[i]; g.Room == f.Room && g.Sender == f.Sender {
			g.Lost, g.Repeated, g.Reordered = g.Lost+f.Lost, g.Repeated+f.Repeated, g.Reordered+f.Reordered
			return
		}
	}
	if len(a.Faults) < maxFaults {
		a.Faults = append(a.Faults, f)
	}
}

func (a *Audit) wait(what string, n int) {
	if a.Waiting == nil {
		a.Waiting = map[string]int{}
	}
	a.Waiting[what] += n
}

func (a *Audit) cause(text string, n int) {
	if a.Causes == nil {
		a.Causes = map[string]int{}
	}
	if _, known := a.Causes[text]; !known && len(a.Causes) >= maxCauses {
		text = "others"
	}
	a.Causes[text] += n
}
