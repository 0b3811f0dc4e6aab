package gateway

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"

	"patchbay/backplane"
	"patchbay/gateway/auth"
	"patchbay/gateway/handoff"
	"patchbay/protocol/socketio"
)

// Nodes talk about what moves between them on `gateway.<node>.handoff`; only the first question, where
// a socket is, goes to the socket's own subject, `socket.<birth node>.<id>.take`.
const (
	verbHandoff = "handoff"
	verbTake    = "take"
	headerPart  = "Pb-Part" // of a note that is larger than one message: its number at the sender, and "more" but on the last part
)

// noteKind is what a note says: a message of package handoff, or one of ours.
type noteKind string

const (
	noteLook      noteKind = "look"
	noteGive      noteKind = "give"
	noteConfirm   noteKind = "confirm"
	noteDecline   noteKind = "decline"
	noteDone      noteKind = "done"
	noteOffer     noteKind = "offer"
	noteState     noteKind = "state"
	noteConfirmed noteKind = "confirmed"
	noteForward   noteKind = "forward"
	noteSettled   noteKind = "settled"
	noteRefused   noteKind = "refused"
	noteHolder    noteKind = "holder"    // to a socket's birth node: the sender has it now
	noteEnded     noteKind = "ended"     // likewise: it has ended there
	noteShelter   noteKind = "shelter"   // to a node that is ready: the sender drains, and has a detached socket
	noteDeclined  noteKind = "declined"  // the answer, if that node has no room
	noteProbe     noteKind = "probe"     // a WebSocket for a session has come to the sender
	noteProbed    noteKind = "probed"    // the answer
	noteProbing   noteKind = "probing"   // the WebSocket works: the session's GETs are to be ended
	noteProbeEnd  noteKind = "probe end" // the WebSocket is gone
)

// note is a message of a handoff from one node to another.
type note struct {
	Kind   noteKind `json:"kind"`
	From   string   `json:"from"`
	Token  string   `json:"token,omitempty"`
	Unit   wanted   `json:"unit,omitzero"`  // of look, give, holder and ended
	Grant  uint64   `json:"grant,omitzero"` // of state and confirm
	Count  uint64   `json:"count,omitzero"` // Confirm.Received, Forward.Index, Settled.Count
	Refuse refusal  `json:"refuse,omitzero"`
	Offer  *offer   `json:"offer,omitempty"`
	State  *parcel  `json:"state,omitempty"`
	Seen   string   `json:"seen,omitempty"` // of state
	Emit   *sealed  `json:"emit,omitempty"` // of forward
}

// wanted is what a taker asks for.
type wanted struct {
	Session   string `json:"session,omitempty"` // all of it; else one socket
	Probe     string `json:"probe,omitempty"`   // the token by which the session was told of the WebSocket that wants it
	Socket    string `json:"socket,omitempty"`
	Namespace string `json:"nsp,omitempty"`
	Offset    string `json:"offset,omitempty"` // the last event that the client has had
	Whole     bool   `json:"whole,omitempty"`  // what the client has had is not known: for a node that keeps the socket
}

// refusal is the rest of a handoff.Refused.
type refusal struct {
	Step   handoff.Step    `json:"step"`
	Reason handoff.Refusal `json:"reason"`
	Node   string          `json:"node,omitempty"`
}

// offer is what to claim for a unit.
type offer struct {
	Sockets []claims `json:"sockets,omitempty"`
}

// claims are what a socket hears, besides its own subject.
type claims struct {
	ID        string   `json:"id"`
	Namespace string   `json:"nsp"`
	Rooms     []string `json:"rooms,omitempty"`
}

// parcel is a unit on its way to another node: a socket, or a session with all of its sockets.
type parcel struct {
	Sockets []boxed       `json:"sockets,omitempty"`
	Session *boxedSession `json:"session,omitempty"`
}

