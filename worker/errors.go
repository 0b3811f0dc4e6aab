package worker

import (
	"errors"
	"fmt"
)

var (
	// ErrDisconnected reports a call on, or a wait for, a socket that is gone.
	ErrDisconnected = errors.New("worker: socket is disconnected")
	// ErrConnecting reports an emit to a socket whose CONNECT is not answered yet: middleware
	// may join rooms and set data, but the client cannot hear it.
	ErrConnecting = errors.New("worker: socket is still connecting")
	// ErrAckTimeout reports a client that did not acknowledge in time.
	ErrAckTimeout = errors.New("worker: no acknowledgement in time")
	// ErrAckRefused reports an acknowledgement that a gateway says will not come.
	ErrAckRefused = errors.New("worker: no acknowledgement will come")
	// ErrParent reports a question about, or to, all namespaces of a pattern: they can only be emitted to.
	ErrParent = errors.New("worker: not for a pattern of namespaces")
	// ErrAttachments reports an emit or acknowledgement with more attachments than Options.MaxAttachments.
	// Stock clients would close their connections over it.
	ErrAttachments = errors.New("worker: too many binary attachments")
	// ErrAcked reports a second acknowledgement of one event.
	ErrAcked = errors.New("worker: event is already acknowledged")
	// ErrQueueFull reports a socket that sent faster than its handlers work, beyond
	// Options.QueueLimit or Options.QueueBytes. The socket is being disconnected.
	ErrQueueFull = errors.New("worker: queue of the socket is full")
	// ErrIncomplete accompanies an answer about the cluster that lacks some gateway's share,
	// because that gateway is silent.
	ErrIncomplete = errors.New("worker: answer is incomplete")
	// ErrNoRouter reports a question about the cluster when no router is there.
	ErrNoRouter = errors.New("worker: no router answers")
	// ErrRefused reports a request that a gateway or router turned down.
	ErrRefused = errors.New("worker: request refused")
	// ErrNotRunning reports a call before Start or after Stop.
	ErrNotRunning = errors.New("worker: not running")
	// ErrDrain reports a Stop that ran out of time with handlers still at work.
	ErrDrain = errors.New("worker: handlers did not finish in time")
	// ErrMissing reports an argument that a client left out and a handler needs. Handlers that take
	// a pointer, an `any`, an [Arg] or [Args] do not need it.
	ErrMissing = errors.New("worker: argument is missing")
	// ErrPayload reports an event or acknowledgement that is no array of arguments.
	ErrPayload = errors.New("worker: malformed payload")
	// ErrPlaceholder reports a placeholder for an attachment that is not there, received or about to
	// be sent. Sent, it would close the recipients' connections.
	ErrPlaceholder = errors.New("worker: placeholder without attachment")
	// ErrID reports a worker id that cannot be part of a subject.
	ErrID = errors.New("worker: id is not 1 to 24 lower-case letters and digits")
)

// Refusal is what middleware returns to refuse a socket: the client's `connect_error`
// has this message and data. Other errors refuse as well; their text is the message.
type Refusal struct {
	Message string
	Data    any // becomes JSON; nil for none
}

// Error returns the message.
func (r *Refusal) Error() string { return r.Message }

// ArgumentError reports an argument that does not fit the handler's parameter.
type ArgumentError struct {
	Index int // the first argument after the event's name is 0
	Err   error
}

// Error names the argument.
func (e *ArgumentError) Error() string { return fmt.Sprintf("worker: argument %d: %v", e.Index, e.Err) }

// Unwrap returns what was wrong.
func (e *ArgumentError) Unwrap() error { return e.Err }

// PanicError reports a handler that panicked. Its event is lost; the socket and the worker go on.
type PanicError struct {
	Value any
	Stack []byte
}

// Error says what the panic said.
func (e *PanicError) Error() string { return fmt.Sprintf("worker: handler panicked: %v", e.Value) }

// Unwrap returns the panic's value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
