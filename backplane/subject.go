package backplane

import (
	"strconv"
	"strings"
)

// DefaultPrefix is the first token of every subject.
const DefaultPrefix = "pb"

// Subjects is the subject grammar under one prefix; docs/subjects.md has the
// table of who publishes, who subscribes and what is guaranteed. It is an immutable
// value, safe for concurrent use.
type Subjects struct {
	prefix string // with the trailing dot
}

// NewSubjects returns the grammar under a prefix, itself one token or several;
// empty means DefaultPrefix. Clusters that share a NATS account need prefixes of their own.
func NewSubjects(prefix string) Subjects {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return Subjects{prefix: prefix + "."}
}

// namespaceToken drops the slash with which every namespace begins: "/" is the
// token "-", "/chat" is "chat".
func namespaceToken(nsp string) string { return Token(strings.TrimPrefix(nsp, "/")) }

// Namespace is where emits to all sockets of a namespace go. Every gateway with
// a socket in it subscribes.
func (s Subjects) Namespace(nsp string) string { return s.prefix + "nsp." + namespaceToken(nsp) }

// Room is where emits to a room go. Every gateway with a member subscribes.
//
// A room whose name has the form of a socket id lives on that socket's own
// subject, so that one publish reaches both the socket and whoever joined a room
// of its name. Such emits must name their namespace (Emit.Namespace).
func (s Subjects) Room(nsp, room string) string {
	if _, _, ok := SplitSocketID(room); ok {
		return s.SocketEmit(room)
	}
	return s.prefix + "room." + namespaceToken(nsp) + "." + Token(room)
}

// ParseEmit takes apart a subject of Namespace or Room, for rooms that are not named like socket ids.
// whole is true for a namespace's. ok is false for other subjects and where a token is hashed:
// then HeaderNamespace and HeaderRooms have to tell.
func (s Subjects) ParseEmit(subject string) (nsp, room string, whole, ok bool) {
	rest, ok := strings.CutPrefix(subject, s.prefix)
	if !ok {
		return "", "", false, false
	}
	kind, rest, _ := strings.Cut(rest, ".")
	token, roomToken, inRoom := strings.Cut(rest, ".")
	if (kind != "nsp" || inRoom) && (kind != "room" || !inRoom) {
		return "", "", false, false
	}
	if Hashed(token) || Hashed(roomToken) {
		return "", "", !inRoom, false
	}
	name, err := Unescape(token)
	if err == nil && inRoom {
		room, err = Unescape(roomToken)
	}
	return "/" + name, room, !inRoom, err == nil
}

// Address returns the subject of an emit to one room, and completes the emit's headers where
// the subject alone does not say which namespace and room are meant: names too
// long to be spelled out, and rooms named like socket ids.
func (s Subjects) Address(e *Emit, nsp, room string) string {
	subject := s.Room(nsp, room)
	_, _, id := SplitSocketID(room)
	if id || Hashed(namespaceToken(nsp)) || Hashed(Token(room)) {
		e.Namespace = nsp
		if len(e.Rooms) == 0 && !id {
			e.Rooms = []string{room}
		}
	}
	return subject
}

// AddressAll returns the subject of an emit to a whole namespace, and completes the emit's headers, as
// Address does, where the namespace's name is too long to be spelled out.
func (s Subjects) AddressAll(e *Emit, nsp string) string {
	if Hashed(namespaceToken(nsp)) {
		e.Namespace = nsp
	}
	return s.Namespace(nsp)
}

// Matching is where emits to all namespaces that match a pattern go: Emit.Match. Every gateway subscribes.
func (s Subjects) Matching() string { return s.prefix + "matching" }

// Answer is where one socket's acknowledgement of an emit goes that asked many: below the emit's reply subject.
func (s Subjects) Answer(reply, socket string) string { return reply + "." + socket }

// SocketEmit is where emits to one socket go. The birth node holds them all with
// SocketsBorn; a node that adopts the socket subscribes to SocketAll.
func (s Subjects) SocketEmit(id string) string { return s.socket(id) + ".emit" }

// SocketControl is where requests about one socket go: join, leave, disconnect,
// data, info (see Control). The gateway that holds the socket answers.
func (s Subjects) SocketControl(id string) string { return s.socket(id) + ".control" }

// SocketStatus is where a router asks about a socket's client, for its status page: see VerbStatus.
func (s Subjects) SocketStatus(id string) string { return s.socket(id) + "." + VerbStatus }