// boxed is a socket in a parcel.
type boxed struct {
	claims
	Worker  string            `json:"worker"`
	Data    []byte            `json:"data,omitempty"`
	Auth    []byte            `json:"auth,omitempty"`
	Owner   *auth.Identity    `json:"owner,omitempty"`  // whose token the client has
	Missed  []*sealed         `json:"missed,omitempty"` // after the client's offset; of a session's, what it was sent last
	Anchor  string            `json:"anchor,omitempty"` // the event before Missed
	Trimmed bool              `json:"trimmed,omitzero"` // something is missing before Missed
	Acks    map[uint64]string `json:"acks,omitempty"`   // owed: reply subjects
	NextAck uint64            `json:"nextAck,omitzero"`
	Left    time.Duration     `json:"left,omitzero"`   // of the time for which it is kept, if nobody has come for it
	Number  uint64            `json:"number,omitzero"` // of the client's last event
	Events  []boxedEvent      `json:"events,omitempty"`
	Given   int               `json:"given,omitzero"` // so many of Events, from the first on, are with the worker
}

// boxedSession is a session in a parcel, but for its sockets.
type boxedSession struct {
	Handshake []byte        `json:"handshake"`
	Queue     []boxedPacket `json:"queue,omitempty"` // not sent yet
	Parts     *boxedParts   `json:"parts,omitempty"`
	Beat      time.Duration `json:"beat"` // from now on
	Deadline  time.Duration `json:"deadline,omitzero"`
	Flags     sessionFlags  `json:"flags"`
}

// boxedPacket is an Engine.IO packet.
type boxedPacket struct {
	Data   []byte `json:"data"`
	Binary bool   `json:"binary,omitempty"`
}

// boxedParts is a packet whose attachments are still coming.
type boxedParts struct {
	Packet      socketio.Packet `json:"packet"`
	Attachments [][]byte        `json:"attachments,omitempty"`
}

// claims are what the unit will hear.
func (p *parcel) claims() []claims {
	all := make([]claims, len(p.Sockets))
	for i := range p.Sockets {
		all[i] = p.Sockets[i].claims
	}
	return all
}

// sealed is an emit on its way from one node to another.
type sealed struct {
	JSON        []byte     `json:"json"` // bytes: they must arrive as they are
	Attachments [][]byte   `json:"attachments,omitempty"`
	ID          string     `json:"id,omitempty"`     // its header
	Offset      string     `json:"offset,omitempty"` // by which clients know it
	Namespace   string     `json:"nsp,omitempty"`
	Room        string     `json:"room,omitempty"`
	Rooms       []string   `json:"rooms,omitempty"`
	Except      []string   `json:"except,omitempty"`
	Reply       string     `json:"reply,omitempty"`
	Match       string     `json:"match,omitempty"`
	Flags       string     `json:"flags,omitempty"` // as in its header
	Whole       bool       `json:"whole,omitempty"`
	Socket      bool       `json:"socket,omitempty"`
	Own         *sealedOwn `json:"own,omitempty"`
}

// sealedOwn is what is for one socket and is no emit: a request about it, or a receipt for an event of its client.
type sealedOwn struct {
	Control *backplane.Control `json:"control,omitempty"`
	Receipt backplane.Receipt  `json:"receipt,omitzero"`
}

// seal makes an emit ready to travel.
func (b *broadcast) seal() *sealed {
	e := &sealed{
		JSON: b.emit.JSON, Attachments: b.emit.Attachments, ID: b.emit.ID, Offset: b.id,
		Namespace: b.target.nsp, Room: b.target.room, Whole: b.target.whole, Socket: b.target.socket,
		Rooms: b.emit.Rooms, Except: b.emit.Except, Reply: b.reply, Match: b.emit.Match, Flags: b.emit.Flags(),
	}
	switch {
	case b.control != nil:
		e.Own = &sealedOwn{Control: &b.control.request}
	case b.answered != nil:
		e.Own = &sealedOwn{Receipt: b.answered.receipt}
	}
	return e
}

