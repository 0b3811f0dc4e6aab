package load

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/gobwas/ws"

	"patchbay/protocol/engineio"
	"patchbay/protocol/socketio"
)

// Transport says how a client moves its packets.
type Transport int

// The transports that a stock client can be set to.
const (
	WebSocket   Transport = iota // only WebSocket
	Polling                      // only polling
	PollingThen                  // polling, then an upgrade to WebSocket if the server offers it: the stock client's default
)

// Parser says how a client encodes its Socket.IO packets.
type Parser int

// The parsers that a stock client can be given.
const (
	JSON    Parser = iota // its own
	Msgpack               // socket.io-msgpack-parser
)

// Why a client's connection ended, beside what the system says.
var (
	// ErrRefused reports an answer other than the one that the protocol has in this place; its text follows.
	ErrRefused = errors.New("load: refused")
	// ErrHandshakeTimeout reports a connection that did not reach its namespace in time.
	ErrHandshakeTimeout = errors.New("load: no answer to the handshake")
	// ErrPingTimeout reports a server that sent no ping for longer than it promised.
	ErrPingTimeout = errors.New("load: no ping from the server")
	// ErrServerClosed reports a connection that the server ended in the protocol's own way.
	ErrServerClosed = errors.New("load: closed by the server")
	// ErrCut reports a connection that Cut ended.
	ErrCut = errors.New("load: cut")
	// ErrProtocol reports what a server must not send.
	ErrProtocol = errors.New("load: not the protocol")
)

// HandshakeTimeout is how long a client waits from its first SYN until it is in the namespace.
const HandshakeTimeout = 20 * time.Second

// Handler hears of one client. Its methods run on the client's loop; payloads are valid during the call.
type Handler interface {
	// Connected tells that the client is in the namespace, and on the transport where it stays. recovered: it has its
	// old socket back.
	Connected(recovered bool)
	// Event brings an event's JSON array. replayed: it came before Connected, as what was missed does.
	Event(payload []byte, replayed bool)
	// Ack brings the JSON array of an acknowledgement.
	Ack(id uint64, payload []byte)
	// Closed tells that the connection has ended, or could not be made. Connect may be called again.
	Closed(cause error)
}

// Settings are what clients of one kind have in common. Shared read only.
type Settings struct {
	Transport Transport
	Parser    Parser
	Deflate   bool       // offer permessage-deflate, and accept answers to polling requests in gzip
	Source    netip.Addr // of connections; the zero value leaves it to the kernel
	Recover   bool       // ask for the old socket when coming back
}

// stage is how far a connection is.
type stage uint8

const (
	absent    stage = iota // no connection
	opening                // until the Engine.IO handshake has come
	joining                // until the namespace has answered
	upgrading              // in the namespace, the upgrade under way
	present                // Connected was called
)

// Client is one Socket.IO client. Owned by its loop.
type Client struct {
	loop     *Loop
	settings *Settings
	handler  Handler
	target   *Target

	stage   stage
	attempt uint32 // tells timers of older connections from those of this one
	ws      *webSocket
	polling *polling

	session
	pid       string // private id for recovery
	offset    []byte // of the last event
	recovered bool   // what the namespace said of this connection
	lastPing  int64
}

// session is what the server's handshake has said.
type session struct {
	engineSID  string
	upgrade    bool  // to WebSocket, which the client wants and the server offers
	maxPayload int   // most bytes of a POST with several packets; 0 for no bound
	patience   int64 // longest time between two pings
}

// NewClient makes a client without a connection.
func NewClient(l *Loop, settings *Settings, handler Handler) *Client {
	return &Client{loop: l, settings: settings, handler: handler}
}

// Loop is where the client lives.
func (c *Client) Loop() *Loop { return c.loop }

// Present tells whether the client is connected and in the namespace.
func (c *Client) Present() bool { return c.stage == present }

// Absent tells whether the client has no connection and none under way.
func (c *Client) Absent() bool { return c.stage == absent }

// Connect begins a connection. What comes of it is told to the handler, which may be before Connect returns.
func (c *Client) Connect(to *Target) {
	c.target, c.stage = to, opening
	c.attempt++
	c.lastPing, c.session = c.loop.Time(), session{patience: math.MaxInt64}
	c.loop.clients[c] = struct{}{}
	attempt := c.attempt
	c.loop.After(HandshakeTimeout, func() {
		if c.attempt == attempt && c.stage != absent && c.stage != present {
			c.fail(ErrHandshakeTimeout)
		}
	})
	if c.settings.Transport == WebSocket {
		c.openWebSocket("")
		return
	}
	c.polling = newPolling(c)
	c.polling.poll()
}

