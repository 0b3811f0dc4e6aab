package backplane

import (
	"errors"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/trace"
)

// Msg is a NATS message: subject, reply subject, headers and data. The alias lets the
// other packages handle messages without importing the NATS client.
type Msg = nats.Msg

// Headers of emits and events. All are optional: a bare payload on a room's subject is a
// whole emit.
const (
	HeaderID          = "Pb-Id"          // message id, the same on all copies: see Conn.Emit
	HeaderNamespace   = "Pb-Nsp"         // namespace, escaped, where the subject does not tell
	HeaderRooms       = "Pb-Rooms"       // the target rooms, escaped, comma-separated
	HeaderExcept      = "Pb-Except"      // rooms and socket ids to leave out, likewise
	HeaderMatch       = "Pb-Match"       // a pattern of namespaces: see Subjects.Matching
	HeaderFlags       = "Pb-Flags"       // letters: v volatile, u uncompressed, a ask for acknowledgements
	HeaderAttachments = "Pb-Attachments" // lengths of the attachments that follow the JSON
	HeaderError       = "Pb-Error"       // on replies: why there is no answer
)

// ErrEnvelope reports headers that contradict each other or the payload.
var ErrEnvelope = errors.New("backplane: malformed envelope")

// Payload is what an event or an acknowledgement carries: a Socket.IO JSON array,
// in which attachments stand as placeholders, and the attachments.
type Payload struct {
	JSON        []byte
	Attachments [][]byte
}

// Emit is a message from an application to sockets.
type Emit struct {
	Payload
	ID        string             // see HeaderID; Conn.Emit sets it
	Namespace string             // "" when the subject tells
	Rooms     []string           // the whole target set where it is more than the subject's room
	Except    []string           // rooms or socket ids to leave out
	Match     string             // the pattern of the namespaces meant, a regular expression; of emits on Subjects.Matching alone
	Trace     *trace.SpanContext // of the span that emits; nil if it is not traced. DecodeEmit leaves it to TraceOf

	Volatile     bool // drop rather than queue
	Uncompressed bool // do not compress where the client's connection would
	Ask          bool // every recipient is asked for an acknowledgement: see Asked
}

// Encode makes the message that carries the emit to a subject. Payloads without
// attachments are used as they are, not copied: they must not change until it is published.
func (e *Emit) Encode(subject, reply string) *Msg {
	m := &Msg{Subject: subject, Reply: reply}
	e.Payload.encode(m)
	set(m, HeaderID, e.ID)
	SetNamespace(m, e.Namespace)
	set(m, HeaderRooms, joinNames(e.Rooms))
	set(m, HeaderExcept, joinNames(e.Except))
	set(m, HeaderMatch, e.Match)
	set(m, HeaderFlags, e.Flags())
	if e.Trace != nil {
		SetTrace(m, TraceParent(*e.Trace))
	}
	return m
}

// Flags are the letters of HeaderFlags.
func (e *Emit) Flags() string {
	var letters [3]byte
	list := letters[:0]
	if e.Volatile {
		list = append(list, 'v')
	}
	if e.Uncompressed {
		list = append(list, 'u')
	}
	if e.Ask {
		list = append(list, 'a')
	}
	return string(list)
}

// SetFlags takes the letters of HeaderFlags; those that it does not know mean nothing.
func (e *Emit) SetFlags(letters string) {
	e.Volatile = strings.Contains(letters, "v")
	e.Uncompressed = strings.Contains(letters, "u")
	e.Ask = strings.Contains(letters, "a")
}

// plain reports whether the emit needs no header but its id.
func (e *Emit) plain() bool {
	return len(e.Attachments) == 0 && e.Namespace == "" && len(e.Rooms) == 0 && len(e.Except) == 0 && e.Match == "" &&
		e.Trace == nil && !e.Volatile && !e.Uncompressed && !e.Ask
}

// DecodeEmit reads an emit. Its bytes alias the message's.
func DecodeEmit(m *Msg) (Emit, error) {
	var e Emit
	var err error
	if e.Payload, err = DecodePayload(m); err != nil || len(m.Header) == 0 {
		return e, err
	}
	e.ID = get(m, HeaderID)
	if e.Namespace, err = NamespaceOf(m); err != nil {
		return e, err
	}
	e.SetFlags(get(m, HeaderFlags))
	e.Match = get(m, HeaderMatch)
	if e.Rooms, err = splitNames(get(m, HeaderRooms)); err != nil {
		return e, err
	}
	e.Except, err = splitNames(get(m, HeaderExcept))
	return e, err
}

