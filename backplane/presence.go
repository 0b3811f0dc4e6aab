package backplane

// Presence is what a router tells those who watch a room or namespace (QueryWatch), on the reply subject of their
// question: the sockets that are there, in one or more parts, and then each change.
//
// Every message counts Seq up by one, from 1. Whoever misses one asks again, with a new reply subject, as does whoever hears
// Error, or that Renew has no responders: the router that answered is gone, or will have no more to do with it (Retry is false where
// no router would). A watch lives as long as it is renewed: by an empty request
// to Renew at each beat, answered with an Alive Presence that repeats the last Seq. Data in it ends the watch.
type Presence struct {
	Error  string           `json:"error,omitempty"`
	Retry  bool             `json:"retry,omitempty"` // with Error: asking again may help
	Renew  string           `json:"renew,omitempty"` // in the first part
	Seq    uint64           `json:"seq,omitempty"`
	Alive  bool             `json:"alive,omitempty"`
	First  bool             `json:"first,omitempty"` // part of the first sight of what is watched
	More   bool             `json:"more,omitempty"`  // another part of it follows
	Joined []PresenceSocket `json:"joined,omitempty"`
	Left   []string         `json:"left,omitempty"`
	Seen   []Seen           `json:"seen,omitempty"` // what this includes, to be passed on when asking again
}

// PresenceSocket is a socket that is in a watched room. One that is told again has another user or node now.
type PresenceSocket struct {
	ID   string `json:"id"`
	User string `json:"user,omitempty"`
	Node string `json:"node"`
}
