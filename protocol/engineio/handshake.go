package engineio

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

const (
	// DefaultPingInterval is the time from a pong to the server's next ping.
	DefaultPingInterval = 25 * time.Second
	// DefaultPingTimeout is how long a client may take to answer a ping. It
	// stops dead connections from being kept.
	DefaultPingTimeout = 20 * time.Second
	// DefaultUpgradeTimeout is how long an upgrade may take from probe to end.
	// It stops clients from holding two transports each.
	DefaultUpgradeTimeout = 10 * time.Second
)

// ErrHandshake reports an open packet that is not the JSON of a handshake.
var ErrHandshake = errors.New("engineio: malformed handshake")

// Open is the data of an [OpenPacket], with which a session begins.
type Open struct {
	// SID is the session's secret id.
	SID string
	// Upgrades lists the transports that the client may move to; nil for none.
	Upgrades []string
	// PingInterval is the time between heartbeats, sent in whole milliseconds.
	PingInterval time.Duration
	// PingTimeout is the time allowed for a pong, sent in whole milliseconds.
	PingTimeout time.Duration
	// MaxPayload is the most bytes that a client may put into one message; 0 leaves
	// it out, as version 3 of the protocol does.
	MaxPayload int
}

// AppendOpen appends o as a text packet, `0{"sid":…}`, with the keys in the order
// of the reference. Durations are cut to whole milliseconds.
func AppendOpen(dst []byte, o Open) []byte {
	dst = append(dst, `0{"sid":`...)
	dst = appendString(dst, o.SID)
	dst = append(dst, `,"upgrades":[`...)
	for i, name := range o.Upgrades {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, name)
	}
	dst = append(dst, `],"pingInterval":`...)
	dst = strconv.AppendInt(dst, o.PingInterval.Milliseconds(), 10)
	dst = append(dst, `,"pingTimeout":`...)
	dst = strconv.AppendInt(dst, o.PingTimeout.Milliseconds(), 10)
	if o.MaxPayload > 0 {
		dst = append(dst, `,"maxPayload":`...)
		dst = strconv.AppendInt(dst, int64(o.MaxPayload), 10)
	}
	return append(dst, '}')
}

// MaxHeartbeat bounds both durations that [DecodeOpen] accepts. It stops a server
// from overflowing a client's timers.
const MaxHeartbeat = 24 * time.Hour

// DecodeOpen decodes the data of an [OpenPacket], for clients. The result does
// not alias data. Unknown keys are ignored. Errors wrap [ErrHandshake]: bad JSON,
// no sid, a negative number, or a duration above [MaxHeartbeat].
func DecodeOpen(data []byte) (Open, error) {
	var wire struct {
		SID          string   `json:"sid"`
		Upgrades     []string `json:"upgrades"`
		PingInterval int64    `json:"pingInterval"`
		PingTimeout  int64    `json:"pingTimeout"`
		MaxPayload   int      `json:"maxPayload"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return Open{}, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	switch limit := MaxHeartbeat.Milliseconds(); {
	case wire.SID == "":
		return Open{}, fmt.Errorf("%w: no sid", ErrHandshake)
	case wire.PingInterval < 0 || wire.PingInterval > limit,
		wire.PingTimeout < 0 || wire.PingTimeout > limit,
		wire.MaxPayload < 0:
		return Open{}, fmt.Errorf("%w: number out of range", ErrHandshake)
	}
	return Open{
		SID:          wire.SID,
		Upgrades:     wire.Upgrades,
		PingInterval: time.Duration(wire.PingInterval) * time.Millisecond,
		PingTimeout:  time.Duration(wire.PingTimeout) * time.Millisecond,
		MaxPayload:   wire.MaxPayload,
	}, nil
}

// appendString appends s as a JSON string. Ids and transport names are plain
// ASCII; anything else takes the slow way.
func appendString(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				// Cannot happen: every Go string marshals.
				return append(dst, `""`...)
			}
			return append(dst, quoted...)
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}