// EncodePayload makes the message that carries a client's event to its worker, or an
// acknowledgement either way. The same rule on aliasing as for Emit.Encode holds.
func EncodePayload(subject, reply string, p Payload) *Msg {
	m := &Msg{Subject: subject, Reply: reply}
	p.encode(m)
	return m
}

// DecodePayload reads a payload. Its bytes alias the message's.
func DecodePayload(m *Msg) (Payload, error) {
	lengths := get(m, HeaderAttachments)
	if lengths == "" {
		return Payload{JSON: m.Data}, nil
	}
	var sizes []int
	total := 0
	for text := range strings.SplitSeq(lengths, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(m.Data)-total {
			return Payload{}, ErrEnvelope
		}
		sizes = append(sizes, n)
		total += n
	}
	at := len(m.Data) - total
	p := Payload{JSON: m.Data[:at:at], Attachments: make([][]byte, 0, len(sizes))}
	for _, n := range sizes {
		p.Attachments = append(p.Attachments, m.Data[at:at+n:at+n])
		at += n
	}
	return p, nil
}

func (p *Payload) encode(m *Msg) {
	if len(p.Attachments) == 0 {
		m.Data = p.JSON
		return
	}
	size := len(p.JSON)
	lengths := make([]string, len(p.Attachments))
	for i, a := range p.Attachments {
		lengths[i] = strconv.Itoa(len(a))
		size += len(a)
	}
	m.Data = append(make([]byte, 0, size), p.JSON...)
	for _, a := range p.Attachments {
		m.Data = append(m.Data, a...)
	}
	set(m, HeaderAttachments, strings.Join(lengths, ","))
}

// maxLeftRooms is how many bytes of room names go along with a disconnection.
const maxLeftRooms = 128 << 10

// tooManyRooms stands for rooms whose names are too long together. No room's name is escaped like this.
const tooManyRooms = "*"

// EncodeDisconnect makes the message that tells a worker that a socket is gone: why, and in which rooms it was, its own
// left out. If their names have more than 128 KiB it does not tell.
func EncodeDisconnect(subject, reason string, rooms []string) *Msg {
	m := &Msg{Subject: subject, Data: []byte(reason)}
	list := joinNames(rooms)
	if len(list) > maxLeftRooms {
		list = tooManyRooms
	}
	set(m, HeaderRooms, list)
	return m
}

// LeftRooms returns the rooms in which a socket was that is gone; nil if the message does not tell.
func LeftRooms(m *Msg) []string {
	list := get(m, HeaderRooms)
	rooms, err := splitNames(list)
	switch {
	case err != nil || list == tooManyRooms:
		return nil
	case rooms == nil:
		return []string{}
	}
	return rooms
}

// SetNamespace notes on a message which namespace it is about; "" notes nothing.
func SetNamespace(m *Msg, nsp string) {
	if nsp != "" {
		set(m, HeaderNamespace, Escape(nsp))
	}
}

// NamespaceOf returns the namespace noted on a message, or "".
func NamespaceOf(m *Msg) (string, error) {
	token := get(m, HeaderNamespace)
	if token == "" {
		return "", nil
	}
	return Unescape(token)
}

// get and set use the header map directly: our keys are in canonical form already.
func get(m *Msg, key string) string {
	if v := m.Header[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func set(m *Msg, key, value string) {
	if value == "" {
		return
	}
	if m.Header == nil {
		m.Header = make(nats.Header, 2)
	}
	m.Header[key] = []string{value}
}

func joinNames(names []string) string {
	if len(names) == 0 {
		return ""
	}
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(Escape(name))
	}
	return b.String()
}

func splitNames(list string) ([]string, error) {
	if list == "" {
		return nil, nil
	}
	names := make([]string, 0, strings.Count(list, ",")+1)
	for token := range strings.SplitSeq(list, ",") {
		name, err := Unescape(token)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}
