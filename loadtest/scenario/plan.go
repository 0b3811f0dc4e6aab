package scenario

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// traffic kinds.
const (
	silence    = "silence"
	publishing = "publish"
	echoing    = "echo"
)

// Plan is a scenario made concrete. It is the same in all processes of a run, and read only.
type Plan struct {
	Scenario  string
	Run       string // part of the rooms' names, so that runs do not meet
	Processes int
	Options   Options
}

// NewPlan checks the options and shares the clients out to processes.
func NewPlan(name string, o Options) (*Plan, error) {
	if err := o.Check(name); err != nil {
		return nil, err
	}
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, fmt.Errorf("name the run: %w", err)
	}
	p := &Plan{Scenario: name, Run: fmt.Sprintf("%x", random), Options: o}
	p.Processes = (p.Total() + o.Shape.PerProcess - 1) / o.Shape.PerProcess
	if n := o.Traffic.InFlight * max(p.rooms(), 1); p.Saturated() && n > maxInFlight {
		return nil, fmt.Errorf("%w: --in-flight in %d rooms makes %d, and %d are the limit", ErrOptions, p.rooms(), n, maxInFlight)
	}
	if err := p.checkReaders(); err != nil {
		return nil, err
	}
	return p, nil
}

// Traffic is what kind of messages are sent: silence, publish or echo.
func (p *Plan) Traffic() string {
	t := p.Options.Traffic
	switch {
	case p.Scenario == "idle", p.Scenario == "connect", t.Rate == 0 && t.InFlight == 0:
		return silence
	case p.Scenario == "echo":
		return echoing
	case p.Options.Publishers == 0:
		return silence
	}
	return publishing
}

// Saturated tells whether a message's end lets the next one out.
func (p *Plan) Saturated() bool { return p.Traffic() != silence && p.Options.Traffic.Rate == 0 }

// rooms is how many rooms there are.
func (p *Plan) rooms() int {
	switch {
	case p.Traffic() != publishing:
		return 0
	case p.Options.RoomSize == 0:
		return 1
	}
	return (p.Options.Clients + p.Options.RoomSize - 1) / p.Options.RoomSize
}

// outside is how many publishers there are beside the members.
func (p *Plan) outside() int {
	if p.rooms() == 1 {
		return p.Options.Publishers
	}
	return 0
}

// Total is how many clients there are, publishers included.
func (p *Plan) Total() int { return p.Options.Clients + p.outside() }

// members is how many receivers a room has.
func (p *Plan) members(room int) int {
	if p.rooms() == 1 {
		return p.Options.Clients
	}
	return min(p.Options.RoomSize, p.Options.Clients-room*p.Options.RoomSize)
}

// senders is how many clients send, in all.
func (p *Plan) senders() int {
	switch p.Traffic() {
	case publishing:
		n := 0
		for room := range p.rooms() {
			n += p.publishers(room)
		}
		return n
	case echoing:
		return p.Options.Clients
	}
	return 0
}

// publishers is how many clients send to a room.
func (p *Plan) publishers(room int) int {
	if p.rooms() == 1 {
		return p.Options.Publishers
	}
	return min(p.Options.Publishers, p.members(room))
}

func (p *Plan) parts() int { return p.Processes * p.Options.Shape.Loops }

// seat is where a client has its place.
type seat struct {
	index  int
	room   int // -1 without one
	sender int // its number among the room's senders, -1 if it sends nothing
	member bool
}

