package worker

import (
	"time"

	"patchbay/backplane"
)

// RevokeUser ends all sockets of a user whose tokens were issued by now, on every gateway, and has those tokens refused from now on. It
// returns once the message is on its way. Tokens are checked by gateways, where that is turned on (docs/security.md).
func (a *App) RevokeUser(user string) error { return a.revoke(backplane.Revocation{User: user}) }

// RevokeToken ends the sockets whose clients came with a token, by its id (jti), and has it refused from now on. until is when the
// token ends, after which nobody need remember it; zero is the longest that a token may live.
func (a *App) RevokeToken(id string, until time.Time) error {
	return a.revoke(backplane.Revocation{Token: id, Until: until})
}

func (a *App) revoke(r backplane.Revocation) error {
	conn := a.conn.Load()
	if conn == nil {
		return ErrNotRunning
	}
	return conn.Revoke(r)
}
