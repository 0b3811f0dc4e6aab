package scenario

import (
	"errors"
	"math/rand/v2"
	"time"

	"patchbay/loadtest/load"
)

// Wait before a client comes back after a connection that it did not want to lose: the stock client's, with its randomisation.
const (
	firstBackoff = time.Second
	lastBackoff  = 5 * time.Second
)

// errJoin reports a join without an answer.
var errJoin = errors.New("load: no answer to join")

// joinID is the id of the acknowledgement of a join; echoes count from 1.
const joinID = 0

// member is one client of a scenario. Owned by its crew's loop.
type member struct {
	seat
	crew   *crew
	client *load.Client
	room   *room // nil without one

	condition
	failures int // in a row
	attempts int
	began    int64
	lostAt   int64 // when it lost its connection; 0 before the first time

	heard  []stream // by sender of the room
	sent   uint64   // messages, or echoes
	acks   stream
	asking map[uint64]struct{} // echoes not acknowledged; nil until the first
}

// condition is what there is to say of a member without numbers.
type condition struct {
	joined  bool // connected and in its room, or in its namespace if it has none
	inRoom  bool // its socket, which may outlive the connection, has joined
	counted bool // among those that have been there once
	willed  bool // its connection is being cut by the scenario
	mute    bool // never reads
	resting bool // kept away for a while by the scenario (jitter)
}

func newMember(c *crew, s seat) *member {
	m := &member{seat: s, crew: c}
	m.client = load.NewClient(c.loop, c.settings, m)
	if s.room >= 0 {
		m.room = c.room(s.room)
		m.mute = c.plan.mute(s)
		if m.mute {
			c.audit.Unread.Clients++
		} else if s.member {
			m.room.members++
			m.heard = make([]stream, c.plan.publishers(s.room))
		}
		if s.sender == 0 {
			m.room.publisher = m
		}
	}
	return m
}

// connect begins a connection, to another of the URLs each time.
func (m *member) connect() {
	m.resting = false
	targets := m.crew.targets
	to := targets[(m.index+m.attempts)%len(targets)]
	m.attempts++
	m.began = m.crew.loop.Time()
	m.client.Connect(to)
}

// Connected implements load.Handler.
func (m *member) Connected(recovered bool) {
	c := m.crew
	c.count.Connects++
	if m.lostAt != 0 {
		if recovered {
			c.count.Recovered++
		} else {
			c.count.Renewed++
			m.forgetStreams()
		}
	}
	m.inRoom = m.inRoom && recovered
	if m.member && m.room != nil && !m.inRoom {
		m.client.EmitAck(joinID, []byte(`["join","`+c.plan.roomName(m.room.number)+`"]`))
		attempt := m.attempts
		c.loop.After(load.HandshakeTimeout, func() {
			if m.attempts == attempt && !m.joined {
				m.client.GiveUp(errJoin)
			}
		})
		return
	}
	m.arrive()
}

// away tells whether the member has been in its place, and should be there again.
func (m *member) away() bool { return m.counted && !m.joined && !m.mute && !m.resting }

// waitsFor says what keeps the member from its place.
func (m *member) waitsFor() string {
	switch {
	case m.attempts == 0:
		return "to begin: others are connecting"
	case m.client.Absent():
		return "to try again"
	case m.client.Present():
		return "for an answer to join, which the server needs to know"
	}
	return "for the server's handshake"
}

// forgetStreams notes that what is missing next was missed while away.
func (m *member) forgetStreams() {
	for i := range m.heard {
		m.heard[i].absent = true
	}
}

// arrive notes that the member is where it belongs.
func (m *member) arrive() {
	c, now := m.crew, m.crew.loop.Time()
	m.joined, m.failures = true, 0
	if m.lostAt == 0 {
		c.hist.Connect.Record(time.Duration(now - m.began))
	} else {
		c.hist.Back.Record(time.Duration(now - m.lostAt))
	}
	c.arrived(m)
	if m.mute {
		m.client.SetReading(false)
	}
}

// Event implements load.Handler.
func (m *member) Event(payload []byte, replayed bool) {
	c := m.crew
	mark, known, err := c.filler.readArgument(payload, eventPrefix, c.plan.Options.Traffic.Payload)
	switch {
	case !known: // the contract app greets with an event of its own
		return
	case err != nil:
		c.count.Damaged++
		return
	case m.mute: // what came before it stopped reading
		return
	case m.room == nil || mark.room != m.room.number || mark.sender >= len(m.heard):
		c.count.Stray++
		return
	}
	if m.heard[mark.sender].take(mark.seq) == repeated {
		return
	}
	c.count.Delivered++
	latency := time.Duration(c.loop.Time() - mark.intended)
	if replayed {
		c.count.Replayed++
		c.hist.Replay.Record(latency)
	} else {
		c.hist.Latency.Record(latency)
	}
	if m.room.arrived(mark.seq) {
		c.report(m.room)
	}
}

// Ack implements load.Handler.
func (m *member) Ack(id uint64, payload []byte) {
	c := m.crew
	if id == joinID {
		m.inRoom = true
		m.arrive()
		return
	}
	mark, _, err := c.filler.readArgument(payload, ackPrefix, c.plan.Options.Traffic.Payload)
	switch {
	case err != nil:
		c.count.Damaged++
	case mark.sender != m.index || mark.seq != id-1 || mark.seq >= m.sent:
		c.count.Stray++
	case m.acks.take(mark.seq) == repeated:
	default:
		delete(m.asking, id)
		c.count.Acked++
		c.hist.Latency.Record(time.Duration(c.loop.Time() - mark.intended))
		c.traffic.answered(1)
	}
}

// Closed implements load.Handler.
func (m *member) Closed(cause error) {
	c := m.crew
	present := m.joined
	m.joined = false
	if present {
		m.lostAt = c.loop.Time()
	}
	c.traffic.answered(len(m.asking)) // whose answers will not come
	clear(m.asking)
	switch {
	case errors.Is(cause, load.ErrCut):
		c.count.Cuts++
	case present:
		c.count.Closes++
		c.audit.cause(cause.Error(), 1)
	default:
		c.count.Failures++
		m.failures++
		c.audit.cause(cause.Error(), 1)
	}
	c.left(m, present)
}

// backoff is how long to wait after a failure.
func (m *member) backoff() time.Duration {
	d := min(firstBackoff<<min(m.failures, 4), lastBackoff)
	return time.Duration((0.5 + rand.Float64()) * float64(d))
}
