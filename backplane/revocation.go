package backplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrRevocation reports a revocation that names nothing, or several things.
var ErrRevocation = errors.New("backplane: a revocation names one token, user or socket")

// Revocation takes back what clients' tokens say before they end, on Subjects.Revocations. Exactly one of Token, User and Socket is
// set. Every gateway ends the sockets that it is about, and remembers those of tokens and users.
type Revocation struct {
	Token  string    `json:"token,omitempty"`  // by its id (jti)
	User   string    `json:"user,omitempty"`   // all tokens of the user that were issued by At
	Socket string    `json:"socket,omitempty"` // by its public id
	At     time.Time `json:"at"`
	Until  time.Time `json:"until,omitzero"` // when the tokens that it is about have ended; zero: after the longest that a token may live
}

// ParseRevocation reads a revocation. Its error is ErrRevocation, or JSON's.
func ParseRevocation(data []byte) (Revocation, error) {
	var r Revocation
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("read revocation: %w", err)
	}
	return r, r.check()
}

func (r *Revocation) check() error {
	named := 0
	for _, name := range []string{r.Token, r.User, r.Socket} {
		if name != "" {
			named++
		}
	}
	if named != 1 {
		return ErrRevocation
	}
	return nil
}

// Revoke publishes a revocation. A zero At is filled in with the time. Its errors are ErrRevocation and those of Publish.
func (c *Conn) Revoke(r Revocation) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.At.IsZero() {
		r.At = time.Now()
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode revocation: %w", err)
	}
	return c.Publish(c.Revocations(), data)
}