// SocketEnd is where a router disconnects a socket, for its status page: see VerbEnd.
func (s Subjects) SocketEnd(id string) string { return s.socket(id) + "." + VerbEnd }

// SocketAck is where the acknowledgement that a client asked for goes. It survives a move of the socket. The reply
// subjects of events say more: see Receipt.
func (s Subjects) SocketAck(id string, ackID string) string { return s.socket(id) + ".ack." + ackID }

// SocketMissing is where a worker says from which number on it has not had the socket's events.
func (s Subjects) SocketMissing(id string, number uint64) string {
	return s.socket(id) + "." + VerbMissing + "." + strconv.FormatUint(number, 10)
}

// SocketTake is where a gateway asks for a socket, to bring it to itself. The gateway that has it answers, and
// its birth node if it is nowhere.
func (s Subjects) SocketTake(id string) string { return s.socket(id) + ".take" }

// SocketAll matches everything addressed to one socket.
func (s Subjects) SocketAll(id string) string { return s.socket(id) + ".>" }

// SocketsOf matches everything addressed to the sockets ever born on a node.
func (s Subjects) SocketsOf(node string) string { return s.prefix + "socket." + node + ".>" }

// SocketsBorn matches everything addressed to the sockets born at one start of a node.
func (s Subjects) SocketsBorn(node string, b Birth) string {
	return s.prefix + "socket." + node + "." + string(b) + ".>"
}

func (s Subjects) socket(id string) string {
	node, _, ok := SplitSocketID(id)
	if !ok { // there is nobody at such a subject
		return s.prefix + "socket.-.-." + Token(id)
	}
	return s.prefix + "socket." + node + "." + string(SocketBirth(id)) + "." + id
}

// ParseSocket takes apart a subject that SocketsBorn matches: the socket's id, the
// verb (emit, control, ack, done, missing, take) and its argument: see Receipt.
func (s Subjects) ParseSocket(subject string) (id, verb, arg string, ok bool) {
	rest, ok := strings.CutPrefix(subject, s.prefix+"socket.")
	if !ok {
		return "", "", "", false
	}
	_, rest, _ = strings.Cut(rest, ".") // node
	_, rest, _ = strings.Cut(rest, ".") // birth
	id, rest, ok = strings.Cut(rest, ".")
	verb, arg, _ = strings.Cut(rest, ".")
	if _, _, valid := SplitSocketID(id); !valid {
		return "", "", "", false
	}
	return id, verb, arg, ok
}

// Node is a subject of one gateway: `<prefix>gateway.<node>.<verb>[.<arg>]`.
// Verbs: connected (the answer to a CONNECT, arg the socket id), emit (to this node's sockets alone),
// control (of many sockets, see NodeControl), confirm (what workers are done with), snapshot (of its membership), handoff (what
// moves between two gateways).
func (s Subjects) Node(node, verb, arg string) string {
	subject := s.prefix + "gateway." + node + "." + verb
	if arg != "" {
		subject += "." + arg
	}
	return subject
}

// NodeAll matches every subject of one gateway.
func (s Subjects) NodeAll(node string) string { return s.prefix + "gateway." + node + ".>" }

// Shelter is where a gateway that drains asks for somebody to keep a socket; one gateway that is ready hears it, of a queue group.
func (s Subjects) Shelter() string { return s.prefix + "shelter" }

// Worker is a subject of one worker, about one socket: `<prefix>worker.<id>.<verb>.<socket>`.
// Verbs: connect (a CONNECT to decide, a request), open (the gateway has let the socket in), event (a client's
// event; see Receipt), alive (a question: is the worker there, and what is its Standing), rehomed (another worker has the socket),
// data (a change of the socket's data), disconnect (the socket is gone), left and moved (see Moved).
// About none: reply and presence, then a number (answers, and what is watched), and peer (an event of another worker).
func (s Subjects) Worker(worker, verb, socket string) string {
	return s.prefix + "worker." + worker + "." + verb + "." + socket
}

// WorkerAll matches every subject of one worker.
func (s Subjects) WorkerAll(worker string) string { return s.prefix + "worker." + worker + ".>" }

// WorkersAbout matches what any worker is told about one socket.
func (s Subjects) WorkersAbout(socket string) string { return s.prefix + "worker.*.*." + socket }

