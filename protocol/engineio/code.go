package engineio

import (
	"net/http"
	"strconv"
)

// Code is the reason for which a request is refused, a number in the protocol.
// The reference checks in the order transport, session id, method, version.
type Code int

// The codes of the protocol.
const (
	// UnknownTransport refuses a transport that does not exist or is not enabled.
	UnknownTransport Code = iota
	// UnknownSID refuses a session id that is not known, or no longer.
	UnknownSID
	// BadHandshakeMethod refuses a handshake that is not a GET.
	BadHandshakeMethod
	// BadRequest refuses what does not fit the session's state.
	BadRequest
	// Forbidden refuses what the server's own policy does not allow.
	Forbidden
	// UnsupportedProtocol refuses a version of the protocol.
	UnsupportedProtocol
)

// Message returns the text that goes with the code. For a number that is no
// code it is that of [BadRequest].
func (c Code) Message() string {
	switch c {
	case UnknownTransport:
		return "Transport unknown"
	case UnknownSID:
		return "Session ID unknown"
	case BadHandshakeMethod:
		return "Bad handshake method"
	case Forbidden:
		return "Forbidden"
	case UnsupportedProtocol:
		return "Unsupported protocol version"
	}
	return "Bad request"
}

// Status returns the HTTP status that carries the code: 403 for [Forbidden],
// 400 for all others.
func (c Code) Status() int {
	if c == Forbidden {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// AppendError appends the body of a refusal, such as
// {"code":0,"message":"Transport unknown"}; its content type is application/json.
func AppendError(dst []byte, c Code) []byte {
	return AppendErrorMessage(dst, c, c.Message())
}

// AppendErrorMessage is [AppendError] with a message of the server's own, such
// as a policy's reason for [Forbidden].
func AppendErrorMessage(dst []byte, c Code, message string) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(c), 10)
	dst = append(dst, `,"message":`...)
	dst = appendString(dst, message)
	return append(dst, '}')
}