// openWebSocket dials; sid is that of a session to upgrade, or empty.
func (c *Client) openWebSocket(sid string) {
	ws, err := newWebSocket(c, sid)
	if err != nil {
		c.fail(err)
		return
	}
	c.ws = ws
}

// Emit sends an event's JSON array.
func (c *Client) Emit(payload []byte) { c.say(socketio.Packet{Type: socketio.Event, Payload: payload}) }

// EmitAck sends an event's JSON array and asks for an acknowledgement.
func (c *Client) EmitAck(id uint64, payload []byte) {
	c.say(socketio.Packet{Type: socketio.Event, Payload: payload, AckID: id, HasAck: true})
}

// SetReading stops or resumes reading from the WebSocket, or polling. A client that does not read is what a slow one looks like
// to its server.
func (c *Client) SetReading(reading bool) {
	if reading {
		c.lastPing = c.loop.Time()
	}
	switch {
	case c.ws != nil:
		c.ws.link.setBlind(!reading)
	case c.polling != nil:
		c.polling.setDeaf(!reading)
	}
}

// Cut ends the connection without a word of the protocol, by a TCP reset, which keeps no port busy afterwards. Handler.Closed
// is called with ErrCut.
func (c *Client) Cut() {
	if c.stage == absent {
		return
	}
	if c.ws != nil {
		c.ws.link.reset()
	}
	if c.polling != nil {
		c.polling.get.reset()
		c.polling.post.reset()
	}
	c.fail(ErrCut)
}

// GiveUp ends the connection for want of an answer. Handler.Closed is called with the cause.
func (c *Client) GiveUp(cause error) { c.fail(cause) }

// Leave ends the connection as the stock client does, with a word to the server. Handler.Closed is not called.
func (c *Client) Leave() {
	if c.stage == present {
		c.say(socketio.Packet{Type: socketio.Disconnect})
	}
	c.end()
}

// send sends one Engine.IO packet in text form.
func (c *Client) send(packet []byte) {
	switch {
	case c.stage == absent:
	case c.ws != nil && c.ws.carries:
		c.ws.write(ws.OpText, packet)
	case c.polling != nil:
		c.polling.send(packet)
	}
}

// fail ends the connection and tells the handler.
func (c *Client) fail(cause error) {
	if c.stage == absent {
		return
	}
	c.end()
	c.handler.Closed(cause)
}

// end closes whatever is open.
func (c *Client) end() {
	c.stage = absent
	c.attempt++
	delete(c.loop.clients, c)
	if c.ws != nil {
		c.ws.link.close()
		c.ws = nil
	}
	if c.polling != nil {
		c.polling.close()
		c.polling = nil
	}
}

// silent tells whether a ping is overdue. Of a client that does not read it is not known.
func (c *Client) silent(now int64) bool {
	deaf := c.ws != nil && c.ws.link.blind || c.polling != nil && c.polling.deaf
	return now-c.lastPing > c.patience && !deaf
}

// packet takes one Engine.IO packet in text form.
func (c *Client) packet(data []byte) {
	if len(data) == 0 {
		c.fail(fmt.Errorf("%w: an empty packet", ErrProtocol))
		return
	}
	switch data[0] {
	case '0':
		c.opened(data[1:])
	case '1':
		c.fail(ErrServerClosed)
	case '2':
		c.lastPing = c.loop.now
		c.send(append([]byte("3"), data[1:]...))
	case '3', '6': // the answer to a probe is the WebSocket's own
	case '4':
		c.message(data[1:])
	case binaryMark:
		c.encoded(data[1:])
	default:
		c.fail(fmt.Errorf("%w: %.40q", ErrProtocol, data))
	}
}

// opened takes the Engine.IO handshake and asks for the namespace, with what is needed to have the old socket back.
func (c *Client) opened(data []byte) {
	open, err := engineio.DecodeOpen(data)
	if err != nil || c.stage != opening {
		c.fail(fmt.Errorf("%w: %.80q in place of a handshake", ErrProtocol, data))
		return
	}
	c.session = session{
		engineSID: open.SID, maxPayload: open.MaxPayload, patience: int64(open.PingInterval + open.PingTimeout),
		upgrade: c.settings.Transport == PollingThen && slices.Contains(open.Upgrades, "websocket"),
	}
	c.lastPing = c.loop.now
	c.stage = joining
	hello := socketio.Packet{Type: socketio.Connect}
	if c.settings.Recover && c.pid != "" {
		hello.Payload = c.appendRecovery(nil)
	}
	c.say(hello)
	if c.upgrade {
		c.openWebSocket(open.SID)
	}
}

// settle calls Connected once the client is in the namespace, and on WebSocket if that is where it goes.
func (c *Client) settle(recovered bool) {
	c.stage = present
	c.handler.Connected(recovered)
}
