package backplane

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// Handshake is what is known of a session from the first request of it, the part of
// Socket.IO's `handshake` that all its sockets share. Gateways keep it encoded.
type Handshake struct {
	Headers http.Header `json:"headers,omitempty"` // canonical names
	Query   url.Values  `json:"query,omitempty"`
	Address string      `json:"address"` // the peer's IP address
	URL     string      `json:"url"`
	Time    int64       `json:"time"` // Unix milliseconds
	Secure  bool        `json:"secure,omitempty"`
	XDomain bool        `json:"xdomain,omitempty"` // an Origin header was sent
}

// Connect asks to admit a socket to a namespace: from a gateway to Subjects.Connect, and from there,
// unchanged, to the chosen worker's `connect` subject. The answer is a Connected.
type Connect struct {
	Socket    string          `json:"socket"`
	Namespace string          `json:"nsp"`
	Node      string          `json:"node"`
	Epoch     uint64          `json:"epoch"`
	Handshake json.RawMessage `json:"handshake"`        // a Handshake
	Auth      json.RawMessage `json:"auth,omitempty"`   // the CONNECT packet's payload, or absent
	User      string          `json:"user,omitempty"`   // whom the client's token names
	Claims    json.RawMessage `json:"claims,omitempty"` // what it says, or absent
	Rooms     []string        `json:"rooms,omitempty"`  // of a socket that gets a new home
	Data      json.RawMessage `json:"data,omitempty"`   // likewise
	Recovered bool            `json:"recovered,omitempty"`
	Rehomed   bool            `json:"rehomed,omitempty"` // recovered because its worker was lost: its client notices nothing
}

// Connected answers a Connect: accepted (Error is nil) by the named worker, or refused.
type Connected struct {
	Worker string          `json:"worker,omitempty"`
	Rooms  []string        `json:"rooms,omitempty"` // to join at once, besides the socket's own
	Data   json.RawMessage `json:"data,omitempty"`  // the socket's data, a JSON object
	Error  *ConnectError   `json:"error,omitempty"`
}

// ConnectError becomes the client's `connect_error`.
type ConnectError struct {
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data,omitempty"`
}

// Moved tells a socket's worker which gateway holds the socket now, and asks whether the former one's last event has
// come: from the new gateway to the worker's `moved` subject, a request. The answer is a Standing. It comes
// when the worker has seen the former gateway's message on its `left` subject, whose data is the token, or
// when it has waited for that long enough. If the worker does not have the socket, the answer bears NoSocket as HeaderError.
type Moved struct {
	Token string `json:"token"` // the handoff's, 1 to MaxMoveToken bytes
	Node  string `json:"node"`
	Epoch uint64 `json:"epoch"`
}

// MaxMoveToken is the longest token of a handoff, in bytes. It bounds what a broken gateway can make
// workers remember.
const MaxMoveToken = 128

// ControlOp says what a Control asks for.
type ControlOp string

// The control operations.
const (
	OpInfo       ControlOp = "info"       // nothing but the answer
	OpJoin       ControlOp = "join"       // join Rooms
	OpLeave      ControlOp = "leave"      // leave Rooms
	OpData       ControlOp = "data"       // replace the socket's data
	OpSet        ControlOp = "set"        // set the values that Data has, by key, and leave the others
	OpUser       ControlOp = "user"       // make User the socket's user, "" for none
	OpHandshake  ControlOp = "handshake"  // the socket's handshake and the payload of its CONNECT
	OpDisconnect ControlOp = "disconnect" // take the socket out of its namespace; with Close end its session
	OpStatus     ControlOp = "status"     // the Link; what VerbStatus of a socket stands for
)

