package backplane

// Verbs by which a router asks for what its status page shows. They are apart from `control`, so that a router's permissions
// are for these alone.
const (
	// VerbStatus of a gateway is answered with a NodeStatus; of a socket, with a ControlReply that has a Link.
	VerbStatus = "status"
	// VerbEnd of a socket disconnects it, as OpDisconnect does, and is answered likewise. Of its Control only Close counts.
	VerbEnd = "end"
)

// NodeStatus is what a gateway knows of itself and nobody else does. Counters begin with the process.
type NodeStatus struct {
	Node          string `json:"node"`
	Epoch         uint64 `json:"epoch"`
	Started       int64  `json:"started"` // Unix milliseconds, of the process
	Phase         string `json:"phase"`   // PhaseOpen and so on
	Connections   int64  `json:"connections"`
	Sockets       int    `json:"sockets"`
	Detached      int    `json:"detached"` // sockets whose clients may come back
	Subscriptions int    `json:"subscriptions"`

	Opened    uint64 `json:"opened"`    // sessions
	Received  uint64 `json:"received"`  // messages of clients
	Emits     uint64 `json:"emits"`     // taken from the backplane
	Delivered uint64 `json:"delivered"` // events to sockets

	Drain *DrainStatus `json:"drain,omitempty"` // while it drains
}

// The phases of a gateway.
const (
	PhaseOpen     = "open"
	PhaseDraining = "draining" // it takes clients for a while yet, and then lets them go
	PhaseClosed   = "closed"   // it takes none any more, and lets those go that it has
	PhaseStopping = "stopping"
)

// DrainStatus is what a gateway that drains still has.
type DrainStatus struct {
	Sessions int `json:"sessions"`
	Detached int `json:"detached"`
	Handoffs int `json:"handoffs"` // not finished
}

// Link is a socket's way to its client.
type Link struct {
	Transport string `json:"transport"`
	Queued    int    `json:"queued"`    // bytes that are not sent yet
	AgeMS     int64  `json:"age_ms"`    // since the session was opened, here or on the node that it came from
	HeardMS   int64  `json:"heard_ms"`  // since the last heartbeat was complete
	WaitingMS int64  `json:"pong_wait"` // since the ping was sent that is not answered yet, or 0
	Protocol  int    `json:"protocol"`  // of Engine.IO
	Parser    string `json:"parser"`    // json or msgpack
	Address   string `json:"address"`   // of the client
}