// open is the emit as it was.
func (e *sealed) open() *broadcast {
	b := &broadcast{
		id: e.Offset, reply: e.Reply,
		target: target{nsp: e.Namespace, room: e.Room, whole: e.Whole, socket: e.Socket},
		emit: backplane.Emit{
			Payload: backplane.Payload{JSON: e.JSON, Attachments: e.Attachments},
			ID:      e.ID, Rooms: e.Rooms, Except: e.Except, Match: e.Match,
		},
	}
	b.emit.SetFlags(e.Flags)
	if e.Match != "" {
		var err error
		if b.target.match, err = regexp.Compile(e.Match); err != nil {
			b.target.nsp = e.Match // the node that sent it could compile it: here it is nobody's
		}
	}
	b.mark, _ = handoff.ParseMark(e.ID)
	switch {
	case e.Own == nil:
	case e.Own.Control != nil:
		b.control = &control{id: e.Room, reply: e.Reply, request: *e.Own.Control}
	default:
		b.answered = &answered{id: e.Room, receipt: e.Own.Receipt, payload: b.emit.Payload}
	}
	return b
}

// broadcastSize is what an emit takes while a socket moves, in bytes.
func broadcastSize(b *broadcast) int {
	size := entryCost + len(b.emit.JSON)
	for _, a := range b.emit.Attachments {
		size += len(a)
	}
	return size
}

// tell sends a note to a node.
func (gw *Gateway) tell(node string, n *note) { gw.sendNote(gw.conn.Node(node, verbHandoff, ""), n) }

// sendNote sends a note, in as many messages as NATS's limit makes it. If nobody listens, intake learns it by the token.
func (gw *Gateway) sendNote(subject string, n *note) {
	n.From = gw.options.ID
	data, err := json.Marshal(n)
	if err != nil {
		panic("gateway: a note that is not JSON: " + err.Error())
	}
	reply := ""
	if n.Kind == noteLook || n.Kind == noteGive || n.Kind == noteProbe || n.Kind == noteShelter {
		reply = gw.conn.Node(gw.options.ID, verbHandoff, n.Token)
	}
	if len(data) <= gw.maxMessage {
		gw.countPublish(gw.conn.PublishRequest(subject, reply, data))
		return
	}
	number := strconv.FormatUint(gw.routes.numbers.Add(1), 36)
	for len(data) > 0 {
		size := min(len(data), gw.maxMessage)
		head := gw.options.ID + "." + number
		if size < len(data) {
			head += " more"
		}
		gw.countPublish(gw.conn.PublishMsg(&backplane.Msg{
			Subject: subject, Data: data[:size], Header: map[string][]string{headerPart: {head}},
		}))
		data = data[size:]
	}
}

// Bounds of notes that are not whole yet. Past them one is dropped: its sender repeats it.
const (
	maxParts     = 64
	maxPartBytes = 64 << 20
)

// parts are the notes that are not whole yet. Owned by intake.
type parts struct {
	notes map[string][]byte
	size  int
}

// add takes a message and returns the whole note, or nil.
func (p *parts) add(m *backplane.Msg) []byte {
	head := first(m, headerPart)
	if head == "" {
		return m.Data
	}
	key, more, _ := strings.Cut(head, " ")
	if p.notes == nil {
		p.notes = map[string][]byte{}
	}
	data := append(p.notes[key], m.Data...)
	p.size += len(m.Data)
	if more == "" {
		p.drop(key, len(data))
		return data
	}
	p.notes[key] = data
	for old := range p.notes { // any other: it is repeated if somebody still wants it
		if len(p.notes) <= maxParts && p.size <= maxPartBytes {
			break
		}
		if old != key {
			p.drop(old, len(p.notes[old]))
		}
	}
	return nil
}

func (p *parts) drop(key string, size int) {
	delete(p.notes, key)
	p.size -= size
}
