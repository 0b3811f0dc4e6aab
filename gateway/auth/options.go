package auth

import (
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ErrOptions reports options that cannot work.
var ErrOptions = errors.New("auth: invalid options")

// Options says which tokens are accepted. Without keys nothing is asked of clients.
type Options struct {
	KeyFile  string        `name:"auth-keys" type:"path" help:"File of the keys that clients' tokens (JWT) may be signed with: PEM public keys or certificates, a JWK set, or a secret of at least 32 bytes for HMAC. Read again on SIGHUP. Turns authentication on."`
	KeyURL   string        `name:"auth-jwks" help:"URL of a JWK set with such keys. Turns authentication on."`
	Refresh  time.Duration `name:"auth-jwks-refresh" default:"5m" help:"Time after which the JWK set is fetched again; a token with an unknown key has it fetched sooner."`
	Issuer   string        `name:"auth-issuer" help:"Issuer (iss) that tokens must name; any if empty."`
	Audience string        `name:"auth-audience" help:"Audience (aud) that tokens must name; any if empty."`
	User     string        `name:"auth-user-claim" default:"sub" help:"Claim that names the user."`
	Leeway   time.Duration `name:"auth-leeway" default:"10s" help:"By how much the clocks of who signs tokens and of gateways may differ."`
	Lifetime time.Duration `name:"auth-max-lifetime" default:"24h" help:"How long a token may be valid from now on; longer ones, and those without an end, are refused. It bounds how long a revocation is remembered."`
	Warning  time.Duration `name:"auth-warning" default:"1m" help:"Time before the end of a socket's token at which the client gets auth:expiring."`
}

// Enabled reports whether clients need a token.
func (o *Options) Enabled() bool { return o.KeyFile != "" || o.KeyURL != "" }

// WithDefaults fills in what is zero.
func (o Options) WithDefaults() Options {
	if o.Refresh <= 0 {
		o.Refresh = 5 * time.Minute
	}
	if o.User == "" {
		o.User = "sub"
	}
	if o.Leeway == 0 {
		o.Leeway = 10 * time.Second
	}
	if o.Lifetime <= 0 {
		o.Lifetime = 24 * time.Hour
	}
	if o.Warning == 0 {
		o.Warning = time.Minute
	}
	return o
}

// algorithms are those that a signature may have. "none" is not one of them, and a key is used with its own kind alone.
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.HS256, jose.HS384, jose.HS512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}