// seats lists the clients of one part of the run: a loop of a process. One room's members are spread over all parts and its publishers
// sit in the first; of several rooms each is in one part.
func (p *Plan) seats(part int) []seat {
	var list []seat
	rooms, parts := p.rooms(), p.parts()
	switch rooms {
	case 0, 1:
		for i := part; i < p.Options.Clients; i += parts {
			s := seat{index: i, room: rooms - 1, sender: -1, member: rooms == 1}
			if p.Traffic() == echoing {
				s.sender = 0
			}
			list = append(list, s)
		}
		for i := range p.outside() {
			if part == 0 {
				list = append(list, seat{index: p.Options.Clients + i, room: 0, sender: i})
			}
		}
	default:
		for room := part; room < rooms; room += parts {
			for i := range p.members(room) {
				s := seat{index: room*p.Options.RoomSize + i, room: room, sender: -1, member: true}
				if i < p.publishers(room) {
					s.sender = i
				}
				list = append(list, s)
			}
		}
	}
	return list
}

// troubled tells whether a client is among the share that trouble befalls. They are spread evenly over the parts, and in each.
func (p *Plan) troubled(s seat) bool {
	if !s.member {
		return false
	}
	rank := p.rank(s.index)
	return p.troubledBelow(rank+1) > p.troubledBelow(rank)
}

// troubledBelow is how many of the first members in the order of rank are troubled: of any share, one of them all at least.
func (p *Plan) troubledBelow(rank int) int {
	share, clients := p.Options.Trouble.Share, p.Options.Clients
	if share > 0 && int(share*float64(clients)) == 0 {
		return rank / clients
	}
	return int(share * float64(rank))
}

// rank is a member's place among all, those of one part together.
func (p *Plan) rank(index int) int {
	if p.rooms() > 1 {
		return index
	}
	parts := p.parts()
	return p.firstRank(index%parts) + index/parts
}

// firstRank is that of a part's first member, if there is one room.
func (p *Plan) firstRank(part int) int {
	clients, parts := p.Options.Clients, p.parts()
	return part*(clients/parts) + min(part, clients%parts)
}

// mute tells whether a client never reads.
func (p *Plan) mute(s seat) bool { return p.Scenario == "slow" && p.troubled(s) }

// reads tells whether a part has a member that reads, if there is one room.
func (p *Plan) reads(part int) bool {
	from, to := p.firstRank(part), p.firstRank(part+1)
	return to > from && (p.Scenario != "slow" || p.troubledBelow(to)-p.troubledBelow(from) < to-from)
}

// checkReaders refuses a plan with a room where nobody reads: its messages would be in flight for ever.
func (p *Plan) checkReaders() error {
	if p.Scenario != "slow" {
		return nil
	}
	readers := make([]int, p.rooms())
	for index := range p.Options.Clients {
		if len(readers) > 0 && !p.troubled(seat{index: index, member: true}) {
			readers[index/max(p.Options.RoomSize, 1)%len(readers)]++
		}
	}
	for room, n := range readers {
		if n == 0 {
			return fmt.Errorf("%w: --share leaves nobody in room %d who reads", ErrOptions, room)
		}
	}
	return nil
}

// roomName is a room's on the server.
func (p *Plan) roomName(room int) string { return "load-" + p.Run + "-" + strconv.Itoa(room) }

// Describe says in a line what is run.
func (p *Plan) Describe() string {
	o := p.Options
	words := []string{fmt.Sprintf("%s: %d clients over %s", p.Scenario, p.Options.Clients, o.Server.Transport)}
	if o.Server.Parser == "msgpack" {
		words = append(words, "msgpack")
	}
	if o.Server.Deflate {
		words = append(words, "compressed if the server will")
	}
	if n := p.rooms(); n > 1 {
		words = append(words, fmt.Sprintf("in %d rooms of %d", n, o.RoomSize))
	}
	switch {
	case p.Traffic() == silence:
	case p.Saturated():
		words = append(words, fmt.Sprintf("%d in flight, %d bytes", o.Traffic.InFlight, o.Traffic.Payload))
	default:
		words = append(words, fmt.Sprintf("%g messages/s, %d bytes", o.Traffic.Rate, o.Traffic.Payload))
	}
	return strings.Join(append(words, fmt.Sprint(o.Timing.Duration.Round(time.Millisecond))), ", ")
}
