package scenario

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"patchbay/loadtest/load"
)

// ErrOptions reports options that make no sense together.
var ErrOptions = errors.New("load: options")

// MaxPerProcess is the most connections that one process opens; more are shared out to several. With the few other
// descriptors of a process that is what a limit of 20,000 leaves.
const MaxPerProcess = 19_900

// Bounds of what can be asked for. They stop a slip of the hand from filling the memory.
const (
	maxClients  = 10_000_000
	maxLoops    = 1024
	maxRate     = 1e9       // a message in a nanosecond
	maxInFlight = 1_000_000 // of all rooms together
)

// Options are a scenario's, as the command line has them. Some scenarios have defaults of their own.
type Options struct {
	Clients    int `name:"clients" short:"n" default:"1000" help:"How many clients."`
	RoomSize   int `name:"room-size" default:"0" help:"Clients in a room; 0 for all of them in one."`
	Publishers int `name:"publishers" default:"0" help:"Senders in each room. With one room they are clients beside its members; with several, members."`

	Server  Server  `embed:""`
	Traffic Traffic `embed:""`
	Timing  Timing  `embed:""`
	Trouble Trouble `embed:""`
	Shape   Shape   `embed:""`
}

// Server says what is put under load.
type Server struct {
	URLs      []string `name:"url" default:"http://127.0.0.1:8081" placeholder:"URL" help:"Where the server answers; several, by comma, are taken in turn."`
	Path      string   `name:"path" default:"/socket.io/" help:"Path of Socket.IO on the server."`
	Transport string   `name:"transport" default:"websocket" enum:"websocket,polling,upgrade" help:"${enum}; upgrade begins with polling, as the stock client does."`
	Parser    string   `name:"parser" default:"json" enum:"json,msgpack" help:"How packets are encoded: ${enum}; msgpack as socket.io-msgpack-parser does."`
	Deflate   bool     `name:"deflate" help:"Offer permessage-deflate on WebSockets, and accept answers to polling requests in gzip."`
	Remote    bool     `name:"remote" help:"Allow servers that are not on this machine."`
}

// Traffic says what is sent. With neither a rate nor messages in flight nothing is.
type Traffic struct {
	Rate     float64 `name:"rate" default:"0" help:"Messages per second in all, sent on time whatever the server does (open loop). 0 for as many as --in-flight lets out."`
	InFlight int     `name:"in-flight" default:"0" help:"Without a rate: a message is sent when, of the messages before, fewer than this many are still under way: not yet received by every member of the room, or, for echo, not yet acknowledged. Publishing counts it in each room, echo over all clients."`
	Payload  int     `name:"payload" default:"128" help:"Bytes of a message's payload: numbers, and words to fill it, which compress as text does."`
}

// Timing says how long the parts of a run take.
type Timing struct {
	Duration       time.Duration `name:"duration" short:"d" default:"10s" help:"How long is measured."`
	WarmUp         time.Duration `name:"warm-up" default:"2s" help:"How long the traffic runs before it is measured."`
	Patience       time.Duration `name:"patience" default:"5s" help:"How long without a single delivery until what is missing counts as lost."`
	Grace          time.Duration `name:"grace" default:"2s" help:"How long nothing may come, once all has arrived, until the run ends: what is repeated later than that is not seen."`
	ConnectTimeout time.Duration `name:"connect-timeout" default:"2m" help:"How long all clients together may take to connect."`
	ConnectRate    float64       `name:"connect-rate" default:"0" help:"Connections begun per second; 0 for as fast as the server takes them."`
	Connecting     int           `name:"connecting" default:"256" help:"Handshakes under way at the same time."`
}

// Trouble says what befalls clients on the way.
type Trouble struct {
	Share   float64       `name:"share" default:"0" help:"Share of the clients that are cut (jitter) or never read (slow)."`
	Away    time.Duration `name:"away" default:"2s" help:"How long a client that was cut stays away."`
	Every   time.Duration `name:"every" default:"5s" help:"How long a client is connected between two cuts (jitter)."`
	Recover bool          `name:"recover" default:"false" negatable:"" help:"Ask for the old socket when coming back (connection state recovery)."`
	Restart []string      `name:"restart" sep:"none" placeholder:"COMMAND" help:"A shell command that restarts one node, run while the load is on; several run one after the other (drain)."`
}

// Shape says how the generator is built.
type Shape struct {
	Loops      int `name:"loops" default:"1" help:"Event loops in each process."`
	PerProcess int `name:"per-process" default:"19900" help:"Most connections of one process; more clients mean more processes."`
}

// Scenarios are the names of what can be run, in the order of the manual.
func Scenarios() []string {
	return []string{"idle", "connect", "fanout", "rooms", "echo", "avalanche", "jitter", "drain", "slow"}
}

func transportOf(name string) load.Transport {
	return map[string]load.Transport{"websocket": load.WebSocket, "polling": load.Polling, "upgrade": load.PollingThen}[name]
}

func parserOf(name string) load.Parser {
	if name == "msgpack" {
		return load.Msgpack
	}
	return load.JSON
}

// Check refuses what cannot be run.
func (o *Options) Check(name string) error {
	if err := o.checkTimes(name); err != nil {
		return err
	}
	fault := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrOptions}, args...)...)
	}
	switch {
	case !slices.Contains(Scenarios(), name):
		return fault("no scenario is called %q", name)
	case len(o.Server.URLs) == 0:
		return fault("no URL")
	case o.Clients < 1 || o.Clients > maxClients || o.Publishers < 0 || o.Publishers > maxClients || o.RoomSize < 0:
		return fault("--clients must be between 1 and %d, --publishers at most as many, and neither they nor --room-size negative", maxClients)
	case o.Shape.Loops < 1 || o.Shape.Loops > maxLoops:
		return fault("--loops must be between 1 and %d", maxLoops)
	case o.Shape.PerProcess < 1 || o.Shape.PerProcess > MaxPerProcess:
		return fault("--per-process must be between 1 and %d", MaxPerProcess)
	case !within(o.Traffic.Rate, 0, maxRate) || !within(o.Timing.ConnectRate, 0, maxRate):
		return fault("--rate and --connect-rate must be numbers between 0 and %g", maxRate)
	case o.Traffic.InFlight < 0 || o.Traffic.InFlight > maxInFlight:
		return fault("--in-flight must be between 0 and %d", maxInFlight)
	case o.Traffic.Payload < minPayload || o.Traffic.Payload > maxPayload:
		return fault("--payload must be between %d and %d bytes", minPayload, maxPayload)
	case o.Timing.Duration <= 0 || o.Timing.Connecting < 1:
		return fault("--duration and --connecting must be positive")
	case !within(o.Trouble.Share, 0, 1):
		return fault("--share must be between 0 and 1")
	case len(o.Trouble.Restart) > 0 && name != "drain":
		return fault("--restart is for drain alone, not for %s", name)
	case o.Trouble.Share == 0 && (name == "slow" || name == "jitter"):
		return fault("--share must be above 0 for %s", name)
	case o.Traffic.Rate == 0 && o.Traffic.InFlight > 0 && name != "echo" && o.Publishers > 1:
		return fault("--in-flight needs a single publisher in a room: take --rate for several")
	}
	return nil
}

// within tells whether a number lies between two others; NaN does not.
func within(x, least, most float64) bool { return x >= least && x <= most }
