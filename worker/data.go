package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"

	"patchbay/backplane"
)

// data is what the application keeps with a socket: a JSON object. Its mutex comes before the socket's.
type data struct {
	mu     sync.Mutex
	values map[string]json.RawMessage
}

// load takes over what a former worker has set. What is no object is taken for empty.
func (d *data) load(text []byte) {
	if len(text) > 0 {
		_ = json.Unmarshal(text, &d.values)
	}
}

// encodeLocked returns the object, or nothing if it is empty.
func (d *data) encodeLocked() json.RawMessage {
	if len(d.values) == 0 {
		return nil
	}
	text, err := json.Marshal(d.values)
	if err != nil { // the values were checked when they were set
		panic("worker: socket data that is not JSON: " + err.Error())
	}
	return text
}

// Data returns the socket's data as a JSON object, `{}` if there is none.
func (s *Socket) Data() json.RawMessage {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	if text := s.data.encodeLocked(); text != nil {
		return text
	}
	return json.RawMessage("{}")
}

// Get decodes a value of the socket's data. ok is false if there is none under that key, or it is no T.
func Get[T any](s *Socket, key string) (v T, ok bool) {
	s.data.mu.Lock()
	text, ok := s.data.values[key]
	s.data.mu.Unlock()
	if !ok {
		return v, false
	}
	if err := decode(text, nil, &v); err != nil {
		var zero T
		return zero, false
	}
	return v, true
}

// Set stores a value in the socket's data. The data is kept with the session: other workers see
// it ([Target.Sockets]), and it outlives this one. Set returns when the gateway has it; in middleware
// it goes along with the answer. []byte values become base64 text.
func (s *Socket) Set(ctx context.Context, key string, value any) error {
	text, err := jsonv2.Marshal(value, jsonOptions)
	if err != nil {
		return fmt.Errorf("socket data %q: %w", key, err)
	}
	s.data.mu.Lock()
	if s.data.values == nil {
		s.data.values = map[string]json.RawMessage{}
	}
	s.data.values[key] = text
	if s.connecting() {
		s.data.mu.Unlock()
		return nil
	}
	// The lock is held until the request is published, so that the last Set is also the last to arrive.
	_, err = s.controlWith(ctx, backplane.Control{Op: backplane.OpData, Data: s.data.encodeLocked()}, s.data.mu.Unlock)
	return err
}

func (s *Socket) connecting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateConnecting
}