// Peers is where a worker, or an emitter, sends events to all workers.
func (s Subjects) Peers(from string) string { return s.prefix + "peers." + from }

// PeersAll matches the events that workers send to all others.
func (s Subjects) PeersAll() string { return s.prefix + "peers.*" }

// ParsePeers returns who sent an event to all workers.
func (s Subjects) ParsePeers(subject string) (from string, ok bool) {
	return strings.CutPrefix(subject, s.prefix+"peers.")
}

// ParseOwned takes apart a subject of a gateway (NodeAll) or a worker
// (WorkerAll): the verb and its argument.
func (s Subjects) ParseOwned(subject string) (verb, arg string, ok bool) {
	rest, ok := strings.CutPrefix(subject, s.prefix)
	if !ok {
		return "", "", false
	}
	_, rest, _ = strings.Cut(rest, ".") // gateway or worker
	_, rest, ok = strings.Cut(rest, ".")
	verb, arg, _ = strings.Cut(rest, ".")
	return verb, arg, ok
}

// Connect is where gateways ask the routers to admit a socket to a namespace; one router of
// the queue group takes it and passes it on to the worker of its choice.
func (s Subjects) Connect(nsp string) string {
	return s.prefix + "router.connect." + namespaceToken(nsp)
}

// ConnectAll matches the admission requests of all namespaces.
func (s Subjects) ConnectAll() string { return s.prefix + "router.connect.*" }

// ParseConnect returns the namespace of an admission request; ok is false where the
// token is hashed or broken, and the request's HeaderNamespace has to tell.
func (s Subjects) ParseConnect(subject string) (nsp string, ok bool) {
	token, found := strings.CutPrefix(subject, s.prefix+"router.connect.")
	if !found || Hashed(token) {
		return "", false
	}
	name, err := Unescape(token)
	return "/" + name, err == nil
}

// Query is where questions to the membership index go; any router answers.
func (s Subjects) Query() string { return s.prefix + "router.query" }

// Watch is where a watch that a router keeps is renewed or ended, by the router's id and the watch's number; "*" matches all
// of a router's.
func (s Subjects) Watch(router, number string) string {
	return s.prefix + "router.watch." + router + "." + number
}

// Feed is where a gateway publishes its batches of membership changes, and beats.
func (s Subjects) Feed(node string) string { return s.prefix + "feed." + node }

// FeedAll matches the feeds of all gateways.
func (s Subjects) FeedAll() string { return s.prefix + "feed.*" }

// Beat is where workers say that they live, and what they serve; every router listens.
func (s Subjects) Beat() string { return s.prefix + "beat" }

// ToMany reports whether a subject is one of Namespace, Room (but for rooms named like a socket id) or Matching, whatever
// names are in it.
func (s Subjects) ToMany(subject string) bool {
	rest, ok := strings.CutPrefix(subject, s.prefix)
	return ok && (strings.HasPrefix(rest, "nsp.") || strings.HasPrefix(rest, "room.") || rest == "matching")
}

// Fence is where a node's Fence publishes its numbers, for itself.
func (s Subjects) Fence(node string) string { return s.prefix + "fence." + node }

// Again is where a node that was cut off asks all who emit what it has missed.
func (s Subjects) Again() string { return s.prefix + "again" }

// Gap is where a node that was cut off says so to the workers, who may have missed what it said just then.
func (s Subjects) Gap(node string) string { return s.prefix + "gap." + node }

// ParseGap returns the node of such a word.
func (s Subjects) ParseGap(subject string) (node string, ok bool) {
	node, ok = strings.CutPrefix(subject, s.prefix+"gap.")
	return node, ok && ValidID(node)
}

// Hello is where a router that starts asks every gateway and worker to show itself at once.
func (s Subjects) Hello() string { return s.prefix + "hello" }

// Lost is where routers announce nodes and workers whose lease has run out.
func (s Subjects) Lost() string { return s.prefix + "lost" }

// Revocations is where revocations go; every gateway listens.
func (s Subjects) Revocations() string { return s.prefix + "revoke" }

// Revoked is where a gateway that starts asks another for what has been revoked so far: one of the queue group GatewayQueue
// answers, with messages that hold an array of Revocation each.
func (s Subjects) Revoked() string { return s.prefix + "revoked" }

// GatewayQueue is the queue group of the gateways that know what has been revoked.
const GatewayQueue = "gateway"

// RouterQueue is the queue group that the routers share.
const RouterQueue = "router"
