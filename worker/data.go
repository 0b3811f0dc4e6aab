package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"

	"patchbay/backplane"
)

// data is this worker's copy of what is kept with a socket: a JSON object. The gateway has the original, which any
// worker may change; it tells this one of each change. Its mutex comes before the socket's.
type data struct {
	mu     sync.Mutex
	text   json.RawMessage            // the object, nil if values say what it is
	values map[string]json.RawMessage // the same taken apart, nil until somebody asks
}

// load takes over an object.
func (d *data) load(text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.text, d.values = text, nil
}

// valuesLocked returns the object taken apart. What is no object is taken for empty.
func (d *data) valuesLocked() map[string]json.RawMessage {
	if d.values == nil {
		d.values = map[string]json.RawMessage{}
		if len(d.text) > 0 {
			_ = json.Unmarshal(d.text, &d.values)
		}
	}
	return d.values
}

// encodeLocked returns the object, or nothing if it is empty.
func (d *data) encodeLocked() json.RawMessage {
	if d.text != nil || len(d.values) == 0 {
		return d.text
	}
	text, err := json.Marshal(d.values)
	if err != nil { // the values were checked when they were set
		panic("worker: socket data that is not JSON: " + err.Error())
	}
	return text
}

// Data returns the socket's data as a JSON object, `{}` if there is none: what this worker has set, and what others have
// ([Remote.Set]), as far as the gateway has told.
func (s *Socket) Data() json.RawMessage {
	s.data.mu.Lock()
	defer s.data.mu.Unlock()
	return orObject(s.data.encodeLocked())
}

// Get decodes a value of the socket's data. ok is false if there is none under that key, or it is no T.
func Get[T any](s *Socket, key string) (v T, ok bool) {
	s.data.mu.Lock()
	text, ok := s.data.valuesLocked()[key]
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
// it ([Target.Fetch]) and may change it ([Remote.Set]), and it outlives this one. Set returns when the gateway has it; in middleware
// it goes along with the answer. []byte values become base64 text.
func (s *Socket) Set(ctx context.Context, key string, value any) error {
	text, err := encodeValue(key, value)
	if err != nil {
		return err
	}
	s.data.mu.Lock()
	if s.connecting() {
		defer s.data.mu.Unlock()
		s.data.valuesLocked()[key] = text
		s.data.text = nil
		return nil
	}
	s.data.mu.Unlock()
	// The gateway tells this worker of the change before it answers, and the reader has noted it by then.
	_, err = s.control(ctx, backplane.Control{Op: backplane.OpSet, Data: patchOf(key, text)})
	return err
}

func (s *Socket) connecting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateConnecting
}

// encodeValue encodes a value of a socket's data.
func encodeValue(key string, value any) (json.RawMessage, error) {
	text, err := jsonv2.Marshal(value, jsonOptions)
	if err != nil {
		return nil, fmt.Errorf("socket data %q: %w", key, err)
	}
	return text, nil
}

// patchOf is a change of one value, an object.
func patchOf(key string, text json.RawMessage) json.RawMessage {
	patch, err := json.Marshal(map[string]json.RawMessage{key: text})
	if err != nil { // the value is JSON already
		panic("worker: a value that is not JSON: " + err.Error())
	}
	return patch
}
