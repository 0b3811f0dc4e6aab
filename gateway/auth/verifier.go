package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Why a token is refused.
var (
	ErrMissing    = errors.New("no token")
	ErrMalformed  = errors.New("not a token")
	ErrUnknownKey = errors.New("signed with a key that is not known")
	ErrSignature  = errors.New("signature is wrong")
	ErrExpired    = errors.New("token has expired")
	ErrNotYet     = errors.New("token is not valid yet")
	ErrLifetime   = errors.New("token has no end, or one that is too far away")
	ErrIssuer     = errors.New("token is of another issuer")
	ErrAudience   = errors.New("token is for another audience")
	ErrRevoked    = errors.New("token has been revoked")
)

// Identity is what a token says.
type Identity struct {
	User    string          `json:"user,omitempty"`
	Token   string          `json:"token,omitempty"` // its id (jti)
	Issued  time.Time       `json:"issued,omitzero"`
	Expires time.Time       `json:"expires"`
	Claims  json.RawMessage `json:"claims"` // all of them, a JSON object
}

// Verifier checks tokens. Safe for concurrent use.
type Verifier struct {
	options Options
	keys    atomic.Pointer[KeySet]
	revoked *Revoked
}

// NewVerifier makes a verifier without keys, which refuses every token, until SetKeys.
func NewVerifier(o Options, revoked *Revoked) *Verifier {
	return &Verifier{options: o.WithDefaults(), revoked: revoked}
}

// SetKeys has tokens checked against other keys from now on.
func (v *Verifier) SetKeys(keys *KeySet) { v.keys.Store(keys) }

// Verify checks a token and returns what it says. An ErrUnknownKey may be different once the keys have been fetched
// again. The other errors are the sentinels of this package, as they are.
func (v *Verifier) Verify(token string, now time.Time) (*Identity, error) {
	if token == "" {
		return nil, ErrMissing
	}
	if len(token) > maxTokenBytes {
		return nil, ErrMalformed
	}
	parsed, err := jwt.ParseSigned(token, algorithms())
	if err != nil || len(parsed.Headers) != 1 {
		return nil, ErrMalformed
	}
	header := parsed.Headers[0]
	candidates := v.keys.Load().candidates(header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if len(candidates) == 0 {
		return nil, ErrUnknownKey
	}
	for _, key := range candidates {
		var standard jwt.Claims
		var claims json.RawMessage
		if parsed.Claims(key, &standard, &claims) == nil {
			return v.judge(&standard, claims, now)
		}
	}
	return nil, ErrSignature
}

// judge checks what a token with a good signature says (RFC 7519, section 4.1).
func (v *Verifier) judge(c *jwt.Claims, claims json.RawMessage, now time.Time) (*Identity, error) {
	o := &v.options
	switch {
	case c.Expiry == nil || c.Expiry.Time().Sub(now) > o.Lifetime+o.Leeway:
		return nil, ErrLifetime
	case !now.Before(c.Expiry.Time().Add(o.Leeway)):
		return nil, ErrExpired
	case c.NotBefore != nil && now.Add(o.Leeway).Before(c.NotBefore.Time()):
		return nil, ErrNotYet
	case o.Issuer != "" && c.Issuer != o.Issuer:
		return nil, ErrIssuer
	case o.Audience != "" && !c.Audience.Contains(o.Audience):
		return nil, ErrAudience
	}
	identity := &Identity{Token: c.ID, Expires: c.Expiry.Time(), Claims: claims}
	if c.IssuedAt != nil {
		identity.Issued = c.IssuedAt.Time()
	}
	var all map[string]any
	if err := json.Unmarshal(claims, &all); err != nil {
		return nil, ErrMalformed
	}
	switch user := all[o.User].(type) {
	case string:
		identity.User = user
	case float64:
		identity.User = fmt.Sprintf("%.0f", user)
	}
	if v.revoked.Covers(identity, now) {
		return nil, ErrRevoked
	}
	return identity, nil
}