// Control is a request to the gateway that holds a socket, on Subjects.SocketControl.
// It is answered only once it holds: a join when the gateway has subscribed.
type Control struct {
	Op        ControlOp       `json:"op"`
	Namespace string          `json:"nsp,omitempty"` // if set, a socket of another namespace is not there
	Rooms     []string        `json:"rooms,omitempty"`
	User      string          `json:"user,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Close     bool            `json:"close,omitempty"`
}

// NodeControl asks a gateway for the same of all its sockets in any of To, or of the whole namespace if To is empty,
// less those in Except: a request on its `control` subject. Op is OpJoin, OpLeave or OpDisconnect.
type NodeControl struct {
	Control          // its Namespace is set
	To      []string `json:"to,omitempty"`
	Except  []string `json:"except,omitempty"` // rooms and socket ids
}

// NodeReply answers a NodeControl once it holds for all of the gateway's sockets but Moving.
type NodeReply struct {
	Error   string   `json:"error,omitempty"`   // what was wrong
	Sockets int      `json:"sockets,omitempty"` // for how many it holds
	Refused []string `json:"refused,omitempty"` // sockets for which it does not, the first of them
	Moving  []string `json:"moving,omitempty"`  // sockets on their way between gateways, to be asked for one by one
	Seen    Seen     `json:"seen,omitzero"`
}

// MaxRefused is how many sockets a NodeReply names that refused.
const MaxRefused = 16

// ControlReply answers a Control with the socket's state after it. Version is the
// membership version of the change, to be passed on in queries that must see it.
type ControlReply struct {
	Error     string   `json:"error,omitempty"` // ErrNoSocket's text, or what was wrong
	Rooms     []string `json:"rooms,omitempty"` // all of the socket's rooms, its own id included, sorted
	Transport string   `json:"transport,omitempty"`
	Seen      Seen     `json:"seen,omitzero"`

	Data      json.RawMessage `json:"data,omitempty"`      // answers OpInfo and OpHandshake
	Handshake json.RawMessage `json:"handshake,omitempty"` // answers OpHandshake: a Handshake
	Auth      json.RawMessage `json:"auth,omitempty"`      // likewise: the CONNECT's payload, if there was one
	User      string          `json:"user,omitempty"`      // likewise: whom the client's token names
	Claims    json.RawMessage `json:"claims,omitempty"`    // likewise: what it says
	Link      *Link           `json:"link,omitempty"`      // answers OpStatus
	Worker    string          `json:"worker,omitempty"`    // answers OpInfo: the socket's home
}

// NoSocket is ControlReply.Error when the socket is not, or no longer, there.
const NoSocket = "no such socket"

// Asked is a gateway's word on whom it has asked for an acknowledgement of an emit that has Emit.Ask, on the emit's reply subject. The
// answers come on subjects of their own: see Subjects.Answer.
type Asked struct {
	Node    string   `json:"node"`
	Sockets []string `json:"sockets,omitempty"`
	More    bool     `json:"more,omitempty"` // there is another message of this gateway's
}

// SocketGone is HeaderError on the reply to an emit whose socket has disconnected before it acknowledged.
const SocketGone = "socket disconnected"

// Seen is a point in a node's membership feed.
type Seen struct {
	Node    string `json:"node"`
	Epoch   uint64 `json:"epoch"`
	Version uint64 `json:"version"`
}

// WorkerBeat is a worker's sign of life, on Subjects.Beat at every beat interval, at
// its start and when a router says hello. Leaving is true once, when it stops.
type WorkerBeat struct {
	Worker     string   `json:"worker"`
	Epoch      uint64   `json:"epoch"`
	Namespaces []string `json:"namespaces"`
	Leaving    bool     `json:"leaving,omitempty"`
}

// Lost is the routers' word, on Subjects.Lost, that a lease has run out. Exactly one of
// Node and Worker is set. Several routers may say the same: it is idempotent.
type Lost struct {
	Node   string `json:"node,omitempty"`
	Worker string `json:"worker,omitempty"`
	Epoch  uint64 `json:"epoch"`
	// Leaving says that the worker has not died but stops, and works off what it has been given.
	Leaving bool `json:"leaving,omitempty"`
}

// QueryOp says what a Query asks for.
type QueryOp string

// The queries.
const (
	QueryCount   QueryOp = "count"   // how many sockets are in the room, or in the namespace
	QueryRooms   QueryOp = "rooms"   // the namespace's rooms with their sizes, by name, in pages
	QuerySockets QueryOp = "sockets" // the sockets of the room or namespace, by id, in pages
	QueryNodes   QueryOp = "nodes"   // nodes, workers and their loads
	QueryWhere   QueryOp = "where"   // the nodes that have sockets of the rooms or namespace, and how many
	QueryUsers   QueryOp = "users"   // the users of the rooms or namespace with their sockets, by user id, in pages
	QueryWatch   QueryOp = "watch"   // the sockets of the room or namespace, and from then on who comes and goes: see Presence
)

// Query is a question to the membership index, on Subjects.Query. The router
// answers once it has caught up with Seen, or with Complete false if it could not in time.
//
// Whose sockets are meant: those in Room or in any of Rooms; without either, the whole namespace. Of them
// those that are not in Except, and, if Node is set, those on that node.
type Query struct {
	Op        QueryOp  `json:"op"`
	Namespace string   `json:"nsp,omitempty"`
	Room      *string  `json:"room,omitempty"`
	Rooms     []string `json:"rooms,omitempty"`
	Except    []string `json:"except,omitempty"` // rooms and socket ids
	Node      string   `json:"node,omitempty"`
	After     string   `json:"after,omitempty"` // page: names or ids greater than this
	Limit     int      `json:"limit,omitempty"` // page size; 0 means the router's default
	Seen      []Seen   `json:"seen,omitempty"`
}

// Answer answers a Query.
type Answer struct {
	Error    string       `json:"error,omitempty"`
	Complete bool         `json:"complete"` // false: a node is silent, or Seen was not reached in time
	Missing  []string     `json:"missing,omitempty"`
	Count    int          `json:"count,omitempty"` // of sockets, rooms or users; in pages of sockets only where the router knows it without counting
	Total    int          `json:"total,omitempty"` // of a users query: sockets
	Named    int          `json:"named,omitempty"` // likewise: those that have a user
	Rooms    []RoomInfo   `json:"rooms,omitempty"`
	Sockets  []SocketInfo `json:"sockets,omitempty"`
	Users    []UserInfo   `json:"users,omitempty"`
	Nodes    []NodeInfo   `json:"nodes,omitempty"`
	Workers  []WorkerInfo `json:"workers,omitempty"`
	Next     string       `json:"next,omitempty"` // After of the next page, empty at the end
	AgeMS    int64        `json:"age_ms"`         // since the node heard longest ago was heard
}

// RoomInfo is one room of an Answer.
type RoomInfo struct {
	Name    string `json:"name"`
	Sockets int    `json:"sockets"`
}

// UserInfo is one user of an Answer.
type UserInfo struct {
	ID      string `json:"id"`
	Sockets int    `json:"sockets"` // of those that were asked for
}

// SocketInfo is one socket of an Answer.
type SocketInfo struct {
	ID     string          `json:"id"`
	User   string          `json:"user,omitempty"`
	Node   string          `json:"node"`
	Worker string          `json:"worker"`
	Rooms  []string        `json:"rooms"` // sorted, the socket's own id included
	Data   json.RawMessage `json:"data,omitempty"`
}

// NodeInfo is one gateway of an Answer.
type NodeInfo struct {
	ID      string `json:"id"`
	Epoch   uint64 `json:"epoch"`
	Version uint64 `json:"version"`
	Sockets int    `json:"sockets"`
	AgeMS   int64  `json:"age_ms"` // since it was last heard
	Synced  bool   `json:"synced"` // no gap is being mended
}

// WorkerInfo is one worker of an Answer.
type WorkerInfo struct {
	ID         string   `json:"id"`
	Namespaces []string `json:"namespaces"`
	Sockets    int      `json:"sockets"`
	AgeMS      int64    `json:"age_ms"`
}
