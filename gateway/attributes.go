package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"patchbay/backplane"
)

// What a change of a socket's data or user can ask too much of.
var (
	errData     = errors.New("data is not a JSON object")
	errUser     = fmt.Errorf("user id is longer than %d bytes", backplane.MaxUser)
	errUserRoom = errors.New("room name is reserved for users")
)

// replaceData makes an object the socket's data. Its worker, which has a copy, is told before whoever asked is answered:
// so a worker that has changed the data finds the change in its copy.
func (k *socket) replaceData(text []byte) error {
	gw := k.nsp.loop.gw
	if len(text) > gw.live().DataBytes {
		gw.metrics.limited.WithLabelValues("data").Inc()
		return errDataSize
	}
	k.data = bytes.Clone(text)
	gw.feed.add(backplane.Change{Op: backplane.DataChanged, Socket: k.id, Data: k.data})
	gw.toWorker(k.worker, "data", k.id, k.data)
	return nil
}

// setData sets some values of the socket's data, by key, and leaves the others.
func (k *socket) setData(patch []byte) error {
	var values, changes map[string]json.RawMessage
	if err := json.Unmarshal(patch, &changes); err != nil {
		return errData
	}
	if len(k.data) > 0 {
		if err := json.Unmarshal(k.data, &values); err != nil {
			return errData
		}
	}
	if values == nil {
		values = map[string]json.RawMessage{}
	}
	for key, value := range changes {
		values[key] = value
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(values); err != nil {
		return errData
	}
	return k.replaceData(bytes.TrimSpace(b.Bytes()))
}

// setUser makes the socket one of a user's, and of no other's; "" is nobody's.
func (k *socket) setUser(user string) error {
	if len(user) > backplane.MaxUser {
		return errUser
	}
	var before []string
	for i := range k.rooms {
		name := k.rooms[i].room.name
		if other, ok := backplane.UserOf(name); ok && other != user {
			before = append(before, name)
		}
	}
	k.leaveAll(before)
	if user == "" {
		return nil
	}
	return k.enterAll([]string{backplane.UserRoom(user)})
}
